"""CDD-CESM: contrast mammography of 326 women; the low-energy pictures and the subtracted ones are two sources.

A low-energy picture is close to a plain mammogram. A subtracted one shows where contrast medium went: it is
no mammogram, and a model of one must not meet the other unawares. So each kind has a source of its own.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from mammoscope.errors import SourceError
from mammoscope.records import Record
from mammoscope.sources.regions import Region, ellipse, outlined
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import files_below, only_one
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, Pathology, View

TABLE, OUTLINES = "Radiology-manual-annotations.csv", "Radiology_hand_drawn_segmentations_v2.csv"
FINDINGS, DENSITY, RESULT = "Findings", "Breast density (ACR)", "Pathology Classification/ Follow up"
NEEDS = ("Image_name", "Patient_ID", "Side", "Type", "Age", DENSITY, "BIRADS", "View", "Machine", RESULT)
FILE, SHAPE = "#filename", "region_shape_attributes"
KINDS = {"DM": "low energy", "CESM": "subtracted"}
FOLDERS = {"low energy": "Low energy images of CDD-CESM", "subtracted": "Subtracted images of CDD-CESM"}
UNREADABLE = (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError)
DENSITIES = {**{letter.value: letter for letter in Density}, "_": None}  # _ stands on all but two subtracted pictures
RESULTS = {"Malignant": Pathology.MALIGNANT, "Benign": Pathology.BENIGN, "Normal": Pathology.NORMAL}
ONE_CATEGORY = re.compile(r"[1-6](\$[1-6])*", re.ASCII)  # several findings, several categories: 3$2
NAME = re.compile(r"P(?P<patient>\d+)_(?P<side>[LR])_(?P<kind>DM|CM)_(?P<view>CC|MLO)(_?\d)?", re.ASCII)


def _read(root: Path, *, kind: str, source: str) -> Iterator[Record]:
    files = _files(root)
    outlines = _outlines(root)
    for row in read_table(_table(root, TABLE), needs=NEEDS, may=(FINDINGS, "Tags")):
        image = row["Image_name"]
        _agree(row)
        shapes = outlines.pop(image, [])
        if row.code("Type", KINDS) == kind:
            found = only_one(files.get(image, []), image=f"{row.file}:{row.line}")
            yield from _records(row, source, found or f"{FOLDERS[kind]}/{image}.jpg", root, shapes)
    if outlines:
        stray = next(iter(outlines.values()))[0]
        raise stray.refusal(f"picture {stray[FILE]} is not in {TABLE}. Download both tables again")


def _agree(row: Row) -> None:
    """Refuse a row whose name says another woman, side, kind or view than its cells."""
    name = NAME.fullmatch(row["Image_name"])
    if name is None:
        raise row.refusal(f"Image_name {row['Image_name']!r} is not such as P1_L_DM_MLO. Correct the cell")
    cells = (row["Patient_ID"], row["Side"], {"DM": "DM", "CESM": "CM"}.get(row["Type"]), row["View"])
    if cells != (name["patient"], name["side"], name["kind"], name["view"]):
        raise row.refusal(
            f"Image_name {row['Image_name']} and its cells {cells} contradict each other. Correct the row"
        )


def _records(row: Row, source: str, path: str, root: Path, shapes: list[Row]) -> Iterator[Record]:
    result = row.code(RESULT, RESULTS)
    shared: dict[str, Any] = {
        "source": source,
        "patient_id": row["Patient_ID"],
        "image_id": row["Image_name"],
        "path": path,
        "laterality": row.code("Side", Laterality),
        "view": row.code("View", View),
        "age_years": row.number("Age"),
        "machine_id": row.text("Machine"),
        "malignant": None if result is None else result is Pathology.MALIGNANT,
        "pathology": result,
        "label_origin": _origin(result),
        "density": row.code(DENSITY, DENSITIES),
        "assessment": _assessment(row),
    }
    width, height = _size(root / path) if shapes else (None, None)
    if not shapes:
        yield Record(**shared)
    for number, shape in enumerate(shapes, start=1):
        region = _region(shape, width, height)
        x0, y0, x1, y1 = region.box
        yield Record(
            **shared,
            lesion_id=str(number),
            lesion_x0=x0,
            lesion_y0=y0,
            lesion_x1=x1,
            lesion_y1=y1,
            lesion_polygon=region.polygon,
            lesion_round=region.round,
        )


def _origin(result: Pathology | None) -> LabelOrigin | None:
    """Malignant was proven; benign is by pathology or follow-up, which the table does not tell apart."""
    if result is None:
        return None
    return LabelOrigin.BIOPSY if result is Pathology.MALIGNANT else LabelOrigin.DERIVED


def _assessment(row: Row) -> int | None:
    """The highest of a picture's categories."""
    text = row.text("BIRADS")
    if text is None:
        return None
    if not ONE_CATEGORY.fullmatch(text):
        raise row.refusal(f"BIRADS {text!r} is not 1 to 6, nor several of them such as 3$2. Correct the cell")
    return max(int(category) for category in text.split("$"))


def _outlines(root: Path) -> dict[str, list[Row]]:
    """Rows of the outlines by picture name."""
    found: dict[str, list[Row]] = {}
    for row in read_table(_table(root, OUTLINES), needs=(FILE, SHAPE)):
        found.setdefault(row[FILE].removesuffix(".jpg"), []).append(row)
    return found


def _region(row: Row, width: int | None, height: int | None) -> Region:
    """A shape as the VGG annotator writes it."""
    where = f"{row.file}:{row.line}"
    try:
        shape = json.loads(row[SHAPE])
        match shape["name"]:
            case "polygon" | "polyline":
                points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
                return outlined(points, where=where, width=width, height=height)
            case "point":
                return outlined([(shape["cx"], shape["cy"])], where=where, width=width, height=height)
            case "circle" | "ellipse":
                radii = (shape["r"], shape["r"]) if shape["name"] == "circle" else (shape["rx"], shape["ry"])
                return ellipse((shape["cx"], shape["cy"]), radii, where=where, width=width, height=height)
            case other:
                raise row.refusal(
                    f"shape {other!r} is not polygon, polyline, point, circle or ellipse. Correct the cell"
                )
    except SourceError:
        raise
    except (ValueError, KeyError, TypeError):
        raise row.refusal(f"{SHAPE} is not a sound shape of the VGG annotator. Correct the cell") from None


def _size(picture: Path) -> tuple[int | None, int | None]:
    try:
        with Image.open(picture) as opened:
            return opened.size
    except UNREADABLE:
        return None, None  # missing or unreadable: the audit's to report


def _table(root: Path, name: str) -> Path:
    """The table here, in CDD-CESM/, or saved as .xlsx only, which the reader of tables refuses by name."""
    places = [root / name, root / "CDD-CESM" / name]
    excel = next((place for place in (root, root / "CDD-CESM") if (place / name).with_suffix(".xlsx").is_file()), None)
    found = next((place for place in places if place.is_file()), None)
    if found is None and excel is not None:
        raise SourceError(f"{Path(name).stem}.xlsx: is an Excel workbook. Save it as 'CSV UTF-8', {name}")
    return found or places[0]


def _files(root: Path) -> dict[str, list[str]]:
    """Pictures by name, in the archive's two folders, here or in CDD-CESM/."""
    found: dict[str, list[str]] = {}
    for above in ("", "CDD-CESM/"):
        for folder in FOLDERS.values():
            for path in files_below(root / above / folder):
                found.setdefault(Path(path).stem.strip(), []).append(f"{above}{folder}/{path}")
    return found


def _source(name: str, kind: str, what: str) -> Source:
    return Source(
        name=name,
        read=partial(_read, kind=kind, source=name),
        layout=f"{TABLE}, saved from the .xlsx\n{OUTLINES}\n'{FOLDERS[kind]}/P1_L_{what}_CC.jpg', here or in CDD-CESM/",
        labels="Malignant is malignant, by biopsy; Benign and Normal are not, by pathology or follow-up",
        licence="CC BY 4.0",
        cite="Khaled R et al. Categorized contrast enhanced mammography dataset for diagnostic and artificial "
        "intelligence research. Scientific Data 9:122 (2022), doi:10.1038/s41597-022-01238-0; "
        "data: doi:10.7937/29kw-ae92",
        url="https://www.cancerimagingarchive.net/collection/cdd-cesm/",
    )


CDD_CESM = _source("cdd_cesm", "low energy", "DM")
CDD_CESM_SUBTRACTED = _source("cdd_cesm_subtracted", "subtracted", "CM")
