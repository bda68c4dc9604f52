"""Every malformed file through the guarded path, and what became of it, family by family."""

import logging
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from malformed import Case
from malformed_base import CANARY, CANARY_BORN
from mammoscope.errors import ImageError
from mammoscope.images import read_mammogram
from mammoscope.workers.limits import Limits
from mammoscope.workers.many import over_files

LIMIT_S = 5.0
MEMORY = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        family: Of the malformed file.
        name: Its file name.
        code: `read`, one of `mammoscope.images.CODES`, or the class of an error that should not have come.
        seconds: In the worker; NaN if it was lost.
        busy_s: Of its processor, which a busy machine does not stretch; NaN if it was lost.
        peak_mb: Most resident memory of the worker during this file; NaN where it cannot be known.
        said: The message or the trail.
        sound: Whether pixels, if there are any, are finite and within [0, 1].
    """

    family: str
    name: str
    code: str
    seconds: float = float("nan")
    busy_s: float = float("nan")
    peak_mb: float = float("nan")
    said: str = ""
    sound: bool = True

    @property
    def tells(self) -> bool:
        """Whether a planted name or birth date is in what was said."""
        return CANARY in self.said.upper() or CANARY_BORN in self.said


def swept(cases: Iterable[Case], folder: Path, *, workers: int = 2, limit_s: float = LIMIT_S) -> Iterator[Outcome]:
    """Yield the outcome of each case as it is done; a file lies on disk no longer than needed."""
    for outcome in over_files(
        outcome_of, _written(cases, folder), crashed=_lost, limits=Limits(seconds=limit_s), workers=workers
    ):
        (folder / outcome.name).unlink()
        yield outcome


def _written(cases: Iterable[Case], folder: Path) -> Iterator[tuple[str, Path]]:
    for case in cases:
        file = folder / case.name
        file.write_bytes(case.data)
        yield case.family, file


def _lost(job: tuple[str, Path], code: str) -> Outcome:
    return Outcome(family=job[0], name=job[1].name, code=code)


def outcome_of(job: tuple[str, Path]) -> Outcome:
    """Read one file; runs in the worker. Its log, of every level, goes to the caller's."""
    family, file = job
    logging.getLogger().setLevel(logging.DEBUG)
    _forget_peak()
    code, said, sound = "read", "", True
    started, idle = time.perf_counter(), time.process_time()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mammogram = read_mammogram(file)
        said = "\n".join(f"{step.name}: {step.detail} ({step.cause})" for step in mammogram.trail)
        said += "\n".join(str(warning.message) for warning in caught)
        pixels = mammogram.pixels
        sound = bool(np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1)
    except ImageError as error:
        code, said = error.code, str(error)
    except MemoryError:
        raise  # the worker says so
    except Exception as error:  # noqa: BLE001 counted, and the test fails
        code, said = type(error).__name__, str(error)
    seconds, busy_s = time.perf_counter() - started, time.process_time() - idle
    return Outcome(
        family=family,
        name=file.name,
        code=code,
        seconds=seconds,
        busy_s=busy_s,
        peak_mb=_peak_mb(),
        said=said,
        sound=sound,
    )


def _forget_peak() -> None:
    if MEMORY.is_dir():
        (MEMORY / "clear_refs").write_text("5")  # from here on VmHWM counts anew


def _peak_mb() -> float:
    if not MEMORY.is_dir():
        return float("nan")
    lines = (MEMORY / "status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a family, or all.

    Attributes:
        family: Its name.
        files: How many.
        read: How many gave pixels.
        refused: The others by code, the most frequent first.
        slowest_s: Of those that were not lost.
        peak_mb: Of those that were not lost.
    """

    family: str
    files: int
    read: int
    refused: dict[str, int]
    slowest_s: float
    peak_mb: float


def summed(outcomes: Iterable[Outcome]) -> list[Row]:
    """The table: one row for each family in the order met, and one for all."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.family, []).append(outcome)
    everything = [outcome for group in groups.values() for outcome in group]
    return [_row(family, group) for family, group in [*groups.items(), ("all", everything)]]


def _row(family: str, outcomes: list[Outcome]) -> Row:
    codes = Counter(outcome.code for outcome in outcomes)
    read = codes.pop("read", 0)
    return Row(
        family=family,
        files=len(outcomes),
        read=read,
        refused=dict(codes.most_common()),
        slowest_s=max((one.seconds for one in outcomes if one.seconds == one.seconds), default=float("nan")),
        peak_mb=max((one.peak_mb for one in outcomes if one.peak_mb == one.peak_mb), default=float("nan")),
    )
