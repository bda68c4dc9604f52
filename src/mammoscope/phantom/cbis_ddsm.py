"""A phantom data set laid out like CBIS-DDSM, oddities of the archive included."""

import re
from pathlib import Path

from mammoscope.phantom.cbis_tables import TRUTH_HEADER, case_tables
from mammoscope.phantom.cbis_view import ARCHIVE, write_patient
from mammoscope.phantom.exam import Patient, draw_patient
from mammoscope.phantom.layout import Entry, Layout
from mammoscope.phantom.malignancy import ideal_auc
from mammoscope.phantom.mass import CONTRAST
from mammoscope.phantom.quirk_cbis import OF_CBIS
from mammoscope.phantom.quirk_files import OF_FILES, OF_TAGS
from mammoscope.phantom.settings import DIFFICULTY, Settings
from mammoscope.phantom.writing import Progress, write_layout
from mammoscope.vocabulary import Part

SUBJECT = r"(Mass|Calc)-(Training|Test)_P_\d{5}_(LEFT|RIGHT)_(CC|MLO)(_\d+)?"
TABLES = case_tables("")


def draw(number: int, settings: Settings) -> Patient:
    """Draw a patient with a lesion, as CBIS-DDSM has no others."""
    return draw_patient(
        number,
        seed=settings.seed,
        difficulty=settings.difficulty,
        contrast=settings.contrast,
        calcifications=settings.calcifications,
    )


def _write(patient: Patient, part: Part, folder: Path, settings: Settings) -> list[Entry]:
    return write_patient(patient, part, folder, settings, ARCHIVE)


CBIS_DDSM = Layout(
    name="cbis_ddsm",
    draw=draw,
    write=_write,
    tables=TABLES,
    truth=TRUTH_HEADER,
    ours=re.compile(rf"{SUBJECT}|{'|'.join(TABLES)}"),
    best=ideal_auc,
    parts=True,
    most_patients=99_999,
    film=True,
    quirks=OF_FILES | OF_TAGS | OF_CBIS,
)


def write_cbis_ddsm(
    folder: Path,
    *,
    patients: int = 120,
    seed: int = 0,
    rows: int = 768,
    difficulty: float = DIFFICULTY,
    contrast: float = CONTRAST,
    calcifications: float = 0.0,
    wear: float = 0.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a data set of synthetic mammograms, laid out like CBIS-DDSM.

    Every patient has one breast with a lesion, few have two, each in a CC and an MLO view. The
    official test set is a fifth of the patients. The same arguments give the same bytes.

    Args:
        folder: Missing, empty, or an earlier phantom, which is replaced.
        patients: 2 to 99,999.
        seed: Of all random numbers, 0 or above.
        rows: Height of the pictures, 128 to 4096; 768 is 0.26 mm a pixel.
        difficulty: 0 to 1; how little the margin says of malignancy. See `malignancy_probability`.
        contrast: Of the lesions, above 0, up to 3; 1 is gland in the place of fat.
        calcifications: Probability that a patient has clusters of calcifications instead of masses, 0 to 1. Specks
            need small pixels: take `rows` of 768 or more.
        wear: Probability that a film is dusty and scratched and shows its edge, 0 to 1.
        workers: Processes that draw.
        progress: Called with the patients done and all patients.

    Returns:
        The truth: `phantom_truth.csv` in the folder, one row a lesion and view. It is written last.

    Raises:
        RecipeError: An argument is outside its range, or the folder holds something else.
        StorageError: The file system refused.

    Source:
        Layout and oddities: Lee et al., Scientific Data 4:170177 (2017), and the archive's files.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as parent:
        ...     truth = write_cbis_ddsm(Path(parent) / "phantom", patients=2, rows=128)
        ...     truth.name, sorted(path.name for path in truth.parent.glob("mass*"))
        ('phantom_truth.csv', ['mass_case_description_test_set.csv', 'mass_case_description_train_set.csv'])
    """
    settings = Settings(
        patients=patients,
        seed=seed,
        rows=rows,
        difficulty=difficulty,
        contrast=contrast,
        calcifications=calcifications,
        wear=wear,
    )
    return write_layout(CBIS_DDSM, folder, settings=settings, workers=workers, progress=progress)
