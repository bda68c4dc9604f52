"""What a run folder answers to the questions of reporting guidelines, and what it leaves open."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mammoscope.report.folder import Missing, RunFiles
from mammoscope.report.page import usable_metrics

OPEN = "not answered by the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One thing that a run says, or why it does not.

    Attributes:
        text: The answer, one statement a line; None where the run has none.
        why: What is lacking where there is no answer.
        files: Files of the run folder that it comes from.
    """

    text: str | None
    why: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How an answer is read from a run.

    Attributes:
        files: Files without which there is no answer.
        say: Gives the text, or None if the files say nothing of it.
        otherwise: What is lacking in that case.
        reads: Files that it reads, too, if they are there.
    """

    files: tuple[str, ...]
    say: Callable[[RunFiles], str | None]
    otherwise: str = ""
    reads: tuple[str, ...] = ()


def answer(question: Question, files: RunFiles) -> Answer:
    """Put a question to a run; whatever is missing or damaged becomes a reason, never an error.

    Example:
        >>> from mammoscope.report.folder import read_run
        >>> from pathlib import Path; from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     none = answer(Question(files=("split.json",), say=lambda files: "x"), read_run(Path(folder)))
        >>> none.text, none.why
        (None, 'split.json is not in the run folder; made by `mammoscope split`')
    """
    for name in question.files:
        gone = usable_metrics(files) if name == "metrics.json" else getattr(files, name.rpartition(".")[0])
        if isinstance(gone, Missing):
            return Answer(text=None, why=lacking(gone), files=question.files)
    try:
        text = question.say(files)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        kept = " or ".join(question.files)
        return Answer(text=None, why=f"{kept} is damaged or of another version", files=question.files)
    there = tuple(name for name in question.reads if (files.folder / name).is_file())
    return Answer(text=text, why="" if text else question.otherwise, files=question.files + there)


def lacking(gone: Missing) -> str:
    """A missing file in words.

    Example:
        >>> from mammoscope.report.folder import missing
        >>> lacking(missing("metrics.json"))
        'metrics.json is not in the run folder; made by `mammoscope evaluate`'
    """
    return f"{gone.file} is {gone.why.removeprefix('damaged: ')}; made by `{gone.command}`"


def held(value: Any) -> dict[str, Any]:
    """A JSON object, where the file has one.

    Raises:
        TypeError: It has not.
    """
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, got {type(value).__name__}")
    return value


def plain(value: Any) -> str:  # noqa: PLR0911 one a kind of value
    """A value of a run file in words; of a path only the file's name.

    Example:
        >>> plain({"lr": 0.001, "freeze": True, "views": None}), plain([1, 2]), plain("/data/weights.safetensors")
        ('lr 0.001; freeze yes; views none', '1, 2', 'weights.safetensors')
    """
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case dict():
            return "; ".join(f"{name.replace('_', ' ')} {plain(inner)}" for name, inner in value.items())
        case list() | tuple():
            return ", ".join(plain(inner) for inner in value) or "none"
        case str() if PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
            return PureWindowsPath(value).name
        case _:
            return str(value)
