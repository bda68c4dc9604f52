"""What the header of a DICOM file says of patient, breast and view; pixels are never read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammoscope.dicom import facts
from mammoscope.dicom.header import Header, tagged
from mammoscope.dicom.parsing import parse, quiet
from mammoscope.errors import ImageError
from mammoscope.trail import CODES, refusal
from mammoscope.vocabulary import Laterality, Trait, View
from mammoscope.workers.many import over_files

KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "PatientID", "PatientAge", "BreastImplantPresent"),
    *("ManufacturerModelName", "Rows", "Columns"),
)
_Job = tuple[int, Path, str]
AGE_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}  # PS3.5 6.2, AS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Elements of one header, by keyword; an absent or empty one is None.

    Attributes:
        file: Name of the file, without its folder.
        texts: Text of each element that has one.
        laterality: As the reader of pixels has it, who asks the same elements.
        view: Likewise.
        unfit: Why no recipe can read a picture from the file; None where one may.
    """

    file: str
    texts: dict[str, str]
    laterality: Laterality | None = None
    view: View | None = None
    unfit: ImageError | None = None

    def text(self, keyword: str) -> str | None:
        """Text of an element; the first of several values."""
        return self.texts.get(keyword)

    def whole(self, keyword: str) -> int | None:
        """A whole number."""
        value = self.texts.get(keyword, "")
        return int(value) if value.isdigit() else None

    @property
    def age_years(self) -> float | None:
        """Patient's Age (0010,1010), such as 046Y."""
        age = self.text("PatientAge") or ""
        sound = len(age) == 4 and age[:3].isdigit() and age[3] in AGE_UNITS
        return int(age[:3]) * AGE_UNITS[age[3]] if sound else None

    @property
    def implant(self) -> bool | None:
        """Breast Implant Present (0028,1300)."""
        return {"YES": True, "NO": False}.get(self.text("BreastImplantPresent") or "")


def tags_of(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, Tags | ImageError]]:
    """Read the headers of many files from outside in guarded processes.

    Args:
        root: The folder of the data set.
        paths: Of the files, relative to it.

    Returns:
        Each path with what its header says, or with why it cannot be read, in the order given.
    """
    jobs = ((at, root / path, path) for at, path in enumerate(paths))
    waiting: dict[int, tuple[str, Tags | ImageError]] = {}
    due = 0
    for at, path, found in over_files(_answer, jobs, crashed=_lost):
        waiting[at] = path, found
        while due in waiting:
            yield waiting.pop(due)
            due += 1


def read_tags(path: Path) -> Tags:
    """Read the header of one DICOM file, in this process.

    Raises:
        ImageError: It is missing, no DICOM file, or cannot be parsed.
    """
    with quiet():
        header = Header(path=path, dataset=parse(path, pixels=False))
        texts = {keyword: text for keyword in KEYWORDS if (text := _text(header, keyword))}
        if not texts:
            raise refusal(path, "not_an_image", "is no DICOM file. Fetch it again, or take it out")
        return Tags(
            file=path.name,
            texts=texts,
            laterality=facts.laterality_of(header),
            view=facts.view_of(header),
            unfit=_unfit(header),
        )


def _unfit(header: Header) -> ImageError | None:
    try:
        facts.refuse_by_policy(header, accept=tuple(Trait))
    except ImageError as error:
        return error
    if header.value("Rows") is None:
        return refusal(header.path, "no_pixels", f"has no {tagged('Rows')}. It is cut short, or no picture")
    return None


def _answer(job: _Job) -> tuple[int, str, Tags | ImageError]:
    at, file, path = job
    try:
        return at, path, read_tags(file)
    except ImageError as error:
        return at, path, error


def _lost(job: _Job, code: str) -> tuple[int, str, Tags | ImageError]:
    at, file, path = job
    return at, path, refusal(file, code, f"{CODES[code]}. Set it aside, and check it with another program")


def _text(header: Header, keyword: str) -> str | None:
    value: Any = header.value(keyword)
    if value is None:
        return None
    parts = [value] if isinstance(value, str | int | float) else list(value)
    return str(parts[0]).strip() or None if parts else None
