"""EMBED open data: an image table and a table of findings, joined by patient, examination and side."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mammoscope.errors import SourceError
from mammoscope.records import Record
from mammoscope.sources.regions import boxed
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import inside
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, LesionKind, Pathology, View

LOG = logging.getLogger(__name__)
TABLES = "EMBED_OpenData_{}.csv"
IMAGE = ("empi_anon", "acc_anon", "anon_dicom_path", "FinalImageType", "ImageLateralityFinal", "ViewPosition")
IMAGE_MAY = ("spot_mag", "ROI_coords", "ManufacturerModelName", "Rows", "Columns")
FINDING = ("empi_anon", "acc_anon", "numfind", "side", "asses", "tissueden", "path_severity")
FINDING_MAY = ("bside", "massshape", "massmargin", "calcfind", "calcdistri", "age_at_study")
TYPES = {
    "2D": "2D",
    **dict.fromkeys(("cview", "C-view"), "C-view"),
    "3D": "3D",
    "ROI_SSC": "screen",
    "ROI_SS": "screen",
}
SIDES = {"L": (Laterality.LEFT,), "R": (Laterality.RIGHT,), "B": tuple(Laterality)}
ASSESSMENTS = {"A": 0, "N": 1, "B": 2, "P": 3, "S": 4, "M": 5, "K": 6}
DENSITIES = {  # 5 is a normal male breast, which has no density
    text: density
    for number, density in {**dict(zip("1234", Density, strict=True)), "5": None}.items()
    for text in (number, f"{number}.0")
}
SEVERITIES = {  # the data descriptor: 0, 1 and 6 are cancers, 6 not of the breast; 2 to 5 are not
    text: Pathology.MALIGNANT if number in {0, 1, 6} else Pathology.BENIGN
    for number in range(7)
    for text in (str(number), f"{number}.0")
}
SPOTS = {"0": False, "0.0": False, "1": True, "1.0": True}

Exam = tuple[str, str]


def _read(root: Path) -> Iterator[Record]:
    findings = _findings(root)
    left_out: Counter[str] = Counter()
    for row in read_table(_table(root, "metadata"), needs=IMAGE, may=IMAGE_MAY):
        kind = row.code("FinalImageType", TYPES) or "of no stated type"
        if kind != "2D" or row.code("spot_mag", SPOTS):
            left_out[kind if kind != "2D" else "spot or magnification"] += 1
            continue
        yield from _records(row, root, findings.get((row["empi_anon"], row["acc_anon"]), []))
    if left_out:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
        LOG.warning("pictures that are no full-field 2D mammograms are left out: %s", counts)


def _findings(root: Path) -> dict[Exam, list[Row]]:
    found: dict[Exam, list[Row]] = {}
    for row in read_table(_table(root, "clinical"), needs=FINDING, may=FINDING_MAY):
        found.setdefault((row["empi_anon"], row["acc_anon"]), []).append(row)
    return found


def _table(root: Path, name: str) -> Path:
    """The whole table, else the reduced one, in tables/ or here."""
    names = (TABLES.format(name), TABLES.format(f"{name}_reduced"))
    places = [folder / one for one in names for folder in (root / "tables", root)]
    return next((place for place in places if place.is_file()), places[0])


def _records(image: Row, root: Path, exam: list[Row]) -> Iterator[Record]:
    side = image.code("ImageLateralityFinal", Laterality)
    rows = [row for row in exam if side is None or side in (row.code("side", SIDES) or tuple(Laterality))]
    path = _path(image, root)
    shared: dict[str, Any] = {
        "source": "embed",
        "patient_id": image["empi_anon"],
        "image_id": path.rsplit("/", 1)[-1].removesuffix(".dcm"),
        "path": path,
        "exam_id": image["acc_anon"],
        "laterality": side,
        "view": image.code("ViewPosition", View),
        "machine_id": image.text("ManufacturerModelName"),
        "age_years": next((age for row in exam if (age := row.number("age_at_study")) is not None), None),
        "density": next((density for row in exam if (density := row.code("tissueden", DENSITIES))), None),
    }
    labels = [_label(row, side) for row in rows]
    found = [{**label, **_lesion(row)} for label, row in zip(labels, rows, strict=True)]
    found += [{**_common(labels), **place} for place in _places(image)]
    for one in _once(found):
        yield Record(**shared, **one)


def _once(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All lesions, and one record without a lesion only where there is none or where it says something else."""
    weightiest: dict[str, dict[str, Any]] = {}
    for one in (one for one in found if one.get("lesion_id")):
        before = weightiest.setdefault(one["lesion_id"], one)
        weightiest[one["lesion_id"]] = one if _weight(one) > _weight(before) else before
    lesions = list(weightiest.values())
    plain = sorted((one for one in found if not one.get("lesion_id")), key=lambda one: one["malignant"] is not True)
    known = {one["malignant"] for one in lesions}
    kept = [one for one in plain[:1] if one["malignant"] not in known]
    return lesions + kept or [{}]


def _weight(one: dict[str, Any]) -> int:
    """Of several rows on one finding, biopsy and then operation, the highest says what it was."""
    if one["malignant"]:
        return 3
    return {None: 1, LabelOrigin.READER: 0}.get(one["label_origin"], 2)


def _label(row: Row, side: Laterality | None) -> dict[str, Any]:
    """Pathology where tissue of this side was taken; else a negative category; else unknown."""
    category = row.code("asses", ASSESSMENTS)
    taken = row.code("bside", SIDES)
    pathology = row.code("path_severity", SEVERITIES)
    if pathology is not None and (side is None or taken is None or side in taken):
        malignant, origin = pathology is Pathology.MALIGNANT, LabelOrigin.BIOPSY
        return {"assessment": category, "pathology": pathology, "malignant": malignant, "label_origin": origin}
    read = {1: False, 2: False, 6: True}.get(-1 if category is None else category)
    origin_read = None if read is None else LabelOrigin.READER
    return {"assessment": category, "pathology": None, "malignant": read, "label_origin": origin_read}


def _lesion(row: Row) -> dict[str, Any]:
    """Descriptors of a finding, in the codes of the data set's legend; nothing where none is filled in."""
    mass, calc = row.text("massshape"), row.text("calcfind")
    if not (mass or row.text("massmargin") or calc or row.text("calcdistri")):
        return {}
    number = row.integer("numfind")
    return {
        "lesion_id": f"{row.line if number is None else number}",
        "lesion_kind": LesionKind.CALCIFICATION
        if calc and not mass
        else LesionKind.MASS
        if mass and not calc
        else None,
        "lesion_shape": mass,
        "lesion_margins": row.text("massmargin"),
        "calc_type": calc,
        "calc_distribution": row.text("calcdistri"),
    }


def _common(labels: list[dict[str, Any]]) -> dict[str, Any]:
    """The label of a marked place: that of the findings of its breast if they agree, as no place names its finding."""
    kinds = {(label["malignant"], label["label_origin"], label["pathology"]) for label in labels}
    malignant, origin, pathology = kinds.pop() if len(kinds) == 1 else (None, None, None)
    return {"malignant": malignant, "label_origin": origin, "pathology": pathology}


def _places(image: Row) -> list[dict[str, Any]]:
    """Boxes that a radiologist marked: a list of ymin, xmin, ymax, xmax."""
    text = image.text("ROI_coords")
    if text is None:
        return []
    try:
        places = json.loads(text.replace("(", "[").replace(")", "]"))
        corners = [(float(x0), float(y0), float(x1), float(y1)) for y0, x0, y1, x1 in places]
    except (ValueError, TypeError):
        what = f"ROI_coords {text[:60]!r} is not a list of [ymin, xmin, ymax, xmax]. Correct the cell"
        raise image.refusal(what) from None
    where, width, height = f"{image.file}:{image.line}", image.number("Columns"), image.number("Rows")
    boxes = [boxed(corner, where=where, width=width, height=height) for corner in corners]
    names = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")
    return [
        {"lesion_id": f"roi-{number}", **dict(zip(names, box, strict=True))}
        for number, box in enumerate(boxes, start=1)
    ]


def _path(row: Row, root: Path) -> str:
    """The end of the recorded path, from cohort_1 or cohort_2 on, below images/ where there is such a folder."""
    parts = row["anon_dicom_path"].replace("\\", "/").split("/")
    start = next((at for at, part in enumerate(parts) if part in {"cohort_1", "cohort_2"}), None)
    if start is None:
        return inside(row["anon_dicom_path"], where=f"{row.file}:{row.line}")
    path = inside("/".join(parts[start:]), where=f"{row.file}:{row.line}")
    if not path.lower().endswith(".dcm"):
        raise SourceError(f"{row.file}:{row.line}: {parts[-1]} is not a .dcm file. Correct the cell")
    return f"images/{path}" if (root / "images").is_dir() else path


EMBED = Source(
    name="embed",
    read=_read,
    layout="tables/EMBED_OpenData_metadata.csv, tables/EMBED_OpenData_clinical.csv, or the two _reduced ones\n"
    "images/cohort_1/<patient>/<examination>/<image>.dcm, images/cohort_2/...",
    labels="path_severity 0, 1, 6 is malignant and 2 to 5 is not, by biopsy; else BI-RADS 1 and 2 are not, by reader",
    licence="EMBED licence: non-commercial research by application, no redistribution",
    cite="Jeong JJ et al. The EMory BrEast imaging Dataset (EMBED): a racially diverse, granular dataset of 3.4 "
    "million screening and diagnostic mammographic images. Radiology: Artificial Intelligence 5:e220047 (2023)",
    url="https://github.com/Emory-HITI/EMBED_Open_Data",
)
