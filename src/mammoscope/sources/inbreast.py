"""INbreast: 410 digital mammograms of 115 examinations; outlines as OsiriX region files."""

import logging
import plistlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from mammoscope.errors import ImageError, SourceError
from mammoscope.records import Record
from mammoscope.sources.birads import suspicion
from mammoscope.sources.dicom_tags import read_tags
from mammoscope.sources.regions import Region, outlined
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import PICTURES, files_below, only_one
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, LesionKind, View

LOG = logging.getLogger(__name__)
NEEDS = ("Laterality", "View", "File Name", "ACR", "Bi-Rads")
NAME = re.compile(r"(?P<image>\d+)_(?P<patient>[0-9a-f]+)_MG_[LR]_[A-Z]+_ANON", re.ASCII)
POINT = re.compile(r"\(\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*\)", re.ASCII)
MOST_BYTES = 64 * 2**20  # the largest region file of the data set has a few megabytes
CATEGORIES = {**{str(number): number for number in range(7)}, "4a": 4, "4b": 4, "4c": 4}
DENSITIES = dict(zip("1234", Density, strict=True))
KINDS: dict[str, tuple[LesionKind | None, str | None, str | None]] = {  # kind, margins, distribution; spelled as found
    "Mass": (LesionKind.MASS, None, None),
    **dict.fromkeys(("Calcification", "Calcifications"), (LesionKind.CALCIFICATION, None, None)),
    "Cluster": (LesionKind.CALCIFICATION, None, "CLUSTERED"),
    "Distortion": (LesionKind.DISTORTION, None, None),
    **dict.fromkeys(("Asymmetry", "Assymetry", "Asimmetry"), (LesionKind.ASYMMETRY, None, None)),
    **dict.fromkeys(
        ("Spiculated Region", "Spiculated region", "Espiculated Region"), (LesionKind.OTHER, "SPICULATED", None)
    ),
    **dict.fromkeys(("Unnamed", "", "Point 1", "Point 3"), (None, None, None)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lesion:
    name: str
    region: Region


def _read(root: Path) -> Iterator[Record]:
    folder = _home(root)
    pictures = _pictures(root, folder)
    outlines = {path.stem: path for path in sorted((folder / "AllXML").glob("*.xml"))}
    seen: set[str] = set()
    for row in read_table(folder / "INbreast.csv", needs=NEEDS, may=("Patient age",)):
        image = row["File Name"]
        seen.add(image)
        path = only_one(pictures.get(image, []), image=f"{row.file}:{row.line}")
        if path is None:
            raise row.refusal(
                f"image {image} has no file in AllDICOMs, and only its name says whose it is. "
                "Download it, or take out the row"
            )
        lesions = _lesions(outlines[image], root / path) if image in outlines else []
        yield from _records(row, path, lesions)
    strays = sorted({*pictures, *outlines} - seen)
    if strays:
        raise SourceError(f"INbreast.csv: image {strays[0]} has a file but no row. Download the table again")


def _home(root: Path) -> Path:
    """The folder with the table, which may be the release folder inside the one that was unpacked."""
    homes = [root, root / "INbreast Release 1.0"]
    home = next((one for one in homes if (one / "INbreast.csv").is_file()), None)
    if home is None:
        excel = any((one / "INbreast.xls").is_file() for one in homes)
        what = "holds INbreast.xls only. Save it as 'CSV UTF-8', INbreast.csv" if excel else "holds no INbreast.csv"
        raise SourceError(f"{root.name}: {what}. It lies beside AllDICOMs and AllXML")
    return home


def _pictures(root: Path, folder: Path) -> dict[str, list[str]]:
    """Pictures by image number."""
    found: dict[str, list[str]] = {}
    prefix = "" if folder == root else f"{folder.name}/"
    for path in files_below(folder / "AllDICOMs", suffixes=PICTURES):
        name = NAME.fullmatch(Path(path).stem)
        if name is None:
            raise SourceError(
                f"{Path(path).name}: is not named <image>_<patient>_MG_<side>_<view>_ANON.dcm. Give it its name back"
            )
        found.setdefault(name["image"], []).append(f"{prefix}AllDICOMs/{path}")
    return found


def _records(row: Row, path: str, lesions: list[_Lesion]) -> Iterator[Record]:
    category = row.code("Bi-Rads", CATEGORIES)
    malignant = suspicion(category)
    proven = LabelOrigin.BIOPSY if category == 6 else LabelOrigin.READER  # BI-RADS 6 is known, proven malignancy
    name = NAME.fullmatch(Path(path).stem)
    age = row.text("Patient age")
    shared: dict[str, Any] = {
        "source": "inbreast",
        "patient_id": name["patient"] if name else "",  # the table's own column says 'removed'
        "image_id": row["File Name"],
        "path": path,
        "laterality": row.code("Laterality", Laterality),
        "view": row.code("View", View),
        "age_years": None if age in {None, "removed"} else row.number("Patient age"),
        "malignant": malignant,
        "label_origin": None if malignant is None else proven,
        "density": row.code("ACR", DENSITIES),
        "assessment": category,
    }
    if not lesions:
        yield Record(**shared)
    for number, lesion in enumerate(lesions, start=1):
        kind, margins, distribution = KINDS.get(lesion.name, (None, None, None))
        x0, y0, x1, y1 = lesion.region.box
        yield Record(
            **shared,
            lesion_id=str(number),
            lesion_kind=kind,
            lesion_margins=margins,
            calc_distribution=distribution,
            lesion_x0=x0,
            lesion_y0=y0,
            lesion_x1=x1,
            lesion_y1=y1,
            lesion_polygon=lesion.region.polygon,
        )


def _lesions(outlines: Path, picture: Path) -> list[_Lesion]:
    """Regions of one file, checked against the size of the picture where its header can be read."""
    regions = _regions(outlines)
    size = _size(picture)
    found = []
    for number, region in enumerate(regions, start=1):
        where = f"{outlines.name}, region {number}"
        name = str(region.get("Name") or "").strip()
        if name not in KINDS:
            LOG.warning("%s: name %r is none that is known; its kind stays unknown", where, name)
        points = [_point(point, where) for point in region.get("Point_px") or ()]
        if not points:
            LOG.warning("%s: has no points and is left out", where)
            continue
        found.append(_Lesion(name=name, region=outlined(points, where=where, width=size[0], height=size[1])))
    return found


def _regions(outlines: Path) -> list[dict[str, Any]]:
    """The regions that OsiriX wrote: Images, first item, ROIs. Entities are refused by the parser."""
    if outlines.stat().st_size > MOST_BYTES:
        raise SourceError(
            f"{outlines.name}: has more than {MOST_BYTES >> 20} MiB, no region file has. Download it again"
        )
    try:
        with outlines.open("rb") as file:
            content = plistlib.load(file, fmt=plistlib.FMT_XML)
        regions = content["Images"][0]["ROIs"]
    except (
        plistlib.InvalidFileException,
        ExpatError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
    ) as error:
        reason = type(error).__name__
        raise SourceError(f"{outlines.name}: not an OsiriX region file ({reason}). Download it again") from None
    if not isinstance(regions, list) or not all(isinstance(region, dict) for region in regions):
        raise SourceError(f"{outlines.name}: its ROIs are not a list of regions. Download it again")
    return regions


def _point(text: object, where: str) -> tuple[float, float]:
    found = POINT.fullmatch(str(text).strip())
    if found is None:
        raise SourceError(f"{where}: point {str(text)[:40]!r} is not '(x, y)'. Download the file again")
    return float(found[1]), float(found[2])


def _size(picture: Path) -> tuple[int | None, int | None]:
    """Columns and rows; unknown for a converted or an unreadable picture, which is the audit's to report."""
    if picture.suffix.lower() not in {".dcm", ".dicom"}:
        return None, None
    try:
        tags = read_tags(picture)
    except ImageError:
        LOG.warning("%s: header cannot be read, its outlines are not checked against its size", picture.name)
        return None, None
    return tags.whole("Columns"), tags.whole("Rows")


INBREAST = Source(
    name="inbreast",
    read=_read,
    layout="INbreast.csv\nAllDICOMs/<image>_<patient>_MG_<side>_<view>_ANON.dcm\nAllXML/<image>.xml\n"
    "here or in 'INbreast Release 1.0'",
    labels="BI-RADS of the image: 4, 5 and 6 are malignant, 1 and 2 are not, else unknown; 6 by biopsy, else reader",
    licence="by agreement with the INbreast group: research only, no redistribution",
    cite="Moreira IC et al. INbreast: toward a full-field digital mammographic database. "
    "Academic Radiology 19:236-248 (2012), doi:10.1016/j.acra.2011.09.014",
    url="https://doi.org/10.1016/j.acra.2011.09.014",
)
