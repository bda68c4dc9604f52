"""Which files are meant: those that are named, and the pictures in folders that are named."""

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mammoscope.errors import SourceError

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".dcm", ".dicom", ".png", ".pgm", ".jpg", ".jpeg", ".tif", ".tiff"})
"""What a folder is searched for; a file named by itself may be called anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file, or one slice of it.

    Attributes:
        path: Where it lies.
        name: Its name; in a folder, its path from there.
        slice_number: Of a tomosynthesis volume, from 1; None where the file is meant as a whole.
    """

    path: Path
    name: str
    slice_number: int | None = None

    @property
    def label(self) -> str:
        """Its name, and which slice."""
        return labelled(self.name, self.slice_number)


def labelled(name: str, slice_number: int | None) -> str:
    """The name of a file, and which slice of it.

    Example:
        >>> labelled("a.dcm", 3), labelled("a.dcm", None)
        ('a.dcm slice 3', 'a.dcm')
    """
    return name if slice_number is None else f"{name} slice {slice_number}"


def find_pictures(named: Iterable[Path], *, leave_out: Path | None = None) -> list[Found]:
    """Files that are named, and the pictures in folders that are named.

    Args:
        named: Files of any name, and folders. In folders: what ends in one of `SUFFIXES`, and DICOM without a suffix.
        leave_out: A folder that is not searched, such as the one that is written to.

    Returns:
        The files, in the order given, those of a folder by name.

    Raises:
        SourceError: A folder holds no picture.

    Example:
        >>> find_pictures([Path("somewhere/left.dcm")])[0].name
        'left.dcm'
    """
    closed = None if leave_out is None else leave_out.resolve()
    return [found for path in named for found in _found(path, closed)]


def files_in(folder: Path) -> list[Path]:
    """Everything in a folder and its subfolders that is no folder, sorted; linked folders are searched, each once.

    A folder that cannot be listed is named in the log.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for here, inner, names in os.walk(folder, followlinks=True, onerror=_told):
        real = os.path.realpath(here)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        found += [Path(here, name) for name in names]
    return sorted(found)


def _told(error: OSError) -> None:
    log.warning("%s: cannot be searched, %s", Path(error.filename).name, error.strerror)


def _found(path: Path, closed: Path | None) -> Iterator[Found]:
    if not _is_folder(path):
        yield Found(path=path, name=path.name)
        return
    inside = [file for file in files_in(path) if file.is_file() and _named_as_a_picture(file)]
    if closed is not None and closed != path.resolve():
        inside = [file for file in inside if closed not in file.resolve().parents]
    if not inside:
        raise SourceError(
            f"{path.name}: no file in it ends in {', '.join(sorted(SUFFIXES))}. Name the files one by one"
        )
    yield from (Found(path=file, name=file.relative_to(path).as_posix()) for file in inside)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long; reading it says so
        return False


def _named_as_a_picture(path: Path) -> bool:
    """By its suffix, or a DICOM file (PS3.10 section 7.1) that has none, as archives write them."""
    if path.suffix and not path.suffix[1:].isdigit():
        return path.suffix.lower() in SUFFIXES
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return True  # reading it will say why not
