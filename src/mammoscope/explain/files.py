"""Files to maps with a bundle, as arrays: on the grid of the network, and on that of the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch
from jaxtyping import Float32

from mammoscope.errors import BundleError, ImageError, StorageError
from mammoscope.explain.maps import MapSettings, explain_inputs
from mammoscope.explain.picture import side_by_side
from mammoscope.images import Mammogram, read_mammogram
from mammoscope.images.folder import find_pictures
from mammoscope.images.grey import to_grey
from mammoscope.models import Bundle, Inputs, encode, to_input
from mammoscope.storage import whole_file


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """The map of one file.

    Attributes:
        file: Its name; in a folder, its path from there.
        mammogram: As the network sees it; None where the file could not be read.
        scores: Probability of each class of the task that was asked about.
        heat: In [0, 1], on the network's grid; None where the map is not defined.
        note: Why there is no map; empty where there is one.
        code: Of the refusal where the file could not be read.
    """

    file: str
    mammogram: Mammogram | None = None
    scores: dict[str, float] | None = None
    heat: Float32[np.ndarray, "rows cols"] | None = None
    note: str = ""
    code: str | None = None

    @property
    def original(self) -> Float32[np.ndarray, "_ _"] | None:
        """The map on the pixels of the file; what the network does not see is 0."""
        if self.mammogram is None or self.heat is None:
            return None
        return self.mammogram.geometry.heatmap_to_original(self.heat)

    @property
    def peak_px(self) -> tuple[float, float] | None:
        """The highest place of the map: column and row in pixels of the file."""
        point = self._peak()
        if point is None or self.mammogram is None:
            return None
        x, y = self.mammogram.geometry.to_original(point)[0].tolist()
        return x, y

    @property
    def peak_mm(self) -> tuple[float, float] | None:
        """The same in mm from the file's first pixel, to the right and downward; None where the spacing is unknown."""
        point = self._peak()
        placed = None if point is None or self.mammogram is None else self.mammogram.geometry.to_mm(point)
        return None if placed is None else (float(placed[0, 0]), float(placed[0, 1]))

    def _peak(self) -> np.ndarray | None:
        if self.heat is None:
            return None
        row, col = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return np.array([[col + 0.5, row + 0.5]])


def explain_files(
    bundle: Bundle,
    files: Iterable[Path],
    *,
    method: str = "grad-cam",
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    settings: MapSettings | None = None,
) -> Iterator[Explained]:
    """Map what a bundle saw in files, and in the mammograms of folders, one after the other.

    Args:
        bundle: One that answers per image. Clinical columns that it reads are taken as unknown.
        files: Files of any name; in folders, those that `find_pictures` finds.
        method: One of `METHODS`.
        layer: For a class activation map, one of `layer_names`.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        settings: Of the method.

    Returns:
        One for each file; of one that could not be read `code` and `note`.

    Raises:
        RecipeError: There is no such method.
        BundleError: It answers per breast or exam; the method is not defined for it; there is no such layer or class.
        SourceError: A folder holds no mammogram.
    """
    manifest = bundle.manifest
    if manifest.design.bags:
        raise BundleError(
            f"{manifest.name}: answers per {manifest.unit}. Give its pictures together to explain_inputs, from Python"
        )
    clinical = None
    if manifest.clinical is not None:
        unknown = {one.column: pl.Series([None], dtype=pl.String) for one in manifest.clinical.columns}
        clinical = torch.from_numpy(encode(manifest.clinical, pl.DataFrame(unknown)))
    at = 0 if task is None else next((n for n, one in enumerate(manifest.tasks) if one.name == task), 0)
    for one in find_pictures(files):
        try:
            mammogram = read_mammogram(one.path, preprocess=manifest.preprocess)
        except ImageError as error:
            yield Explained(file=one.name, note=str(error), code=error.code)
            continue
        inputs = Inputs(to_input([to_grey(mammogram.pixels, bits=manifest.preprocess.bits)]), clinical=clinical)
        maps = explain_inputs(bundle.network, inputs, method=method, layer=layer, task=task, of=of, settings=settings)
        chances = bundle.probabilities([mammogram])[at][0].tolist()
        heat = maps.heat(0)
        yield Explained(
            file=one.name,
            mammogram=mammogram,
            scores=dict(zip(manifest.tasks[at].classes, chances, strict=True)),
            heat=heat,
            note="" if heat is not None else "no place speaks for the class: the map is not defined",
        )


def write_explained(found: Explained, *, folder: Path, method: str, number: int | None = None) -> dict[str, Any]:
    """Write the drawing of a map as PNG, and its array on the pixels of the file as `.npy`.

    Args:
        found: The map of one file.
        folder: Where they go, under the name of the file and the method.
        method: That made it.
        number: Goes before the name, for files of equal names.

    Returns:
        `file`, `method`, `scores`, `peak_px`, `peak_mm`, `picture` and `array` (names in the folder; None where there
        is no map: no blank picture is written), `note`, `code`.

    Raises:
        StorageError: They cannot be written.
    """
    row: dict[str, Any] = {
        name: getattr(found, name) for name in ("file", "scores", "peak_px", "peak_mm", "note", "code")
    }
    row |= {"method": method, "picture": None, "array": None}
    original = found.original
    if found.mammogram is None or original is None:
        return row
    name = f"{found.file.replace('/', '_')}.{method}"
    if number is not None:
        name = f"{number:03d}.{name}"
    done, encoded = cv2.imencode(".png", side_by_side(found.mammogram.pixels, found.heat)[:, :, ::-1])
    if not done:
        raise StorageError(f"{name}.png: OpenCV could not write it as PNG. Install opencv-python-headless again")
    array = BytesIO()
    np.save(array, original, allow_pickle=False)
    for ending, content in ((".png", encoded.tobytes()), (".npy", array.getvalue())):
        with whole_file(folder / f"{name}{ending}") as temporary:
            temporary.write_bytes(content)
    return row | {"picture": f"{name}.png", "array": f"{name}.npy"}
