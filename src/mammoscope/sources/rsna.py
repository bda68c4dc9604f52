"""RSNA 2022 screening mammography: train.csv beside train_images/."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mammoscope.records import Record
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, once, read_table
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, View

NEEDS = ("patient_id", "image_id", "laterality", "view", "cancer")
MAY = ("site_id", "age", "biopsy", "BIRADS", "implant", "density", "machine_id", "difficult_negative_case")
FOLDER = "train_images"
SUFFIXES = (".dcm", ".png", ".jpg", ".jpeg")
ASSESSMENTS = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "2": 2, "2.0": 2}  # 0 needs follow-up, 1 negative, 2 normal


def _read(root: Path) -> Iterator[Record]:
    found = _files(root)
    commonest = Counter(suffix for suffixes in found.values() for suffix in suffixes)
    default = commonest.most_common(1)[0][0] if commonest else ".dcm"
    for row in once(read_table(root / "train.csv", needs=NEEDS, may=MAY), columns=("image_id",)):
        yield _record(row, found, default)


def _record(row: Row, found: dict[str, list[str]], default: str) -> Record:
    stem = f"{FOLDER}/{row['patient_id']}/{row['image_id']}"
    biopsy = row.flag("biopsy")
    malignant = row.flag("cancer")
    origin = LabelOrigin.BIOPSY if biopsy else LabelOrigin.DERIVED
    return Record(
        source="rsna",
        patient_id=row["patient_id"],
        image_id=row["image_id"],
        path=stem + next((suffix for suffix in SUFFIXES if suffix in found.get(stem, [])), default),
        laterality=row.code("laterality", Laterality),
        view=row.code("view", View),
        age_years=row.number("age"),
        implant=row.flag("implant"),
        site_id=row.text("site_id"),
        machine_id=row.text("machine_id"),
        difficult_negative=row.flag("difficult_negative_case"),
        malignant=malignant,
        label_origin=None if malignant is None else origin,
        density=row.code("density", Density),
        assessment=row.code("BIRADS", ASSESSMENTS),
    )


def _files(root: Path) -> dict[str, list[str]]:
    """Suffixes of the pictures on disk, by path without suffix."""
    found: dict[str, list[str]] = {}
    for file in (root / FOLDER).glob("*/*"):
        if file.suffix in SUFFIXES:
            found.setdefault(f"{FOLDER}/{file.parent.name}/{file.stem}", []).append(file.suffix)
    return found


RSNA = Source(
    name="rsna",
    read=_read,
    layout="train.csv\ntrain_images/<patient>/<image>.dcm (or .png, .jpg)",
    labels="cancer of the breast, one label for all its images; by biopsy where one was taken, else by follow-up",
    licence="Kaggle competition rules: non-commercial research, no redistribution",
    cite="Carr C et al. RSNA Screening Mammography Breast Cancer Detection. Kaggle, 2022",
    url="https://www.kaggle.com/competitions/rsna-breast-cancer-detection",
)
