"""CMMD, the Chinese Mammography Database: one row a breast, joined to DICOM files by patient and side."""

import logging
from collections.abc import Iterator
from pathlib import Path

from mammoscope.errors import ImageError, SourceError
from mammoscope.records import Record
from mammoscope.sources.dicom_tags import Tags, tags_of
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import files_below
from mammoscope.vocabulary import LabelOrigin, Laterality, LesionKind, Pathology

LOG = logging.getLogger(__name__)
TABLES = ("CMMD_clinicaldata_revision.csv", "meta_china_cancer.csv")
EXCEL = "CMMD_clinicaldata_revision.xlsx"
NEEDS = ("ID1", "LeftRight", "classification")
MAY = ("Age", "number", "abnormality", "subtype")
PATHOLOGIES = {"Benign": Pathology.BENIGN, "Malignant": Pathology.MALIGNANT}
KINDS = {
    "mass": (LesionKind.MASS,),
    "calcification": (LesionKind.CALCIFICATION,),
    "both": (LesionKind.CALCIFICATION, LesionKind.MASS),
}
SUBTYPES = {name: name for name in ("Luminal A", "Luminal B", "HER2-enriched", "triple negative")}

Breast = tuple[str, Laterality | None]


def _read(root: Path) -> Iterator[Record]:
    breasts = _breasts(root)
    ages = {patient: age for (patient, _), row in breasts.items() if (age := row.number("Age")) is not None}
    found: set[Breast] = set()
    strangers: list[str] = []
    for path, tags in tags_of(root, files_below(root, suffixes=(".dcm", ".dicom"))):
        if isinstance(tags, ImageError):
            LOG.warning("%s It is left out", tags)
            continue
        patient = tags.text("PatientID")
        if patient is None:
            raise SourceError(f"{tags.file}: Patient ID (0010,0020) is empty. Download the series again")
        breast = (patient, tags.laterality)
        found.add(breast)
        if not any((patient, side) in breasts for side in Laterality):
            strangers.append(patient)
        yield from _records(breasts.get(breast), patient, path, tags=tags, age=ages.get(patient))
    if strangers:
        raise SourceError(f"patient {strangers[0]} has pictures but no row in the table. Download the table again")
    absent = [breast for breast in breasts if breast not in found]
    if absent:
        LOG.warning("%d of %d breasts in the table have no picture here", len(absent), len(breasts))
    for patient, side in absent:
        yield from _records(
            breasts[patient, side], patient, f"CMMD/{patient}/{side}.dcm", tags=None, age=ages.get(patient)
        )


def _breasts(root: Path) -> dict[Breast, Row]:
    table = next((path for name in TABLES if (path := root / name).is_file()), None)
    if table is None:
        excel = (root / EXCEL).is_file()
        what = f"holds {EXCEL} only. Save it as 'CSV UTF-8', {TABLES[0]}" if excel else f"holds no {TABLES[0]}"
        raise SourceError(f"{root.name}: {what}. It lies beside the folder CMMD")
    breasts: dict[Breast, Row] = {}
    for row in read_table(table, needs=NEEDS, may=MAY):
        breast = (row["ID1"], row.code("LeftRight", Laterality))
        if breast[1] is None:
            raise row.refusal("LeftRight is empty. Fill the cell")
        if breast in breasts:
            raise row.refusal(f"{breast[0]} {breast[1]} is also on line {breasts[breast].line}. Keep one row a breast")
        breasts[breast] = row
    return breasts


def _records(row: Row | None, patient: str, path: str, *, tags: Tags | None, age: float | None) -> Iterator[Record]:
    """Records of one picture; without a row, the other breast of a patient, of which the table says nothing."""
    pathology = row.code("classification", PATHOLOGIES) if row else None
    kinds = (row.code("abnormality", KINDS) if row else None) or (None,)
    if row:
        row.code("subtype", SUBTYPES)  # checked; the index has no column for it
    side = tags.laterality if tags else row.code("LeftRight", Laterality) if row else None
    uid = tags.text("SOPInstanceUID") if tags else f"{patient}_{side}"
    for kind in kinds:
        yield Record(
            source="cmmd",
            patient_id=patient,
            image_id=uid or path,
            path=path,
            exam_id=tags.text("StudyInstanceUID") if tags else None,
            laterality=side,
            view=tags.view if tags else None,
            age_years=age,
            malignant=None if pathology is None else pathology is Pathology.MALIGNANT,
            pathology=pathology,
            label_origin=None if pathology is None else LabelOrigin.BIOPSY,
            lesion_id=kind.value if kind else None,
            lesion_kind=kind,
        )


CMMD = Source(
    name="cmmd",
    read=_read,
    layout=f"{TABLES[0]}, saved from the .xlsx of the archive\nCMMD/<patient>/<study>/<series>/1-1.dcm",
    labels="classification of the breast, proven by biopsy, for all its pictures; a breast without a row is unknown",
    licence="CC BY 4.0",
    cite="Cui C et al. The Chinese Mammography Database (CMMD): an online mammography database with biopsy "
    "confirmed types for machine diagnosis of breast. The Cancer Imaging Archive (2021), doi:10.7937/tcia.eqde-4b16",
    url="https://www.cancerimagingarchive.net/collection/cmmd/",
)
