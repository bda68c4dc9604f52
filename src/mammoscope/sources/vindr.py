"""VinDr-Mammo: 5,000 four-view examinations, read twice; breast categories, and findings with boxes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mammoscope.records import Record
from mammoscope.sources.birads import reader_origin, suspicion
from mammoscope.sources.regions import boxed
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import files_below, only_one
from mammoscope.vocabulary import Density, Laterality, LesionKind, Part, View

BREASTS, FINDINGS, METADATA = "breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"
IMAGE = (
    *("study_id", "series_id", "image_id", "laterality", "view_position", "height", "width"),
    *("breast_birads", "breast_density", "split"),
)
FINDING = ("image_id", "finding_categories", "finding_birads", "xmin", "ymin", "xmax", "ymax")
UID, AGE, MODEL = "SOP Instance UID", "Patient's Age", "Manufacturer's Model Name"
CATEGORIES = {f"BI-RADS {number}": number for number in range(1, 7)}
DENSITIES = {f"DENSITY {letter}": letter for letter in Density}
PARTS = {"training": Part.TRAIN, "test": Part.TEST}
KINDS = {  # Nguyen et al. 2023, table of finding categories; the last five are signs beside a lesion
    "Mass": LesionKind.MASS,
    "Suspicious Calcification": LesionKind.CALCIFICATION,
    "Architectural Distortion": LesionKind.DISTORTION,
    "Asymmetry": LesionKind.ASYMMETRY,
    "Focal Asymmetry": LesionKind.ASYMMETRY,
    "Global Asymmetry": LesionKind.ASYMMETRY,
    "Skin Thickening": LesionKind.OTHER,
    "Skin Retraction": LesionKind.OTHER,
    "Nipple Retraction": LesionKind.OTHER,
    "Suspicious Lymph Node": LesionKind.OTHER,
}
NONE = "No Finding"


def _read(root: Path) -> Iterator[Record]:
    files = _files(root)
    people = _people(root)
    findings = _findings(root)
    for row in read_table(root / BREASTS, needs=IMAGE):
        image = row["image_id"]
        found = [_finding(row, other, nth) for nth, other in enumerate(findings.pop(image, []), start=1)]
        shared = _image(row, files, people)
        if row.code("breast_birads", CATEGORIES) not in {one["assessment"] for one in found}:
            found.append(_breast(row))  # no finding on this view carries the category of its breast
        for one in found:
            yield Record(**shared, **one)
    if findings:
        stray = next(iter(findings.values()))[0]
        raise stray.refusal(f"image {stray['image_id']} is not in {BREASTS}. Download both tables again")


def _image(row: Row, files: dict[str, list[str]], people: dict[str, Row]) -> dict[str, Any]:
    study, image = row["study_id"], row["image_id"]
    about = people.get(image)
    age = about.text(AGE) if about else None
    if about and age is not None and not (len(age) == 4 and age[:3].isdigit() and age[3] == "Y"):
        raise about.refusal(f"{AGE} {age!r} is not an age in years such as 046Y. Correct the cell")
    return {
        "source": "vindr",
        "patient_id": study,  # the data set names no patients: one examination each
        "image_id": image,
        "path": only_one(files.get(f"{study}/{image}", []), image=image) or f"images/{study}/{image}.dicom",
        "exam_id": study,
        "laterality": row.code("laterality", Laterality),
        "view": row.code("view_position", View),
        "age_years": float(age[:3]) if age else None,
        "machine_id": about.text(MODEL) if about else None,
        "official_part": row.code("split", PARTS),
        "density": row.code("breast_density", DENSITIES),
    }


def _breast(row: Row) -> dict[str, Any]:
    category = row.code("breast_birads", CATEGORIES)
    malignant = suspicion(category)
    return {"assessment": category, "malignant": malignant, "label_origin": reader_origin(malignant)}


def _finding(image: Row, row: Row, nth: int) -> dict[str, Any]:
    category = row.code("finding_birads", CATEGORIES)
    if category is None:
        category = image.code("breast_birads", CATEGORIES)  # signs beside a lesion may have none of their own
    corners = [row.number(name) for name in ("xmin", "ymin", "xmax", "ymax")]
    if None in corners:
        raise row.refusal("a finding without all of xmin, ymin, xmax, ymax. Fill the cells")
    x0, y0, x1, y1 = boxed(
        [corner for corner in corners if corner is not None],
        where=f"{row.file}:{row.line}",
        width=image.number("width"),
        height=image.number("height"),
    )
    malignant = suspicion(category)
    return {
        "assessment": category,
        "malignant": malignant,
        "label_origin": reader_origin(malignant),
        "lesion_id": str(nth),
        "lesion_kind": KINDS[_names(row)[0]],
        "lesion_x0": x0,
        "lesion_y0": y0,
        "lesion_x1": x1,
        "lesion_y1": y1,
    }


def _findings(root: Path) -> dict[str, list[Row]]:
    """Rows with a finding, by image; the others say that there is none."""
    found: dict[str, list[Row]] = {}
    for row in read_table(root / FINDINGS, needs=FINDING):
        if _names(row) != [NONE]:
            found.setdefault(row["image_id"], []).append(row)
    return found


def _names(row: Row) -> list[str]:
    """Categories of a finding, written as a list: ['Mass', 'Skin Retraction']. The first decides its kind."""
    text = row["finding_categories"]
    try:
        names = json.loads(text.replace("'", '"'))
    except json.JSONDecodeError:
        names = None
    allowed = {*KINDS, NONE}
    sound = isinstance(names, list) and names and all(isinstance(one, str) and one in allowed for one in names)
    if not sound or (NONE in names and len(names) > 1):
        raise row.refusal(
            f"finding_categories {text!r} is not a list of {', '.join(KINDS)}, nor ['{NONE}'] alone. Correct the cell"
        )
    return list(names)


def _people(root: Path) -> dict[str, Row]:
    """Rows of metadata.csv by image; without that table, ages and machines are unknown."""
    if not (root / METADATA).is_file():
        return {}
    return {row[UID]: row for row in read_table(root / METADATA, needs=(UID,), may=(AGE, MODEL))}


def _files(root: Path) -> dict[str, list[str]]:
    """Pictures on disk, by study and image."""
    found: dict[str, list[str]] = {}
    for path in files_below(root / "images"):
        found.setdefault(path.rpartition(".")[0], []).append(f"images/{path}")
    return found


VINDR = Source(
    name="vindr",
    read=_read,
    layout=f"{BREASTS}\n{FINDINGS}\n{METADATA}, if it is there\nimages/<study>/<image>.dicom",
    labels="BI-RADS of two readers: 4 and 5 are malignant, 1 and 2 are not, 3 is unknown; no biopsy",
    licence="PhysioNet Restricted Health Data License 1.5.0: signed agreement, no redistribution",
    cite="Nguyen HT et al. VinDr-Mammo: A large-scale benchmark dataset for computer-aided diagnosis in full-field "
    "digital mammography. Scientific Data 10:277 (2023), doi:10.1038/s41597-023-02100-7",
    url="https://www.physionet.org/content/vindr-mammo/",
)
