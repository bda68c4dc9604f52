"""The four case description tables of CBIS-DDSM, read alike for every edition of its pictures."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from mammoscope.errors import SourceError, nearest
from mammoscope.records import Record
from mammoscope.sources.table import Row, once, read_table
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, LesionKind, Part, Pathology, View

LOG = logging.getLogger(__name__)

TABLES = {
    "mass_case_description_train_set.csv": Part.TRAIN,
    "mass_case_description_test_set.csv": Part.TEST,
    "calc_case_description_train_set.csv": Part.TRAIN,
    "calc_case_description_test_set.csv": Part.TEST,
}
FOLDERS = ("", "csv", "CBIS-DDSM")  # where the tables may lie
FULL, CROP, MASK = "image file path", "cropped image file path", "ROI mask file path"
NEEDS = (
    *("patient id", "breast density", "left or right breast", "image view", "abnormality id", "abnormality type"),
    *("assessment", "pathology", "subtlety", FULL, CROP, MASK),
)
LESION = ("patient id", "left or right breast", "image view", "abnormality type", "abnormality id")
DESCRIPTORS = ("mass shape", "mass margins", "calc type", "calc distribution")
SIDES = {"LEFT": Laterality.LEFT, "RIGHT": Laterality.RIGHT}
KINDS = {"mass": LesionKind.MASS, "calcification": LesionKind.CALCIFICATION}
DENSITIES = {"0": None, "1": Density.A, "2": Density.B, "3": Density.C, "4": Density.D}  # 0: not stated, two rows
SUBTLETIES = {"0": None, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5}  # the scale is 1 to 5; 0 stands in two rows
ASSESSMENTS = {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
PATHOLOGIES = {
    "MALIGNANT": Pathology.MALIGNANT,
    "BENIGN": Pathology.BENIGN,
    "BENIGN_WITHOUT_CALLBACK": Pathology.BENIGN_WITHOUT_CALLBACK,
}


@runtime_checkable
class CasePictures(Protocol):
    """Finds the pictures that a case table lists, in one edition."""

    def is_there(self, path: str) -> bool:
        """Whether the file is on disk."""

    def full(self, listed: str) -> str:
        """Path of the full picture that a table lists; where it should be if it is missing."""

    def mask_and_crop(self, *, full: str, mask: str, crop: str) -> tuple[str, str]:
        """Paths of a lesion's mask and crop, told apart by content."""


def read_cases(root: Path, *, source: str, files: CasePictures) -> Iterator[Record]:
    """Yield one record per row of the case tables.

    Args:
        root: Folder that holds the tables, or a folder with them.
        source: Name of the edition.
        files: Finds its pictures.

    Raises:
        SourceError: There is no table, or a cell is not one of the tables' own words.
    """
    rows = list(_rows(root))
    paths = _paths(rows, files)
    for row, part in rows:
        yield _record(row, part, paths[_image_id(row)], files, source)


def warn_of(doubtful: list[str]) -> None:
    """Say once how many lesions have a mask and a crop that look alike."""
    if doubtful:
        LOG.warning(
            "mask and crop of %d lesions cannot be told apart and are taken as the table lists them, the first in %s",
            len(doubtful),
            doubtful[0],
        )


def _paths(rows: list[tuple[Row, Part]], files: CasePictures) -> dict[str, str]:
    """One picture for each breast view, whichever tables list it: the first that is on disk."""
    paths: dict[str, str] = {}
    for row, _ in rows:
        key, path = _image_id(row), files.full(row[FULL])
        before = paths.setdefault(key, path)
        if files.is_there(path) and not files.is_there(before):
            paths[key] = path
    return paths


def _rows(root: Path) -> Iterator[tuple[Row, Part]]:
    found = [path for name in TABLES if (path := _table(root, name)) is not None]
    if not found:
        there = sorted(path.name for folder in FOLDERS for path in (root / folder).glob("*.csv"))
        hint = next((text for name in TABLES if (text := nearest(name, there))), "")
        raise SourceError(f"{root.name}: holds none of {', '.join(TABLES)}{hint}. Put them beside the pictures")
    for path in found:
        rows = read_table(path, needs=NEEDS, may=DESCRIPTORS, spell=lambda name: name.replace("_", " "))
        for row in once(rows, columns=LESION):
            yield row, TABLES[path.name]


def _table(root: Path, name: str) -> Path | None:
    return next((path for folder in FOLDERS if (path := root / folder / name).is_file()), None)


def _image_id(row: Row) -> str:
    return f"{row['patient id']}_{row['left or right breast']}_{row['image view']}"


def _record(row: Row, part: Part, path: str, files: CasePictures, source: str) -> Record:
    mask, crop = files.mask_and_crop(full=row[FULL], mask=row[MASK], crop=row[CROP])
    pathology = row.code("pathology", PATHOLOGIES)
    kind = row.code("abnormality type", KINDS)
    return Record(
        source=source,
        patient_id=row["patient id"],
        image_id=_image_id(row),
        path=path,
        laterality=row.code("left or right breast", SIDES),
        view=row.code("image view", View),
        official_part=part,
        malignant=None if pathology is None else pathology is Pathology.MALIGNANT,
        pathology=pathology,
        label_origin=_origin(pathology),
        density=row.code("breast density", DENSITIES),
        assessment=row.code("assessment", ASSESSMENTS),
        lesion_id=f"{row['abnormality type']}-{row['abnormality id']}",
        lesion_kind=kind,
        lesion_shape=_descriptor(row, "mass shape"),
        lesion_margins=_descriptor(row, "mass margins"),
        calc_type=_descriptor(row, "calc type"),
        calc_distribution=_descriptor(row, "calc distribution"),
        subtlety=row.code("subtlety", SUBTLETIES),
        mask_path=mask,
        crop_path=crop,
    )


def _origin(pathology: Pathology | None) -> LabelOrigin | None:
    """Benign without callback was judged on the picture alone; the others were biopsied."""
    if pathology is None:
        return None
    return LabelOrigin.READER if pathology is Pathology.BENIGN_WITHOUT_CALLBACK else LabelOrigin.BIOPSY


def _descriptor(row: Row, column: str) -> str | None:
    value = row.text(column)
    return None if value in {"NA", "N/A"} else value
