"""Checklists of reporting guidelines, filled from a run, with what it does not answer left visibly open."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from mammoscope.report.answers import OPEN, Answer, Question, answer
from mammoscope.report.answers_classes import CLASS_RESULTS
from mammoscope.report.answers_data import DATA
from mammoscope.report.answers_results import RESULTS
from mammoscope.report.answers_training import TRAINING
from mammoscope.report.class_words import is_classes
from mammoscope.report.folder import RunFiles
from mammoscope.report.page import usable_metrics

GUIDELINES = ("claim-2024", "tripod-ai-2024", "stard-ai-2025")
QUESTIONS: dict[str, Question] = DATA | TRAINING | RESULTS


class Item(BaseModel):
    """One item of a guideline: its number, its topic in our words, what a run says of it, what a run cannot say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: str
    part: str
    topic: str
    said: tuple[str, ...] = ()
    open: str | None = None


class Guideline(BaseModel):
    """A reporting guideline: what it is for, which edition, where it stands, how its numbers were checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str
    edition: str
    cite: str
    url: str
    checked: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledItem:
    """An item with what a run says of it.

    Attributes:
        item: The item.
        answers: What the run says.
        gaps: What is left open.
        files: Where the answers come from.
    """

    item: Item
    answers: tuple[str, ...]
    gaps: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def status(self) -> str:
        """`answered`, `partly` or `open`."""
        if not self.answers:
            return "open"
        return "partly" if self.gaps else "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """A guideline filled from a run."""

    key: str
    guideline: Guideline
    rows: tuple[FilledItem, ...]

    @property
    def parts(self) -> list[tuple[str, list[FilledItem]]]:
        """Rows by part of the paper, in order."""
        return [(name, list(rows)) for name, rows in groupby(self.rows, key=lambda row: row.item.part)]

    def count(self, status: str) -> int:
        """Rows of one status."""
        return sum(row.status == status for row in self.rows)


@cache
def guideline(key: str) -> Guideline:
    """A guideline of `GUIDELINES`.

    Example:
        >>> [len(guideline(key).items) for key in GUIDELINES]
        [44, 52, 48]
    """
    text = package_files("mammoscope.report").joinpath("guidelines", f"{key}.toml").read_text(encoding="utf-8")
    return Guideline.model_validate(tomllib.loads(text))


def answers_of(files: RunFiles) -> dict[str, Answer]:
    """What a run says to every question, by name."""
    metrics = usable_metrics(files)
    several = isinstance(metrics, dict) and is_classes(metrics)
    asked = QUESTIONS | CLASS_RESULTS if several else QUESTIONS
    return {name: answer(question, files) for name, question in asked.items()}


def filled(key: str, answers: dict[str, Answer]) -> Checklist:
    """Fill a guideline.

    Args:
        key: One of `GUIDELINES`.
        answers: What `answers_of` gave.

    Returns:
        Every item with at least an answer or a gap.
    """
    found = guideline(key)
    return Checklist(key=key, guideline=found, rows=tuple(_filled(item, answers) for item in found.items))


def _filled(item: Item, answers: dict[str, Answer]) -> FilledItem:
    known = [answers[name] for name in item.said]
    said = [one for one in known if one.text is not None]
    gaps = [one.why for one in known if one.text is None]
    return FilledItem(
        item=item,
        answers=tuple(_sentence(line) for one in said for line in (one.text or "").splitlines()),
        gaps=tuple(dict.fromkeys([*gaps, *([item.open] if item.open else [])])),
        files=tuple(dict.fromkeys(file for one in said for file in one.files or ("the program",))),
    )


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0].rstrip(",:;")
    start = text[:1].upper() + text[1:] if first.isalpha() and first != "mammoscope" else text
    return start if start.endswith((".", "/")) else f"{start}."


def as_markdown(checklist: Checklist) -> str:
    """A filled checklist as a Markdown table."""
    about = checklist.guideline
    lines = [
        f"# {about.name}, filled from a run",
        "",
        f"For {about.about}. Topics are in our own words: complete the published checklist from them.",
        "",
        f"{about.cite}, {about.url}",
        "",
        f"Edition: {about.edition}. {about.checked}",
        "",
        ", ".join(f"{checklist.count(status)} {words}" for status, words in STATUS.items()) + ".",
    ]
    for part, rows in checklist.parts:
        lines += ["", f"## {part}", "", "| Item | Topic | The run says | From |", "|---|---|---|---|"]
        for row in rows:
            said = [*row.answers, *(f"**{mark(row)}: {gap}**" for gap in row.gaps)]
            cells = (row.item.n, row.item.topic, "<br>".join(cell(text) for text in said), ", ".join(row.files) or "-")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


STATUS = {"answered": "answered", "partly": "partly answered", "open": "not answered by the run"}
"""Status of an item to its name in print."""


def mark(row: FilledItem) -> str:
    """What stands before a gap."""
    return "Still open" if row.answers else OPEN.capitalize()


def cell(text: str) -> str:
    r"""Text that does not break out of a Markdown table or become markup.

    Example:
        >>> cell("a|b <i>\nc")
        'a\\|b &lt;i> c'
    """
    return " ".join(text.replace("|", r"\|").replace("<", "&lt;").split())
