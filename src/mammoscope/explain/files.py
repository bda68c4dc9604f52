"""Files to maps with a bundle, as arrays: on the grid of the network, and on that of the file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mammoscope.errors import BundleError, ImageError
from mammoscope.explain.anatomy import Anatomy, anatomy_of, read_anatomy
from mammoscope.explain.canvas import Canvas
from mammoscope.explain.canvas_png import canvas_png
from mammoscope.explain.canvas_svg import canvas_svg
from mammoscope.explain.captions import CALLED, scale_words
from mammoscope.explain.mapped import NOWHERE, Asked, Mapped, map_sample
from mammoscope.explain.maps import MapSettings, Method
from mammoscope.explain.overlay import Caption, overlay
from mammoscope.explain.picture import Laid, laid_over
from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.images.cut import WHOLE, Cut
from mammoscope.images.folder import find_pictures
from mammoscope.models import Bundle
from mammoscope.storage import whole_file, write_text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """The map of one file.

    Attributes:
        file: Its name; in a folder, its path from there.
        mammogram: As the network sees it; None where the file could not be read.
        scores: Probability of each class of the task that was asked about; of a picture of a breast or exam as if there
            were no other.
        heat: In [0, 1], on the network's grid; None where the map is not defined.
        asked: The class that the map is of, in words.
        note: Why there is no map, or what must be known to read it.
        code: Of the refusal where the file could not be read.
        drawn: The map as it is drawn, where that is not `heat`: maps as fine as pixels are smoothed.
        weight: What the picture counts in its breast or exam; None of single pictures.
        path: Of the file, to draw the anatomy finer than the network saw it; None: it is enlarged.
        preprocess: How the file was read.
        cut: What of the file was kept.
    """

    file: str
    mammogram: Mammogram | None = None
    scores: dict[str, float] | None = None
    heat: Float32[np.ndarray, "rows cols"] | None = None
    asked: str = ""
    note: str = ""
    code: str | None = None
    drawn: Float32[np.ndarray, "rows cols"] | None = None
    weight: float | None = None
    path: Path | None = field(default=None, repr=False)
    preprocess: Preprocess | None = None
    cut: Cut = WHOLE

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

    def laid(self) -> Laid | None:
        """The map over the anatomy, as finely as it is drawn; None where the file could not be read.

        Raises:
            ImageError: The file cannot be read any more.
        """
        if self.mammogram is None:
            return None
        heat = self.heat if self.drawn is None else self.drawn
        return laid_over(self._anatomy(self.mammogram), heat, seen=self.mammogram.geometry)

    def _anatomy(self, mammogram: Mammogram) -> Anatomy:
        if self.path is None or self.preprocess is None:
            return anatomy_of(mammogram)
        return read_anatomy(self.path, preprocess=self.preprocess, cut=self.cut)

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
        bundle: One that answers per image or lesion; of lesions each file is a crop, as for `predict_files`. Clinical
            columns that it reads are taken as unknown.
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
            f"{manifest.name}: answers per {manifest.unit}. Use explain_exams, which reads folders of them"
        )
    asked = Asked(method=method, layer=layer, task=task, of=of, settings=settings)
    cut = Cut(is_crop=manifest.unit == "lesion")
    for one in find_pictures(files):
        try:
            mammogram = read_mammogram(one.path, preprocess=manifest.preprocess, is_crop=cut.is_crop)
        except ImageError as error:
            yield Explained(file=one.name, note=str(error), code=error.code)
            continue
        found = map_sample(bundle, [mammogram], asked=asked)
        yield explained_picture(
            found, 0, file=one.name, path=one.path, mammogram=mammogram, preprocess=manifest.preprocess, cut=cut
        )


def explained_picture(
    found: Mapped,
    number: int,
    *,
    file: str,
    path: Path,
    mammogram: Mammogram,
    preprocess: Preprocess,
    cut: Cut = WHOLE,
) -> Explained:
    """One picture of a sample."""
    heat = found.heats[number]
    return Explained(
        file=file,
        mammogram=mammogram,
        scores=found.scores if found.alone is None else found.alone[number],
        heat=heat,
        drawn=found.drawn[number],
        asked=found.asked,
        note="; ".join(found.notes) if heat is not None or found.notes else NOWHERE,
        weight=None if found.weights is None else found.weights[number],
        path=path,
        preprocess=preprocess,
        cut=cut,
    )


def write_explained(
    found: Explained, *, folder: Path, method: Method, number: int | None = None, svg: bool = False
) -> dict[str, Any]:
    """Write the drawing of a map as PNG, and its array on the pixels of the file as `.npy`.

    Args:
        found: The map of one file.
        folder: Where they go, under the name of the file and the method.
        method: That made it.
        number: Goes before the name, for files of equal names.
        svg: Write the drawing as SVG, too.

    Returns:
        `file`, `method`, `scores`, `peak_px`, `peak_mm`, `picture`, `svg` and `array` (names in the folder; None where
        there is no map: no blank picture is written), `note`, `code`.

    Raises:
        StorageError: They cannot be written.
        ImageError: The file was there and cannot be read any more.
    """
    row: dict[str, Any] = {
        name: getattr(found, name) for name in ("file", "scores", "peak_px", "peak_mm", "note", "code")
    }
    row |= {"method": method, "picture": None, "svg": None, "array": None}
    original, laid = found.original, None if found.heat is None else found.laid()
    if laid is None or original is None:
        return row
    name = file_name(found.file, method=method, number=number)
    notes = (found.note,) if found.note else ()
    caption = Caption(method=CALLED[method], scale=scale_words(method, asked=found.asked), notes=notes)
    write_array(folder / f"{name}.npy", original)
    written = write_drawing(overlay(laid, caption=caption), folder=folder, name=name, svg=svg)
    return row | written | {"array": f"{name}.npy"}


def file_name(file: str, *, method: str, number: int | None) -> str:
    """Of what is written about a file, without ending.

    Example:
        >>> file_name("exam/left.dcm", method="rise", number=7)
        '007.exam_left.dcm.rise'
    """
    name = f"{file.replace('/', '_')}.{method}"
    return name if number is None else f"{number:03d}.{name}"


def write_drawing(canvas: Canvas, *, folder: Path, name: str, svg: bool) -> dict[str, str | None]:
    """Write a drawing as PNG, and as SVG where it is wanted.

    Returns:
        `picture` and `svg`: names in the folder.

    Raises:
        StorageError: The file system refused.
    """
    content = canvas_png(canvas)
    with whole_file(folder / f"{name}.png") as temporary:
        temporary.write_bytes(content)
    if svg:
        write_text(folder / f"{name}.svg", canvas_svg(canvas))
    return {"picture": f"{name}.png", "svg": f"{name}.svg" if svg else None}


def write_array(path: Path, values: Float32[np.ndarray, "_ _"]) -> None:
    """Write an array as `.npy`, whole.

    Raises:
        StorageError: The file system refused.
    """
    array = BytesIO()
    np.save(array, values, allow_pickle=False)
    with whole_file(path) as temporary:
        temporary.write_bytes(array.getvalue())
