"""Files read in guarded processes: one, or many, each with an answer."""

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import cv2

from mammoscope.errors import ImageError, StorageError
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import read_mammogram
from mammoscope.trail import CODES
from mammoscope.vocabulary import Laterality, View
from mammoscope.workers.limits import Limits, Lost
from mammoscope.workers.many import over_files, processors
from mammoscope.workers.worker import Worker

log = logging.getLogger(__name__)

ANSWER_CODES: dict[str, str] = CODES | {"internal": "a fault of this program; the log has the traceback"}
"""Every `code` that a file can end with where many are read, and what it means."""


@runtime_checkable
class HasPath(Protocol):
    """A job on one file."""

    @property
    def path(self) -> Path:
        """The file."""


Job = TypeVar("Job", bound=Path | HasPath)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer(Generic[Result]):
    """What became of one file: a result, or a code and a message; never both, never neither.

    Attributes:
        at: Number of the job, from 0.
        result: What the function gave.
        code: One of `ANSWER_CODES`.
        message: Names the file, without its folder.
    """

    at: int
    result: Result | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered(Generic[Job]):
    at: int
    job: Job


def read_guarded(
    path: Path,
    *,
    preprocess: Preprocess | None = None,
    laterality: Laterality | None = None,
    view: View | None = None,
    limits: Limits | None = None,
) -> Mammogram:
    """Read one mammogram from outside in a process of its own, as `read_mammogram` does in this one.

    Args:
        path: The file; its content decides the format, not its name.
        preprocess: What the final pixels should be; the defaults if None.
        laterality: What the data set says; wins over the header.
        view: What the data set says; wins over the header.
        limits: What the file may cost; the defaults if None.

    Returns:
        The mammogram, with every decision in its trail.

    Raises:
        ImageError: The file is not a readable mammogram, killed the process or went over a limit; `code` is one of
            `CODES`.
    """
    work = partial(_read, preprocess=preprocess, laterality=laterality, view=view)
    with Worker[Path, Mammogram](work, limits=limits or Limits(), threads=processors()) as worker:
        answer = worker.run(path)
    if isinstance(answer, Lost):
        raise ImageError(_given_up(path, answer.code), code=answer.code)
    return answer


def answers(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Answer[Result]]:
    """Call a function for each of many files, in guarded processes; each gets an answer.

    Args:
        function: As `work` of `over_files`. An `ImageError`, or a fault of its own, becomes the answer of its file;
            `StorageError` is raised.
        jobs: Paths, or values with a `path`.
        limits: What one file may cost; the defaults if None.
        workers: As `over_files` has it.
        executor: As `over_files` has it.

    Returns:
        Answers, in the order in which they are done.

    Raises:
        StorageError: A file cannot be written.
    """
    numbered = (_Numbered(at=at, job=job) for at, job in enumerate(jobs))
    work = partial(_answer, function=function)
    yield from over_files(work, numbered, crashed=_lost, limits=limits, workers=workers, executor=executor)


def _answer(numbered: _Numbered[Job], *, function: Callable[[Job], Result]) -> Answer[Result]:
    try:
        return Answer(at=numbered.at, result=function(numbered.job))
    except ImageError as error:
        _reraise_memory(error)
        return Answer(at=numbered.at, code=error.code, message=str(error))
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 a bug in one file's way must not end the work on all others: it becomes a result
        _reraise_memory(error)
        name, kind = _file(numbered.job).name, type(error).__name__
        places = "".join(traceback.format_tb(error.__traceback__))  # without its text, which may name a patient
        log.error("%s failed unexpectedly, %s:\n%s", name, kind, places)  # noqa: TRY400
        return Answer(at=numbered.at, code="internal", message=f"{name}: {kind}. See the log, and report it")


def _read(path: Path, **how: Any) -> Mammogram:
    try:
        return read_mammogram(path, **how)
    except (ImageError, cv2.error) as error:
        _reraise_memory(error)
        raise


def _reraise_memory(error: BaseException | None) -> None:
    """Whatever a reader made of it: where memory was refused, that is the reason."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
            raise MemoryError
        error = error.__cause__


def _lost(numbered: _Numbered[Job], code: str) -> Answer[Any]:
    return Answer(at=numbered.at, code=code, message=_given_up(_file(numbered.job), code))


def _file(job: Path | HasPath) -> Path:
    return job if isinstance(job, Path) else job.path


def _given_up(path: Path, code: str) -> str:
    return f"{path.name}: {CODES[code]}. Set it aside, and check it with another program"
