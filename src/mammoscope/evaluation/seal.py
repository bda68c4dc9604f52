"""A sealed test set: whoever evaluates on it is counted, in a ledger that is only ever appended to.

The ledger is a file of JSON lines. The first says which patients are sealed, by salted hashes of their ids. Each
evaluation adds a line *before* a number is computed, and another with the result. Every line holds the hash of the one
before it, so a line that is changed, added between others or taken out is seen. A file can still be deleted, or cut at
its end: this counts honest people's looks; it does not stop a cheat.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import polars as pl

from mammoscope import __version__
from mammoscope.errors import MammoscopeError, SourceError
from mammoscope.storage import alone_with

FORMAT = "1"
START = "0" * 64  # what the first line has for the hash of the line before


class SealError(MammoscopeError, ValueError):
    """A sealed test set may not be evaluated on, or its ledger is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One evaluation of a sealed test set.

    Attributes:
        number: From 1, in the order of the ledger.
        at: When it began, UTC.
        what: `evaluate`, `robustness`, `external`, `compare` or `leaderboard`.
        model: Name of the recipe.
        patients: Sealed patients among those evaluated on.
        predictions: SHA-256 of the predictions; the same predictions tell nothing new.
        new: The first look at these predictions.
        broke_seal: It was beyond the budget, and asked for.
        result: Headline numbers; None if it was cut short before they were kept.
    """

    number: int
    at: str
    what: str
    model: str
    patients: int
    predictions: str
    new: bool
    broke_seal: bool
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A sealed test set and every look at it.

    Attributes:
        fingerprint: SHA-256 of the patients' sources and ids.
        patients: Sealed patients.
        sealed_at: UTC.
        evaluated_before: The run that sealed it had been evaluated already.
        budget: Different predictions that may be evaluated; None for no limit.
        looks: In the order of the ledger.
        lines: Lines of the ledger.
        head: Hash of its last line.
    """

    fingerprint: str
    patients: int
    sealed_at: str
    evaluated_before: bool
    budget: int | None
    looks: tuple[Look, ...]
    lines: int
    head: str

    @property
    def distinct(self) -> int:
        """Different predictions that were evaluated: what the budget counts."""
        return sum(look.new for look in self.looks)

    @property
    def sentence(self) -> str:
        """The count in words.

        Example:
            >>> Seal(fingerprint="ab", patients=48, sealed_at="2026-01-01T00:00:00Z", evaluated_before=False, budget=3,
            ...      looks=(), lines=1, head="").sentence
            'sealed test set of 48 patients: evaluated 0 times, 0 different predictions of 3 allowed'
        """
        budget = "" if self.budget is None else f" of {self.budget} allowed"
        broken = sum(look.broke_seal for look in self.looks)
        return (
            f"sealed test set of {self.patients} patients: evaluated {len(self.looks)} "
            f"time{'' if len(self.looks) == 1 else 's'}, {self.distinct} different predictions{budget}"
            + (f"; SEAL BROKEN {broken} times" if broken else "")
            + ("; it had been evaluated before it was sealed" if self.evaluated_before else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the counts: the block `sealed` of `metrics.json`."""
        plain = asdict(self) | {"looks": [asdict(look) for look in self.looks]}
        return plain | {"distinct": self.distinct, "sentence": self.sentence}


def seal_patients(
    ledger: Path, *, patients: pl.DataFrame, budget: int | None = None, evaluated_before: bool = False
) -> Seal:
    """Seal a test set, or find that it is sealed.

    Args:
        ledger: File to make; one that seals the same patients with the same budget is left as it is.
        patients: Columns source and patient_id; repeated rows count once.
        budget: How many different predictions may be evaluated; None for no limit.
        evaluated_before: Whether numbers on these patients are known already.

    Returns:
        The seal.

    Raises:
        SealError: The file seals others, or with another budget; or there is nobody to seal.
        StorageError: The file system refused.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> women = pl.DataFrame({"source": ["own"] * 2, "patient_id": ["1", "2"]})
        >>> with TemporaryDirectory() as folder:
        ...     ledger = Path(folder) / "sealed.jsonl"
        ...     _ = seal_patients(ledger, patients=women, budget=1)
        ...     _ = open_look(ledger, patients=women, what="evaluate", model="mine", predictions="ab")
        ...     read_seal(ledger).sentence
        'sealed test set of 2 patients: evaluated 1 time, 1 different predictions of 1 allowed'
    """
    ids = _ids(patients)
    if not ids:
        raise SealError(f"{ledger.name}: no patient to seal. Split first")
    if budget is not None and budget < 1:
        raise SealError(f"{ledger.name}: a budget must be at least 1, got {budget}. Leave it out for no limit")
    fingerprint = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    with alone_with(ledger) as descriptor:
        lines = _lines(descriptor, name=ledger.name)
        if not lines:
            salt = token_hex(16)
            facts = {
                "format": FORMAT,
                "fingerprint": fingerprint,
                "salt": salt,
                "patients": [_hashed(one, salt) for one in ids],
                "budget": budget,
                "evaluated_before": evaluated_before,
            }
            lines = _append(descriptor, lines, kind="sealed", facts=facts)
        found = _seal(lines)
    if found.fingerprint != fingerprint:
        raise SealError(f"{ledger.name}: seals other patients ({found.patients}). Choose another file with --ledger")
    if budget not in {None, found.budget}:
        raise SealError(
            f"{ledger.name}: sealed with a budget of {found.budget or 'no limit'}, which cannot become {budget}"
        )
    return found


def read_seal(ledger: Path) -> Seal:
    """Read a ledger and check every hash.

    Raises:
        SealError: There is no such file, or it is not whole.
    """
    return _seal(_read(ledger))


def sealed_among(ledger: Path, *, patients: pl.DataFrame) -> int:
    """How many of some patients are sealed.

    Args:
        ledger: Of the seal.
        patients: Columns source and patient_id.

    Raises:
        SealError: There is no such file, or it is not whole.
    """
    return _count(_read(ledger)[0][1], patients)


def open_look(
    ledger: Path, *, patients: pl.DataFrame, what: str, model: str, predictions: str, break_seal: bool = False
) -> int:
    """Note that somebody is about to see numbers on a sealed test set; call it before computing any.

    Args:
        ledger: Of the seal.
        patients: Who is evaluated on.
        what: Kind of evaluation.
        model: Name of the recipe; no name of a person.
        predictions: Their SHA-256; see `predictions_digest`.
        break_seal: Go beyond the budget; the ledger says so.

    Returns:
        The number of the look, for `close_look`.

    Raises:
        SealError: The budget is spent, or the ledger is not whole.
        StorageError: The file system refused: then nothing may be evaluated.
    """
    with alone_with(ledger) as descriptor:
        lines = _lines(descriptor, name=ledger.name)
        if not lines:
            raise SealError(f"{ledger.name}: holds no seal. Put the ledger back, or seal again: mammoscope seal RUN")
        found = _seal(lines)
        new = predictions not in {look.predictions for look in found.looks}
        spent = new and found.budget is not None and found.distinct >= found.budget
        if spent and not break_seal:
            raise SealError(
                f"{ledger.name}: the test set is sealed and its budget of {found.budget} different predictions is "
                f"spent. Choose among models on the tune part. To look all the same, and have it recorded: --break-seal"
            )
        number = len(found.looks) + 1
        facts = {
            "look": number,
            "what": what,
            "model": model,
            "patients": _count(lines[0][1], patients),
            "predictions": predictions,
            "new": new,
            "broke_seal": bool(spent),
            "mammoscope": __version__,
        }
        _append(descriptor, lines, kind="opened", facts=facts)
    return number


def close_look(ledger: Path, *, look: int, result: dict[str, Any]) -> Seal:
    """Note what a look showed.

    Args:
        ledger: Of the seal.
        look: What `open_look` gave.
        result: A few headline numbers, and the SHA-256 of all.

    Returns:
        The seal with all looks.
    """
    with alone_with(ledger) as descriptor:
        lines = _lines(descriptor, name=ledger.name)
        return _seal(_append(descriptor, lines, kind="result", facts={"look": look, "result": result}))


def has_line(ledger: Path, *, number: int, head: str) -> bool:
    """Whether the ledger still holds a line that was its last once, from 1."""
    lines = _read(ledger)
    return len(lines) >= number and lines[number - 1][0] == head


def predictions_digest(predictions: pl.DataFrame) -> str:
    """SHA-256 of the test rows of a table of predictions, whatever their order.

    Example:
        >>> rows = pl.DataFrame({"part": ["test"], "patient_id": ["1"], "image_id": ["a"], "label": [1], "score": [0.5]})
        >>> predictions_digest(rows)[:8] == predictions_digest(rows.with_columns(score=0.6))[:8]
        False
    """  # noqa: E501
    test = (
        predictions.filter(pl.col("part").cast(pl.String) == "test") if "part" in predictions.columns else predictions
    )
    kept = ("source", "patient_id", "image_id", "label", "score")
    names: list[str] = [name for name in kept if name in test.columns]
    names += [name for name in test.columns if name == "prediction" or name.startswith("score_")]
    lines = sorted("\x1f".join(repr(value) for value in row) for row in test.select(names).rows())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


Line = tuple[str, dict[str, Any]]
"""The hash of a line, and what it says."""


def _read(ledger: Path) -> list[Line]:
    try:
        with ledger.open("rb") as file:
            found = _parsed(file.read(), name=ledger.name)[0]
    except OSError as error:
        raise SealError(
            f"{ledger.name}: the ledger of a sealed test set cannot be read ({error.strerror}). Put it back"
        ) from error
    if not found:
        raise SealError(f"{ledger.name}: holds no seal. Put the ledger back, or seal again: mammoscope seal RUN")
    return found


def _lines(descriptor: int, *, name: str) -> list[Line]:
    """The lines; a last one without its end was cut off while it was written, and nobody has seen a number of it."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = b""
    while block := os.read(descriptor, 1 << 20):
        content += block
    found, whole = _parsed(content, name=name)
    if whole < len(content):
        os.ftruncate(descriptor, whole)
    return found


def _parsed(content: bytes, *, name: str) -> tuple[list[Line], int]:
    whole = content.rfind(b"\n") + 1
    found: list[Line] = []
    before = START
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            facts = json.loads(line)
            sound = facts["previous"] == before and (facts["kind"] == "sealed") == (number == 1)
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise SealError(
                f"{name}:{number}: the ledger of the sealed test set was changed: the line does not follow the one "
                "before it. Put the original back; no count can be trusted until then"
            )
        before = hashlib.sha256(line).hexdigest()
        found.append((before, facts))
    return found, whole


def _append(descriptor: int, lines: list[Line], *, kind: str, facts: dict[str, Any]) -> list[Line]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    full = {"kind": kind, "at": now, **facts, "previous": lines[-1][0] if lines else START}
    line = json.dumps(full, allow_nan=False).encode()
    waiting = line + b"\n"
    while waiting:
        waiting = waiting[os.write(descriptor, waiting) :]
    os.fsync(descriptor)
    return [*lines, (hashlib.sha256(line).hexdigest(), full)]


def _seal(lines: list[Line]) -> Seal:
    first = lines[0][1]
    if first["format"] != FORMAT:
        raise SealError(f"ledger: format {first['format']!r} is not {FORMAT!r}. Use the program it was made with")
    results = {facts["look"]: facts["result"] for _, facts in lines if facts["kind"] == "result"}
    keys = ("at", "what", "model", "patients", "predictions", "new", "broke_seal")
    looks = tuple(
        Look(number=facts["look"], result=results.get(facts["look"]), **{key: facts[key] for key in keys})
        for _, facts in lines
        if facts["kind"] == "opened"
    )
    return Seal(
        fingerprint=first["fingerprint"],
        patients=len(first["patients"]),
        sealed_at=first["at"],
        evaluated_before=first["evaluated_before"],
        budget=first["budget"],
        looks=looks,
        lines=len(lines),
        head=lines[-1][0],
    )


def _ids(patients: pl.DataFrame) -> list[str]:
    missing = {"source", "patient_id"} - set(patients.columns)
    if missing:
        raise SourceError(f"seal: the table has no column {sorted(missing)}. It needs source and patient_id")
    rows: Iterable[tuple[Any, Any]] = patients.select("source", "patient_id").unique().rows()
    return sorted(f"{source}\x1f{patient}" for source, patient in rows)


def _hashed(one: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}\x1f{one}".encode()).hexdigest()[:16]


def _count(first: dict[str, Any], patients: pl.DataFrame) -> int:
    sealed = set(first["patients"])
    return sum(_hashed(one, first["salt"]) in sealed for one in _ids(patients))
