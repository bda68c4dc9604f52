"""The tables of a phantom: case descriptions as CBIS-DDSM publishes them, and the truth."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from mammoscope.phantom.exam import Finding
from mammoscope.phantom.mass import Mass
from mammoscope.vocabulary import Density, Laterality, Part, Pathology, View

PATHS = ("image file path", "cropped image file path", "ROI mask file path")
SHARED = ("left or right breast", "image view", "abnormality id", "abnormality type")
MASS_HEADER = (
    *("patient_id", "breast_density", *SHARED, "mass shape", "mass margins", "assessment", "pathology", "subtlety"),
    *PATHS,
)
CALC_HEADER = (
    *("patient_id", "breast density", *SHARED, "calc type", "calc distribution", "assessment", "pathology", "subtlety"),
    *PATHS,
)
CASES = {
    (Part.TRAIN, "mass"): "mass_case_description_train_set.csv",
    (Part.TEST, "mass"): "mass_case_description_test_set.csv",
    (Part.TRAIN, "calcification"): "calc_case_description_train_set.csv",
    (Part.TEST, "calcification"): "calc_case_description_test_set.csv",
}
TRUTH_HEADER = (
    *("patient_id", "part", "laterality", "view", "lesion_id", "x_px", "y_px", "depth_mm", "diameter_mm"),
    *(
        "spiculation",
        "pleomorphism",
        "p_malignant",
        "malignant",
        "density",
        "spacing_mm",
        "quirk",
        "image",
        "mask",
        "crop",
    ),
)
SIDES = {Laterality.LEFT: "LEFT", Laterality.RIGHT: "RIGHT"}
DENSITIES = {Density.A: "1", Density.B: "2", Density.C: "3", Density.D: "4"}
PATHOLOGIES = {
    Pathology.MALIGNANT: "MALIGNANT",
    Pathology.BENIGN: "BENIGN",
    Pathology.BENIGN_WITHOUT_CALLBACK: "BENIGN_WITHOUT_CALLBACK",
}


def case(patient_id: str, *, finding: Finding, view: View, image: str, crop: str, mask: str) -> dict[str, str]:
    """One row of a case table; in the archive one path in each row ends in a line break."""
    is_mass = isinstance(finding.lesion, Mass)
    cells = (
        patient_id,
        DENSITIES[finding.breast.density],
        SIDES[finding.breast.laterality],
        view.value,
        "1",
        kind_of(finding),
        *finding.reading.descriptors,
        str(finding.reading.assessment),
        PATHOLOGIES[finding.pathology],
        str(finding.reading.subtlety),
        image,
        crop if is_mass else crop + "\n",
        mask + "\n" if is_mass else mask,
    )
    return dict(zip(MASS_HEADER if is_mass else CALC_HEADER, cells, strict=True))


def kind_of(finding: Finding) -> str:
    """The abnormality type."""
    return "mass" if isinstance(finding.lesion, Mass) else "calcification"


def case_table(rows: Sequence[dict[str, str]], *, header: tuple[str, ...]) -> str:
    """The text of a case table."""
    return table(header, rows, line_end="\r\n")


def case_tables(folder: str) -> dict[str, Callable[[Sequence[dict[str, str]]], str]]:
    """How the four case tables are made, by path.

    Args:
        folder: They lie in, with a slash at its end; empty for the root.
    """
    headers = {"mass": MASS_HEADER, "calcification": CALC_HEADER}
    return {folder + name: partial(case_table, header=headers[kind]) for (_, kind), name in CASES.items()}


def table(header: Iterable[str], rows: Iterable[dict[str, str]], *, line_end: str) -> str:
    """The text of a CSV file.

    Example:
        >>> table(("a", "b"), [{"a": "1", "b": "2"}], line_end="|")
        'a,b|1,2|'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(header), lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
