"""A phantom data set laid out like CBIS-DDSM, oddities of the archive included."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from mammoscope.errors import RecipeError, StorageError
from mammoscope.phantom.cbis_tables import CALC_HEADER, MASS_HEADER, TRUTH_HEADER, table
from mammoscope.phantom.cbis_view import Rows, Settings, write_view
from mammoscope.phantom.exam import VIEWS, Patient, draw_patient
from mammoscope.phantom.malignancy import ideal_auc
from mammoscope.phantom.mass import CONTRAST
from mammoscope.phantom.picture import refuse_size
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

DIFFICULTY = 0.3
TEST_SHARE = 0.2
MARKER = "phantom.json"
TRUTH = "phantom_truth.csv"
SUBJECT = re.compile(r"(Mass|Calc)-(Training|Test)_P_\d{5}_(LEFT|RIGHT)_(CC|MLO)(_\d+)?")
TABLES = {
    (Part.TRAIN, "mass"): "mass_case_description_train_set.csv",
    (Part.TEST, "mass"): "mass_case_description_test_set.csv",
    (Part.TRAIN, "calcification"): "calc_case_description_train_set.csv",
    (Part.TEST, "calcification"): "calc_case_description_test_set.csv",
}


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
    progress: Callable[[int, int], None] | None = None,
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
    _refuse(settings, workers)
    _make_room(folder)
    people = [
        draw_patient(n, seed=seed, difficulty=difficulty, contrast=contrast, calcifications=calcifications)
        for n in range(1, patients + 1)
    ]
    parts = official_parts(people, seed)
    write_text(folder / MARKER, json.dumps(_marker(settings), indent=2) + "\n")
    written: list[tuple[Part, Rows]] = []
    draw = partial(_write_patient, folder=folder, settings=settings)
    for done, (part, found) in enumerate(_each(draw, people, parts, workers), start=1):
        written += [(part, row) for row in found]
        if progress is not None:
            progress(done, patients)
    for (part, kind), name in TABLES.items():
        cases = [row.case for other, row in written if (other, row.kind) == (part, kind)]
        header = MASS_HEADER if kind == "mass" else CALC_HEADER
        if cases:  # the archive has no empty table
            write_text(folder / name, table(header, cases, line_end="\r\n"))
    truth = folder / TRUTH
    write_text(truth, table(TRUTH_HEADER, [row.truth for _, row in written], line_end="\n"))
    return truth


def _refuse(settings: Settings, workers: int) -> None:
    if not 2 <= settings.patients <= 99_999:
        raise RecipeError(f"patients {settings.patients} is not from 2 to 99999. Choose a number in between")
    if settings.seed < 0:
        raise RecipeError(f"seed {settings.seed} is below 0. Choose a whole number from 0")
    for name in ("difficulty", "calcifications", "wear"):
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            raise RecipeError(f"{name} {value} is not from 0 to 1. Choose a number in between")
    if not 0 < settings.contrast <= 3:
        raise RecipeError(f"contrast {settings.contrast} is not above 0 and up to 3. 1 is gland in the place of fat")
    if workers < 1:
        raise RecipeError(f"workers {workers} is below 1. One process is the least")
    refuse_size(settings.rows)


def _make_room(folder: Path) -> None:
    """Take away an earlier phantom; refuse to touch anything else."""
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"{folder.name}: is a file. Name a folder for the phantom")
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    ours = {MARKER, TRUTH, *TABLES.values()}
    strange = [path.name for path in there if path.name not in ours and not SUBJECT.fullmatch(path.name)]
    if there and (strange or not (folder / MARKER).is_file()):
        found = (strange or [path.name for path in there])[0]
        raise RecipeError(f"{folder.name}: holds {found!r}, so it is not just a phantom. Choose an empty folder")
    try:
        for path in sorted(there, key=lambda path: (path.name != TRUTH, path.name == MARKER)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise StorageError(
            f"{folder.name}: the phantom in it could not be removed, {error.strerror}. Choose another folder"
        ) from error


def _marker(settings: Settings) -> dict[str, Any]:
    return {
        "phantom": "cbis_ddsm",
        "note": "synthetic mammograms; no patient behind them",
        **asdict(settings),
        "ideal_auc": round(ideal_auc(settings.difficulty), 4),
    }


def official_parts(people: list[Patient], seed: int) -> list[Part]:
    """A fifth of the patients with a malignant mass, and a fifth of the others, are the test set."""
    random = np.random.default_rng([seed, 0])
    order = sorted(random.permutation(len(people)).tolist(), key=lambda n: people[n].malignant)
    step = round(1 / TEST_SHARE)
    test = set(order[step // 2 :: step]) or {order[0]}
    return [Part.TEST if n in test else Part.TRAIN for n in range(len(people))]


def _each(
    draw: Callable[[Patient, Part], list[Rows]], people: list[Patient], parts: list[Part], workers: int
) -> Iterator[tuple[Part, list[Rows]]]:
    """Draw all patients, in order, here or in other processes."""
    if workers == 1:
        yield from zip(parts, starmap(draw, zip(people, parts, strict=True)), strict=True)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from zip(parts, pool.map(draw, people, parts), strict=True)


def _write_patient(patient: Patient, part: Part, *, folder: Path, settings: Settings) -> list[Rows]:
    return [
        write_view(patient.patient_id, finding=finding, view=view, part=part, folder=folder, settings=settings)
        for finding in patient.findings
        for view in VIEWS
    ]
