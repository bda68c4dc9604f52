"""What became of the files of a folder, as pages of small pictures: one HTML file each, that need nothing else."""

import base64
from collections import Counter
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mammoscope.images.captions import (
    oddities,
    printable,
    shape_words,
    side_and_view,
    size_words,
    spacing_words,
    stored_words,
    window_words,
)
from mammoscope.images.guarded import ANSWER_CODES
from mammoscope.images.inspection import Inspected, Inspection
from mammoscope.images.panels import Thumb
from mammoscope.images.preprocess import Preprocess
from mammoscope.report.page import rendered
from mammoscope.storage import write_text

PAGE = 300
"""Files on a page: about 3 MB, which any browser shows at once."""

LISTED = 2000  # failures named on the first page; each also stands in its place

SHORT = 56  # letters of a file's name below its picture; the page tells all of it where the pointer rests

Tile = dict[str, Any]


class ContactSheets:
    """Writes `sheet.html`, `sheet-2.html` and so on while the files are looked into; two pages are in memory at most.

    Args:
        out: Folder to write to; the pictures lie in it.
        title: Of the pages, such as the name of the folder that was looked into.
        settings: How the files were read.
        source: Where the settings come from, in words.
        expected: How many files there will be.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     sheets = ContactSheets(
        ...         Path(folder), title="mine", settings=Preprocess(), source="--size 224", expected=1
        ...     )
        ...     sheets.add(Inspected(file="a.dcm", code="empty", message="a.dcm: has no bytes. Fetch the file again"))
        ...     sheets.finish().name
        'sheet.html'
    """

    def __init__(self, out: Path, *, title: str, settings: Preprocess, source: str, expected: int) -> None:
        self._out = out
        self._common = {
            "title": printable(title),
            "settings": settings.model_dump(mode="json"),
            "source": printable(source),
            "pages": [sheet_name(number) for number in range(1, max(1, ceil(expected / PAGE)) + 1)],
        }
        self._first: list[Tile] = []
        self._tiles: list[Tile] = []
        self._number = 1
        self._done = 0
        self._codes: Counter[str] = Counter()
        self._odd = 0
        self._failed: list[Tile] = []

    def add(self, inspected: Inspected) -> None:
        """Put one file in its place.

        Raises:
            StorageError: A page cannot be written.
        """
        if len(self._tiles) == PAGE:
            self._turn()
        tile = _tile(inspected, number=self._done + 1)
        self._done += 1
        self._odd += bool(tile["odd"])
        if inspected.code is not None:
            self._codes[inspected.code] += 1
            if len(self._failed) < LISTED:
                self._failed.append(tile | {"page": sheet_name(self._number)})
        self._tiles.append(tile)

    def finish(self) -> Path:
        """Write what is left, and the first page, which has the counts.

        Returns:
            Path of the first page.

        Raises:
            StorageError: A page cannot be written.
        """
        self._turn()
        counts = {
            "files": self._done,
            "failed": sum(self._codes.values()),
            "odd": self._odd,
            "codes": [
                {"code": code, "count": n, "meaning": ANSWER_CODES[code]} for code, n in self._codes.most_common()
            ],
            "listed": self._failed,
        }
        return self._write(1, self._first, counts=counts)

    def _turn(self) -> None:
        if self._number == 1:
            self._first = self._tiles
        else:
            self._write(self._number, self._tiles, counts=None)
        self._tiles = []
        self._number += 1

    def _write(self, number: int, tiles: list[Tile], *, counts: dict[str, Any] | None) -> Path:
        page = rendered("inspection.html.j2", number=number, tiles=tiles, counts=counts, **self._common)
        path = self._out / sheet_name(number)
        write_text(path, page)
        return path


def sheet_name(number: int) -> str:
    """Name of a page, from 1.

    Example:
        >>> sheet_name(1), sheet_name(2)
        ('sheet.html', 'sheet-2.html')
    """
    return "sheet.html" if number == 1 else f"sheet-{number}.html"


def _tile(inspected: Inspected, *, number: int) -> Tile:
    message = printable(inspected.message or "").removeprefix(f"{printable(Path(inspected.file).name)}: ")
    about: Tile = {
        "number": number,
        "file": printable(inspected.label),
        "short": _shortened(printable(inspected.label)),
        "code": inspected.code,
        "message": message,
        "href": None if inspected.picture is None else quote(inspected.picture),
        "odd": [],
    }
    return about if inspected.inspection is None else about | _facts(inspected.inspection)


def _shortened(name: str) -> str:
    """Both ends of a long name: the folder says who, the end says which."""
    return name if len(name) <= SHORT else f"{name[: SHORT // 2]}…{name[-SHORT // 2 + 1 :]}"


def _facts(found: Inspection) -> Tile:
    geometry = found.geometry
    spacing, window = geometry.original_spacing_mm, window_words(found.trail)
    size = [f"{shape_words(geometry.original_shape)} px"]
    if spacing is not None:
        size += [spacing_words(spacing), size_words(geometry.original_shape, spacing)]
    return {
        "what": side_and_view(found.laterality, found.view),
        "traits": [str(trait) for trait in found.traits],
        "lines": [", ".join(size), stored_words(found.trail), "no window" if window == "none" else window],
        "odd": [f"{printable(step.detail)}, by {printable(step.cause)}" for step in oddities(found.trail)],
        "breast": found.breast is not None,
        "picture": None if found.thumb is None else _drawn(found.thumb),
    }


def _drawn(thumb: Thumb) -> dict[str, Any]:
    return {
        "uri": f"data:image/jpeg;base64,{base64.b64encode(thumb.jpeg).decode('ascii')}",
        "rows": thumb.rows,
        "cols": thumb.cols,
        "path": " ".join(_path(line) for line in thumb.outline),
    }


def _path(line: tuple[float, ...]) -> str:
    """A closed line for the `d` of an SVG path."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in zip(line[::2], line[1::2], strict=True)) + "Z"
