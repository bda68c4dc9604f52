"""Many files: found, de-identified one by one, none overwritten and none lost, and a report of it."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from mammoscope import __version__
from mammoscope.deid.burned import FLAGS
from mammoscope.deid.file import Outcome, deidentify_file
from mammoscope.deid.key import Key
from mammoscope.deid.profile import EDITION, OPTIONS_EDITION
from mammoscope.deid.reading import CODES as REFUSALS
from mammoscope.deid.settings import CODES, Settings
from mammoscope.deid.table import add_run, rows_of
from mammoscope.deid.tally import Line, Tally
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images import Limits
from mammoscope.images.folder import files_in
from mammoscope.storage import whole_file, write_text
from mammoscope.workers.many import over_files

REPORT, PAGE = "report.json", "report.html"
LIMITS = Limits(seconds=120)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was done to all files.

    Attributes:
        settings: What was kept.
        fingerprint: Of the key; tells keys apart and says nothing about them.
        inputs: Files that were found.
        inputs_fingerprint: Of their paths, made with the key: tells a run that goes on from one of other files.
        outcomes: One a file that was done, in order.
        lines: What was done, by element.
    """

    settings: Settings
    fingerprint: str
    inputs: int
    inputs_fingerprint: str
    outcomes: tuple[Outcome, ...]
    lines: tuple[Line, ...]

    @property
    def refused(self) -> tuple[Outcome, ...]:
        """Files that nothing was written for."""
        return tuple(one for one in self.outcomes if one.code is not None)

    @property
    def flagged(self) -> tuple[Outcome, ...]:
        """Files that were written and whose pixels somebody should look at."""
        return tuple(one for one in self.outcomes if one.suspicions)

    def as_json(self) -> dict[str, Any]:
        """For a file; no value of an original is in it, and no name of a file."""
        codes = Counter(one.code for one in self.refused)
        flags = Counter(flag for outcome in self.flagged for flag in {one.flag for one in outcome.suspicions})
        return {
            "schema": "1",
            "version": __version__,
            "profile": {"standard": "DICOM PS3.15 Table E.1-1", "edition": EDITION, "options": OPTIONS_EDITION},
            "method": [{"code": code, "meaning": CODES[code]} for code in self.settings.codes],
            "dates": self.settings.dates.value,
            "retain": sorted(self.settings.retain),
            "key_fingerprint": self.fingerprint,
            "finished": len(self.outcomes) == self.inputs,
            "inputs": self.inputs,
            "inputs_fingerprint": self.inputs_fingerprint,
            "written": len({one.output for one in self.outcomes if one.output}),
            "copies": len(outputs := [one.output for one in self.outcomes if one.output]) - len(set(outputs)),
            "patients": len({one.pseudonym for one in self.outcomes if one.pseudonym}),
            "refused": {
                "count": len(self.refused),
                "codes": [
                    {"code": code, "count": n, "meaning": REFUSALS[str(code)]} for code, n in codes.most_common()
                ],
                "inputs": [{"input": one.number, "code": one.code, "detail": one.detail} for one in self.refused],
            },
            "flagged": {
                "count": len(self.flagged),
                "flags": [
                    {"flag": flag.value, "count": n, "meaning": FLAGS[flag]} for flag, n in sorted(flags.items())
                ],
                "files": [
                    {"file": one.output, "suspicions": [asdict(suspicion) for suspicion in one.suspicions]}
                    for one in self.flagged
                ],
            },
            "elements": [asdict(line) for line in self.lines],
        }


def deidentify(
    inputs: Sequence[Path],
    *,
    out: Path,
    key: Key,
    settings: Settings | None = None,
    table: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """De-identify files and folders by the basic profile of DICOM PS3.15.

    Each picture is written to `out/<pseudonym>/<hash>.dcm`, its pixels byte by byte as they were; the report goes to
    `out/report.json`. Run it again with the same key to go on: what is there and equal stays. Run it with other inputs
    to add to the folder: the report of those before is kept as `out/report-1.json`, and so on.

    Args:
        inputs: Files and folders; folders are searched through. They are only read.
        out: Folder to write to; outside the inputs.
        key: Makes pseudonyms, UIDs and the shift of dates.
        settings: What is kept; the defaults if None.
        table: Where to write which file and patient became which, for the owner only; secret like the key. What it
            holds of earlier runs stays.
        workers: Guarded processes; one per processor if None, and with 0 the work is done in this one.
        progress: Called with files done and files in all.

    Returns:
        The report.

    Raises:
        RecipeError: The folders cannot be used together, `out` was made with another key or other settings, or `table`
            is another kind of file.
        SourceError: There is no file.
        StorageError: The file system refused.

    Source:
        DICOM PS3.15 Annex E.
    """
    wanted = settings or Settings()
    _refuse_places(inputs, out=out, table=table)
    _refuse_other_run(out, key=key, settings=wanted)
    files = list(_files(inputs))
    if not files:
        raise SourceError("there is no file in what is to be de-identified. Name the folder that has them")
    report = _opened(files, key=key, settings=wanted)
    _keep_report(out, unless=report.inputs_fingerprint)
    _write(report, out)  # whose folder this is, before the first file
    tally, outcomes = Tally(), list[Outcome]()
    work = partial(_outcome, out=out, settings=wanted, key=key)
    jobs = (_Job(number=number, path=path) for number, path in enumerate(files, start=1))
    digests: dict[str, str] = {}
    for outcome in over_files(work, jobs, crashed=_lost, limits=LIMITS, workers=workers):
        outcomes.append(_twice(outcome, digests))
        tally.merge(outcomes[-1].counts)
        if progress is not None:
            progress(len(outcomes), len(files))
    outcomes.sort(key=lambda one: one.number)
    report = replace(report, outcomes=tuple(outcomes), lines=tally.lines())
    _sweep(out)
    _write(report, out)
    if table is not None:
        add_run(table, files, outcomes)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    number: int
    path: Path


def _outcome(job: _Job, *, out: Path, settings: Settings, key: Key) -> Outcome:
    return deidentify_file(job.path, number=job.number, out=out, settings=settings, key=key)


def _lost(job: _Job, code: str) -> Outcome:
    return Outcome(number=job.number, code=code)


def _twice(outcome: Outcome, digests: dict[str, str]) -> Outcome:
    """Two processes may write the same name at the same time: then it is seen here that the files differ."""
    if outcome.output is None or digests.setdefault(outcome.output, outcome.digest) == outcome.digest:
        return outcome
    return Outcome(number=outcome.number, code="same_instance")


def _sweep(out: Path) -> None:
    """Remove what killed processes left: half a file that nobody has searched yet."""
    for path in out.glob("*/.*.dcm.*.dcm"):
        path.unlink(missing_ok=True)


def _files(inputs: Sequence[Path]) -> Iterator[Path]:
    """Every file once, folders searched in order; what is missing stays in the list and gets its code."""
    seen = set()
    for given in inputs:
        for path in files_in(given) if given.is_dir() else [given]:
            if (there := os.path.realpath(path)) in seen:
                continue
            seen.add(there)
            yield path


def _refuse_places(inputs: Sequence[Path], *, out: Path, table: Path | None) -> None:
    there = out.resolve()
    if out.exists() and not out.is_dir():
        raise RecipeError(f"{out.name}: is a file. Name a folder for what is written")
    for given in inputs:
        if there.is_relative_to(given.resolve()):
            raise RecipeError(f"{out.name}: lies inside what is to be de-identified. Choose a folder outside it")
    if table is not None:
        if table.resolve().is_relative_to(there):
            raise RecipeError(f"{table.name}: would lie in the folder that is given away. Choose a place outside it")
        rows_of(table)  # what cannot be added to is refused before the first file


def _refuse_other_run(out: Path, *, key: Key, settings: Settings) -> None:
    """Two keys or settings in one folder would put one patient there twice, or keep what the report says is gone."""
    if not out.is_dir() or not any(out.iterdir()):
        return
    try:
        before = json.loads((out / REPORT).read_text(encoding="utf-8"))
        same = before["key_fingerprint"] == key.fingerprint, [one["code"] for one in before["method"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise RecipeError(
            f"{out.name}: holds something else than a de-identification. Choose an empty folder"
        ) from None
    if same != (True, list(settings.codes)):
        what = "other settings" if same[0] else "another key"
        raise RecipeError(f"{out.name}: was made with {what}. Use the same again, or choose an empty folder")


def _opened(files: Sequence[Path], *, key: Key, settings: Settings) -> Report:
    """The report of a run of which nothing is done yet."""
    return Report(
        settings=settings,
        fingerprint=key.fingerprint,
        inputs=len(files),
        inputs_fingerprint=key.inputs("\0".join(os.path.realpath(path) for path in files)),
        outcomes=(),
        lines=(),
    )


def _keep_report(out: Path, *, unless: str) -> None:
    """Keep the report of other inputs under the next free number; that of the same ones will be written anew."""
    report = out / REPORT
    if not report.exists() or json.loads(report.read_text(encoding="utf-8")).get("inputs_fingerprint") == unless:
        return
    number = next(n for n in count(1) if not any(_kept_as(out / name, n).exists() for name in (REPORT, PAGE)))
    for path in (out / REPORT, out / PAGE):
        if path.exists():
            with whole_file(_kept_as(path, number)) as temporary:
                temporary.write_bytes(path.read_bytes())


def _kept_as(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _write(report: Report, out: Path) -> None:
    write_text(out / REPORT, json.dumps(report.as_json(), indent=2) + "\n")
