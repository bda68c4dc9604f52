"""Where the pictures of CBIS-DDSM lie, and which of two is the mask.

File names on disk differ from the tables, and the tables and series descriptions
confuse mask and crop. So files are found by the UID of their series, and told apart
by content: a mask has 8 bits and the size of the full image, a crop has more and is smaller.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mammoscope.dicom.parsing import UNPARSABLE, parse, quiet
from mammoscope.errors import ImageError, SourceError
from mammoscope.workers.many import over_files

LOG = logging.getLogger(__name__)
TAIL = 5  # the archive's newer downloader keeps so many characters of a UID
UNREADABLE = (ImageError, *UNPARSABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    rows: int
    cols: int
    bits: int


class CbisFiles:
    """The DICOM files below one folder, found by what the case tables say of them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = "CBIS-DDSM/" if (root / "CBIS-DDSM").is_dir() else ""
        self._by_series: dict[str, list[str]] = {}
        self._by_tail: dict[tuple[str, str], list[str]] = {}
        self._there: set[str] = set()
        self._headers: dict[str, _Header | None] = {}
        self.unreadable: set[str] = set()
        self.doubtful: list[str] = []  # first file of each lesion whose mask and crop look alike
        for folder, names in _folders(root):
            files = [f"{folder}/{name}" for name in names]
            self._there.update(files)
            *above, series = folder.split("/")
            self._by_series.setdefault(series, []).extend(files)
            if len(above) > 1:
                self._by_tail.setdefault((above[-2], series.rpartition("-")[2]), []).extend(files)

    def is_there(self, path: str) -> bool:
        """Whether the file is on disk."""
        return path in self._there

    def full(self, listed: str) -> str:
        """Path of the full picture that a table lists; where it should be if it is missing."""
        files = self._series(listed)
        if len(files) > 1:  # never in the archive; a crop beside it would be smaller
            files = sorted(files, key=lambda file: -self._area(file))
        return files[0] if files else self._expected(listed)

    def mask_and_crop(self, *, full: str, mask: str, crop: str) -> tuple[str, str]:
        """Paths of a lesion's mask and crop, told apart by content.

        Args:
            full: What the table lists as the full picture.
            mask: What it lists as the mask.
            crop: What it lists as the crop, often the other way round.

        Returns:
            Mask and crop; where it should be for one that is missing.
        """
        files = sorted({*self._series(mask), *self._series(crop)})
        if not files:
            return self._expected(mask), self._expected(crop)
        whole = self._header(self.full(full))
        roles = self._roles(files, whole)
        if roles is None:
            return self._as_listed(files, mask=mask, crop=crop)
        masks = [file for file in files if roles[file]]
        crops = [file for file in files if not roles[file]]
        return masks[0] if masks else self._expected(mask), crops[0] if crops else self._expected(crop)

    def _roles(self, files: list[str], whole: _Header | None) -> dict[str, bool] | None:
        """Whether each file is a mask; None if the files do not say."""
        roles = {file: self._is_mask(file, whole) for file in files}
        if len(files) > 1 and len(set(roles.values())) == 1:
            roles = {file: self._is_binary(file) for file in files}
        known = {role for role in roles.values() if role is not None}
        if len(files) == 2 and len(known) == 1 and None in roles.values():
            roles = {file: (not next(iter(known))) if role is None else role for file, role in roles.items()}
        if None in roles.values() or (len(files) > 1 and len(set(roles.values())) == 1):
            self.doubtful.append(files[0])
            return None
        return {file: bool(role) for file, role in roles.items()}

    def _is_mask(self, file: str, whole: _Header | None) -> bool | None:
        header = self._header(file)
        if header is None:
            return None
        if whole is not None:
            same_size = (header.rows, header.cols) == (whole.rows, whole.cols)
            if same_size and header.bits == 8:
                return True
            if not same_size and header.bits > 8:
                return False
        return self._is_binary(file)

    def _is_binary(self, file: str) -> bool | None:
        """Whether the pixels have at most two values; None if they cannot be read."""
        (found,) = over_files(_is_binary, [self._root / file], crashed=lambda _, code: code, workers=1)
        if isinstance(found, str):
            LOG.info("%s: pixels cannot be read (%s)", file, found)
            self.unreadable.add(file)
            return None
        return found

    def _header(self, file: str) -> _Header | None:
        if file not in self._headers:
            self._headers[file] = self._read_header(file) if self.is_there(file) else None
        return self._headers[file]

    def _read_header(self, file: str) -> _Header | None:
        try:
            with quiet():
                found = parse(self._root / file, pixels=False)
            return _Header(rows=int(found.Rows), cols=int(found.Columns), bits=int(found.BitsAllocated))
        except UNREADABLE as error:
            LOG.info("%s: header cannot be read (%s)", file, type(error).__name__)
            self.unreadable.add(file)
            return None

    def _area(self, file: str) -> int:
        header = self._header(file)
        return header.rows * header.cols if header else 0

    def _series(self, listed: str) -> list[str]:
        subject, _, series, _ = _parts(listed)
        return self._by_series.get(series) or self._by_tail.get((subject, series[-TAIL:])) or []

    def _expected(self, listed: str) -> str:
        return self._prefix + "/".join(_parts(listed))

    def _as_listed(self, files: list[str], *, mask: str, crop: str) -> tuple[str, str]:
        """The order of the names on disk is that of the names in the table."""
        if len(files) == 1:
            return files[0], self._expected(crop)
        mask_first = _parts(mask)[3] <= _parts(crop)[3]
        return (files[0], files[1]) if mask_first else (files[1], files[0])


def _is_binary(path: Path) -> bool | str:
    """Whether a file has at most two values, or why it cannot be read; called in a guarded process."""
    try:
        with quiet():
            return bool(np.unique(parse(path).pixel_array).size <= 2)
    except UNREADABLE as error:
        return type(error).__name__


def _folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders with DICOM files, relative to the root with forward slashes, and the files' sorted names."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        dicoms = sorted(name for name in names if name.lower().endswith(".dcm"))
        if dicoms and Path(folder) != root:
            yield str(PurePosixPath(*Path(folder).relative_to(root).parts)), dicoms


def _parts(listed: str) -> tuple[str, str, str, str]:
    """Subject folder, study UID, series UID and file name of a listed path; some editions turn the slashes."""
    parts = [part for part in listed.replace("\\", "/").split("/") if part]
    if len(parts) < 4 or ".." in parts:
        raise SourceError(f"{listed!r} is not <subject>/<study>/<series>/<file>.dcm. Correct the case table")
    return parts[-4], parts[-3], parts[-2], parts[-1]
