"""Folders to maps with a bundle that answers per breast or exam: a map of each picture, and what each counts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammoscope.errors import BundleError, ImageError
from mammoscope.explain.captions import CALLED, scale_words
from mammoscope.explain.files import Explained, explained_picture, file_name, write_array, write_drawing
from mammoscope.explain.mapped import Asked, map_sample
from mammoscope.explain.maps import MapSettings, Method
from mammoscope.explain.overlay import Caption
from mammoscope.explain.sheet import USUAL, Hung, Place, exam_sheet
from mammoscope.images import Mammogram, read_mammogram
from mammoscope.images.folder import Found, find_pictures
from mammoscope.images.mammogram import several_people
from mammoscope.models import Bundle, Manifest
from mammoscope.vocabulary import Laterality


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedExam:
    """The answer to a breast or exam, and the map of each of its pictures.

    Attributes:
        name: Of the folder that holds its pictures.
        unit: What it is, `breast` or `exam`.
        laterality: Of a breast.
        pictures: In the order of the files.
        scores: Probability of each class of the task that was asked about.
        asked: The class that the maps are of, in words.
        shown: The class whose probability is shown beside a picture.
        headline: The answer in words.
        notes: What must be known to read the maps.
    """

    name: str
    unit: str
    laterality: Laterality | None
    pictures: tuple[Explained, ...]
    scores: dict[str, float]
    asked: str
    shown: str
    headline: str
    notes: tuple[str, ...] = ()


def explain_exams(
    bundle: Bundle,
    files: Iterable[Path],
    *,
    method: str = "grad-cam",
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    settings: MapSettings | None = None,
) -> Iterator[ExplainedExam | Explained]:
    """Map what a bundle saw in breasts or exams: the mammograms of one exam lie in one folder, as for `predict_files`.

    Args:
        bundle: One that answers per breast or exam. Clinical columns that it reads are taken as unknown.
        files: Files of any name; in folders, those that `find_pictures` finds.
        method: One of `METHODS`.
        layer: For a class activation map, one of `layer_names`.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        settings: Of the method.

    Returns:
        One for each breast or exam. Of a file that could not be read, before it, `code` and `note`.

    Raises:
        RecipeError: There is no such method.
        BundleError: It answers per image; the method is not defined for it; there is no such layer or class.
        SourceError: A folder holds no mammogram.
    """
    manifest = bundle.manifest
    if not manifest.design.bags:
        raise BundleError(f"{manifest.name}: answers per {manifest.unit}. Use explain_files")
    asked = Asked(method=method, layer=layer, task=task, of=of, settings=settings)
    folders: dict[Path, list[Found]] = {}
    for one in find_pictures(files):
        folders.setdefault(one.path.parent, []).append(one)
    for folder, found in folders.items():
        sides: dict[Laterality | None, list[tuple[Found, Mammogram]]] = {}
        for one in found:
            try:
                mammogram = read_mammogram(one.path, preprocess=manifest.preprocess)
            except ImageError as error:
                yield Explained(file=one.name, note=str(error), code=error.code)
                continue
            sides.setdefault(mammogram.laterality if manifest.unit == "breast" else None, []).append((one, mammogram))
        for side, pictures in sides.items():
            yield _explained(bundle, pictures, name=folder.resolve().name, side=side, asked=asked)


def _explained(
    bundle: Bundle, pictures: Sequence[tuple[Found, Mammogram]], *, name: str, side: Laterality | None, asked: Asked
) -> ExplainedExam:
    found = map_sample(bundle, [mammogram for _, mammogram in pictures], asked=asked)
    told = [
        explained_picture(
            found, number, file=one.name, path=one.path, mammogram=mammogram, preprocess=bundle.manifest.preprocess
        )
        for number, (one, mammogram) in enumerate(pictures)
    ]
    why = several_people(mammogram for _, mammogram in pictures)
    called = f"{name}, {side} breast" if side is not None else name
    return ExplainedExam(
        name=name,
        unit=bundle.manifest.unit,
        laterality=side,
        pictures=tuple(told),
        scores=found.scores,
        asked=found.asked,
        shown=found.shown,
        headline=f"{called}: {answer_words(bundle.manifest, found.scores, asked=found.asked, task=asked.task)}",
        notes=(*found.notes, *(() if why is None else (why,))),
    )


def answer_words(manifest: Manifest, scores: dict[str, float], *, asked: str, task: str | None = None) -> str:
    """An answer in words: the score of the class that was asked about, of yes or no with the threshold.

    Args:
        manifest: Of the bundle.
        scores: Probability of each class.
        asked: The class in words.
        task: That was asked about; the main one if None.

    Returns:
        Such as `malignant 0.71, at or above the threshold 0.55`.
    """
    main = manifest.tasks[0]
    if main.kind == "binary" and task in {None, main.name}:
        score, least = scores[main.classes[1]], manifest.threshold
        digits = 2 if least is None or f"{score:.2f}" != f"{least:.2f}" else 4  # so that they do not look alike
        called = main.name if main.classes == ("no", "yes") else f"{main.name} {main.classes[1]}"
        if least is None:
            return f"{called} {score:.2f}, no threshold"
        where = "at or above" if score >= least else "below"
        return f"{called} {score:.{digits}f}, {where} the threshold {least:.{digits}f}"
    named = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
    return f"{named}; the maps are of {asked}"


def expected_places(unit: str, side: Laterality | None) -> list[Place]:
    """Side and view of the pictures that a whole breast or exam has.

    Example:
        >>> [" ".join(place) for place in expected_places("breast", Laterality.LEFT)]
        ['L CC', 'L MLO']
    """
    if unit == "exam":
        return list(USUAL)
    return [place for place in USUAL if place[0] is side]


def write_exam(
    found: ExplainedExam, *, folder: Path, method: Method, number: int | None = None, svg: bool = False
) -> dict[str, Any]:
    """Write the sheet of a breast or exam as PNG, and the array of each map on the pixels of its file as `.npy`.

    Args:
        found: What `explain_exams` gave.
        folder: Where they go, under the name of the exam and the method.
        method: That made the maps.
        number: Goes before the name, for folders of equal names.
        svg: Write the sheet as SVG, too.

    Returns:
        `file` (name of the exam), `laterality`, `scores`, `method`, `picture` and `svg` (names in the folder), `note`,
        `code` (None), and `pictures`: of each `file`, `laterality`, `view`, `scores` (alone), `weight`, `peak_px`,
        `peak_mm`, `array` and `note`.

    Raises:
        StorageError: They cannot be written.
        ImageError: A file was there and cannot be read any more.
    """
    hung, rows = [], []
    for one in found.pictures:
        laid = one.laid()
        if laid is None or one.mammogram is None:
            continue
        hung.append(
            Hung(
                laid=laid,
                score=None if one.scores is None else one.scores[found.shown],
                weight=one.weight,
                name=one.file,
            )
        )
        original, array = one.original, None
        if original is not None:
            array = f"{file_name(one.file, method=method, number=number)}.npy"
            write_array(folder / array, original)
        about = {name: getattr(one, name) for name in ("file", "scores", "weight", "peak_px", "peak_mm", "note")}
        rows.append(about | {"laterality": one.mammogram.laterality, "view": one.mammogram.view, "array": array})
    caption = Caption(method=CALLED[method], scale=scale_words(method, asked=found.asked), notes=found.notes)
    sheet = exam_sheet(
        hung,
        expected=expected_places(found.unit, found.laterality),
        headline=found.headline,
        caption=caption,
        whole=found.unit,
    )
    name = file_name(
        found.name if found.laterality is None else f"{found.name}_{found.laterality}", method=method, number=number
    )
    written = write_drawing(sheet, folder=folder, name=name, svg=svg)
    about = {"file": found.name, "laterality": found.laterality, "scores": found.scores, "method": method}
    return about | written | {"note": "; ".join(found.notes), "code": None, "pictures": rows}
