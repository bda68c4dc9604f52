"""All layouts that a phantom can have."""

from collections.abc import Sequence
from pathlib import Path

from mammoscope.errors import RecipeError, nearest
from mammoscope.phantom.cbis_ddsm import CBIS_DDSM
from mammoscope.phantom.cbis_ddsm_jpeg import CBIS_DDSM_JPEG
from mammoscope.phantom.layout import Layout
from mammoscope.phantom.mass import CONTRAST
from mammoscope.phantom.mini_mias import MINI_MIAS
from mammoscope.phantom.rsna import RSNA
from mammoscope.phantom.settings import DIFFICULTY, Settings
from mammoscope.phantom.vindr import VINDR
from mammoscope.phantom.writing import Progress, write_layout

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (CBIS_DDSM, CBIS_DDSM_JPEG, RSNA, VINDR, MINI_MIAS)}
"""By the name of the source that reads each."""


def write_phantom(
    folder: Path,
    *,
    layout: str = CBIS_DDSM.name,
    patients: int = 120,
    seed: int = 0,
    rows: int = 768,
    difficulty: float = DIFFICULTY,
    contrast: float = CONTRAST,
    calcifications: float = 0.0,
    wear: float = 0.0,
    quirks: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a data set of synthetic mammograms in a layout of your choice; the same arguments give the same bytes.

    Args:
        folder: Missing, empty, or an earlier phantom of the same layout, which is replaced.
        layout: A name from `LAYOUTS`: that of the source that reads the folder.
        patients: From 2.
        seed: Of all random numbers, 0 or above.
        rows: Height at which the pictures are drawn, 128 to 4096; 768 is 0.26 mm a pixel.
        difficulty: 0 to 1; how little the look of a lesion says of malignancy. See `malignancy_probability` and,
            for a best AUC of your choice, `difficulty_for`.
        contrast: Of the lesions, above 0, up to 3; 1 is gland in the place of fat.
        calcifications: Probability that a patient's lesions are clusters of calcifications instead of masses. Specks
            need small pixels: take `rows` of 768 or more.
        wear: Probability that a film is dusty and scratched and shows its edge; 0 where the layout is digital.
        quirks: Faults to plant, by name, each in another patient: `LAYOUTS[layout].quirks` has those it can have. A
            name given twice is planted twice. `phantom_quirks.csv` says where each of them is.
        workers: Processes that draw.
        progress: Called with the patients done and all patients.

    Returns:
        The truth: `phantom_truth.csv` in the folder, one row a picture, or a lesion and view. It is written last.

    Raises:
        RecipeError: An argument is outside its range, or the folder holds something else.
        StorageError: The file system refused.

    Source:
        Each layout follows the source of its name; see docs/explain/phantom.md.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as parent:
        ...     truth = write_phantom(Path(parent) / "p", layout="cbis_ddsm_jpeg", patients=2, rows=128)
        ...     sorted(path.name for path in truth.parent.iterdir())
        ['csv', 'jpeg', 'phantom.json', 'phantom_truth.csv']
    """
    name = layout.replace("-", "_")
    if name not in LAYOUTS:
        raise RecipeError(f"layout {layout!r} is not one of {', '.join(LAYOUTS)}{nearest(name, list(LAYOUTS))}")
    settings = Settings(
        patients=patients,
        seed=seed,
        rows=rows,
        difficulty=difficulty,
        contrast=contrast,
        calcifications=calcifications,
        wear=wear,
    )
    return write_layout(LAYOUTS[name], folder, settings=settings, quirks=quirks, workers=workers, progress=progress)
