"""The sealed test sets that a run folder evaluates on: found, counted, and never silently lost.

A ledger belongs to a test set, not to a run: it lies beside the run folders (`sealed-<fingerprint>.jsonl` in the
folder that holds them), so that all recipes tried on the same women are counted together. `seal.json` in a run folder
names the ledger and its last line as that run knows it; a ledger that is missing or shorter than that is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Any

import polars as pl

from mammoscope.evaluation.seal import (
    Seal,
    SealError,
    close_look,
    has_line,
    open_look,
    predictions_digest,
    read_seal,
    seal_patients,
    sealed_among,
)
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

PATTERN = "sealed-*.jsonl"
NOTE = "seal.json"


@dataclass(slots=True, kw_only=True)
class Looking:
    """A look that is under way; whoever looks fills in `result`.

    Attributes:
        result: Headline numbers for the ledger.
        seals: The sealed test sets with this look; filled in at its end, empty where nothing is sealed.
        trained_on: Sealed patients in the train or tune part of the run.
    """

    result: dict[str, Any] = field(default_factory=dict)
    seals: list[Seal] = field(default_factory=list)
    trained_on: int = 0


def seal_run(run: Path, *, budget: int | None = None, ledger: Path | None = None) -> tuple[Path, Seal]:
    """Seal the test patients of a run.

    Args:
        run: A run folder with a split.
        budget: How many different predictions may be evaluated; None for no limit.
        ledger: File of the ledger; beside the run folder when not given.

    Returns:
        The ledger, and the seal.

    Raises:
        SealError: The ledger seals others, or with another budget.
        SourceError: The run has no split.
    """
    patients = _patients(run, test=True)
    ids = sorted(f"{source}\x1f{patient}" for source, patient in patients.rows())
    name = f"sealed-{hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:12]}.jsonl"
    where = ledger or run.resolve().parent / name
    known = (run / "metrics.json").is_file()
    seal = seal_patients(where, patients=patients, budget=budget, evaluated_before=known)
    _note(run, where, seal)
    return where, seal


@contextmanager
def counted_look(
    run: Path, *, what: str, predictions: pl.DataFrame, model: str, break_seal: bool = False
) -> Iterator[Looking]:
    """Count a look at the test part of a run in every ledger that seals one of its patients, before and after.

    Args:
        run: The run folder.
        what: Kind of evaluation.
        predictions: What is looked at; columns source and patient_id say who.
        model: Name of the recipe.
        break_seal: Go beyond a budget.

    Returns:
        A context manager; what it gives has the seals once it has ended.

    Raises:
        SealError: A budget is spent; a ledger is missing, shorter than the run knows it, or changed.
        StorageError: A ledger cannot be written: then nothing is evaluated.
    """
    looking = Looking()
    people = _test_people(predictions)
    ledgers = [ledger for ledger in _ledgers(run) if sealed_among(ledger, patients=people)]
    digest = predictions_digest(predictions)
    looks = [
        open_look(ledger, patients=people, what=what, model=model, predictions=digest, break_seal=break_seal)
        for ledger in ledgers
    ]
    if ledgers and (run / "cohort.parquet").is_file():
        others = _patients(run, test=False)
        looking.trained_on = max(sealed_among(ledger, patients=others) for ledger in ledgers)
    yield looking
    for ledger, look in zip(ledgers, looks, strict=True):
        seal = close_look(ledger, look=look, result=looking.result)
        looking.seals.append(seal)
        _note(run, ledger, seal)


def seals_of(run: Path) -> dict[Path, Seal]:
    """The ledgers that a run knows of or that lie beside it and seal one of its test patients.

    Raises:
        SealError: A ledger is missing, shorter than the run knows it, or changed.
    """
    patients = _patients(run, test=True)
    return {ledger: read_seal(ledger) for ledger in _ledgers(run) if sealed_among(ledger, patients=patients)}


def _ledgers(run: Path) -> list[Path]:
    """Those that `seal.json` names, checked against it; and those beside the run, or beside the folder of its folds."""
    here = run.resolve()
    noted = read_json(run, NOTE, made_by="mammoscope seal") if (run / NOTE).is_file() else {}
    found = []
    for name, known in noted.items():
        ledger = (here / name).resolve()
        if not ledger.is_file():
            raise SealError(
                f"{run.name}: its test set is sealed, and the ledger {ledger.name} is not where {NOTE} says. "
                "Put it back"
            )
        if not has_line(ledger, number=known["lines"], head=known["head"]):
            raise SealError(
                f"{ledger.name}: shorter than {run.name} knows it, or another file. Put the original back; "
                "no count can be trusted until then"
            )
        found.append(ledger)
    beside = [ledger for folder in (here, here.parent, here.parent.parent) for ledger in sorted(folder.glob(PATTERN))]
    return list(dict.fromkeys([*found, *(ledger for ledger in beside if _begun(ledger))]))


def _begun(ledger: Path) -> bool:
    """Whether it has a whole line: sealing that was killed before that has sealed nothing."""
    with ledger.open("rb") as file:
        return file.readline().endswith(b"\n")


def _note(run: Path, ledger: Path, seal: Seal) -> None:
    """What the run knows of a ledger; a path from the run folder, so that both can be moved together."""
    noted = read_json(run, NOTE, made_by="mammoscope seal") if (run / NOTE).is_file() else {}
    noted[relpath(ledger.resolve(), run.resolve())] = {
        "fingerprint": seal.fingerprint,
        "lines": seal.lines,
        "head": seal.head,
    }
    write_text(run / NOTE, json.dumps(noted, indent=1) + "\n")


def _patients(run: Path, *, test: bool) -> pl.DataFrame:
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope split")
    is_test = pl.col("part").cast(pl.String) == Part.TEST.value
    return cohort.filter(is_test if test else ~is_test).select("source", "patient_id").unique()


def _test_people(predictions: pl.DataFrame) -> pl.DataFrame:
    rows = predictions
    if "part" in rows.columns:
        rows = rows.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    return rows.select("source", "patient_id").unique()
