"""CBIS-DDSM as Kaggle's JPEG edition gives it: csv/ with the case tables, jpeg/<series>/ with the pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from mammoscope.errors import SourceError
from mammoscope.records import Record
from mammoscope.sources.cbis_tables import read_cases, warn_of
from mammoscope.sources.source import Source
from mammoscope.sources.table import read_table
from mammoscope.sources.tree import files_below

UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)
NEAR = 16  # of 255: so far from black or white does JPEG take a mask's pixels
BINARY_SHARE = 0.98  # of a mask's pixels are near black or white; the rest are rings at the lesion's edge
ENOUGH_PX = 256  # large pictures are decoded at a half to an eighth of their size, which is quick, but not below this
NEEDS = ("image_path", "Rows", "Columns", "BitsAllocated", "SeriesInstanceUID")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """Rows and columns; bits of the DICOM original, where dicom_info.csv says so."""

    rows: int
    cols: int
    bits: int | None = None

    def fits(self, other: "_Size") -> bool:
        return (self.rows, self.cols) == (other.rows, other.cols)


class _JpegFiles:
    """The pictures in jpeg/, by series UID.

    A mask has the size of the full picture and nothing but black and white; a crop is smaller. Series
    descriptions are not looked at: in dicom_info.csv some are empty and some are wrong.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_series: dict[str, list[str]] = {}
        for path in files_below(root / "jpeg", suffixes=(".jpg", ".jpeg")):
            self._by_series.setdefault(PurePosixPath(path).parent.name, []).append(f"jpeg/{path}")
        self._there = {path for paths in self._by_series.values() for path in paths}
        self._listed = dict(_sizes_listed(root))
        self._names: dict[str, list[str]] = {}
        for path in self._listed:
            self._names.setdefault(PurePosixPath(path).parent.name, []).append(path)
        self._sizes: dict[str, _Size | None] = {}
        self.doubtful: list[str] = []

    def is_there(self, path: str) -> bool:
        """Whether the file is on disk."""
        return path in self._there

    def full(self, listed: str) -> str:
        """Path of the full picture that a table lists; where it should be if it is missing."""
        files = self._by_series.get(_series(listed), [])
        if len(files) > 1:
            files = sorted(files, key=lambda file: -self._area(file))
        return files[0] if files else self._expected(listed)

    def mask_and_crop(self, *, full: str, mask: str, crop: str) -> tuple[str, str]:
        """Paths of a lesion's mask and crop, told apart by content."""
        series = list(dict.fromkeys((_series(mask), _series(crop))))
        files = sorted(path for one in series for path in self._by_series.get(one, []))
        if not files:
            return self._expected(mask), self._expected(crop)
        roles = self._roles(files, self._size(self.full(full)))
        masks, crops = [file for file in files if roles[file]], [file for file in files if roles[file] is False]
        if None in roles.values() or len(masks) > 1 or len(crops) > 1:
            self.doubtful.append(files[0])
            return self._as_listed(files, mask=mask, crop=crop)
        return masks[0] if masks else self._expected(mask), crops[0] if crops else self._expected(crop)

    def _roles(self, files: list[str], whole: _Size | None) -> dict[str, bool | None]:
        """Whether each file is a mask: by size where one is full and the other smaller, else by pixels."""
        sizes = {file: self._size(file) for file in files}
        if whole is not None and len(files) == 2:
            full_size = {file: size.fits(whole) for file, size in sizes.items() if size is not None}
            if sorted(full_size.values()) == [False, True]:
                return dict(full_size)
        roles = {file: self._is_mask(file) for file in files}
        known = {role for role in roles.values() if role is not None}
        if len(files) == 2 and len(known) == 1 and None in roles.values():
            roles = {file: (not next(iter(known))) if role is None else role for file, role in roles.items()}
        return roles

    def _is_mask(self, file: str) -> bool | None:
        """By the pixels, else by the bits that the DICOM original had; None if nothing says."""
        binary = _is_binary(self._root / file)
        size = self._size(file)
        return size.bits == 8 if binary is None and size and size.bits else binary

    def _size(self, file: str) -> _Size | None:
        if file not in self._sizes:
            seen = _size_seen(self._root / file) if self.is_there(file) else None
            listed = self._listed.get(file)
            bits = listed.bits if listed else None
            self._sizes[file] = _Size(rows=seen.rows, cols=seen.cols, bits=bits) if seen else listed
        return self._sizes[file]

    def _area(self, file: str) -> int:
        size = self._size(file)
        return size.rows * size.cols if size else 0

    def _expected(self, listed: str) -> str:
        """Where a missing picture would be: by dicom_info.csv, else under the table's own file name."""
        series = _series(listed)
        known = sorted(set(self._names.get(series, [])) - self._there)
        return known[0] if known else f"jpeg/{series}/{PurePosixPath(listed.replace(chr(92), '/')).stem}.jpg"

    def _as_listed(self, files: list[str], *, mask: str, crop: str) -> tuple[str, str]:
        """The order of the names on disk is taken for that of the names in the table."""
        if len(files) == 1:
            return files[0], self._expected(crop)
        return (files[0], files[1]) if _name(mask) <= _name(crop) else (files[1], files[0])


def _sizes_listed(root: Path) -> Iterator[tuple[str, _Size]]:
    """Path below the root, and size, of each row of dicom_info.csv; nothing without that table."""
    table = root / "csv" / "dicom_info.csv"
    if not table.is_file():
        return
    for row in read_table(table, needs=NEEDS):
        _, _, path = row["image_path"].replace("\\", "/").rpartition("jpeg/")
        rows, cols = row.integer("Rows"), row.integer("Columns")
        if rows is None or cols is None or ".." in path.split("/"):
            raise row.refusal(f"{row['image_path'].rsplit('/', 1)[-1]} has no size or no sound path. Correct the row")
        yield f"jpeg/{path}", _Size(rows=rows, cols=cols, bits=row.integer("BitsAllocated"))


def _size_seen(path: Path) -> _Size | None:
    try:
        with Image.open(path) as picture:
            return _Size(rows=picture.height, cols=picture.width)
    except UNREADABLE:
        return None


def _is_binary(path: Path) -> bool | None:
    """Whether nearly all pixels are near black or near white; None if they cannot be read."""
    try:
        with Image.open(path) as picture:
            picture.draft("L", (ENOUGH_PX, ENOUGH_PX))
            pixels = np.asarray(picture.convert("L"))
    except UNREADABLE:
        return None
    return bool(np.mean((pixels <= NEAR) | (pixels >= 255 - NEAR)) >= BINARY_SHARE)


def _series(listed: str) -> str:
    parts = [part for part in listed.replace("\\", "/").split("/") if part]
    if len(parts) < 2 or ".." in parts:
        raise SourceError(f"{listed!r} is not <subject>/<study>/<series>/<file>.dcm. Correct the case table")
    return parts[-2]


def _name(listed: str) -> str:
    return PurePosixPath(listed.replace("\\", "/")).name


def _read(root: Path) -> Iterator[Record]:
    files = _JpegFiles(root)
    yield from read_cases(root, source="cbis_ddsm_jpeg", files=files)
    warn_of(files.doubtful)


CBIS_DDSM_JPEG = Source(
    name="cbis_ddsm_jpeg",
    read=_read,
    layout="csv/{mass,calc}_case_description_{train,test}_set.csv, any of the four\n"
    "csv/dicom_info.csv, if it is there\njpeg/<series>/1-263.jpg",
    labels="MALIGNANT is malignant, BENIGN and BENIGN_WITHOUT_CALLBACK are not; biopsy, but for the last: reader",
    licence="CC BY 3.0 of the original; the edition's page states its own terms",
    cite="Lee RS et al. A curated mammography data set for use in computer-aided detection and diagnosis research. "
    "Scientific Data 4:170177 (2017), doi:10.1038/sdata.2017.177; data: doi:10.7937/K9/TCIA.2016.7O02S9CY",
    url="https://www.kaggle.com/datasets/awsaf49/cbis-ddsm-breast-cancer-image-dataset",
)
