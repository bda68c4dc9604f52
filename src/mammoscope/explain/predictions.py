"""Maps of a run's clearest hits and errors, as pictures in a folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import polars as pl

from mammoscope.cohort import Input, bags
from mammoscope.errors import BundleError, ImageError, RecipeError, SourceError
from mammoscope.explain.again import Origin, origin_of, read_origin
from mammoscope.explain.anatomy import Anatomy, read_anatomy
from mammoscope.explain.cam import Cam
from mammoscope.explain.canvas import Canvas
from mammoscope.explain.captions import CALLED, scale_words
from mammoscope.explain.chosen import chosen_rows
from mammoscope.explain.exams import answer_words, expected_places
from mammoscope.explain.files import write_drawing
from mammoscope.explain.layers import LAST
from mammoscope.explain.mapped import Asked, Mapped, map_sample
from mammoscope.explain.maps import method_named
from mammoscope.explain.overlay import Caption, overlay
from mammoscope.explain.picture import Laid, laid_over
from mammoscope.explain.question import question_of
from mammoscope.explain.sheet import Hung, exam_sheet
from mammoscope.images import Mammogram
from mammoscope.models import Bundle
from mammoscope.records import Index
from mammoscope.storage import write_text
from mammoscope.vocabulary import Laterality

KNOWN = ("image_id", "patient_id", "laterality", "view", "label", "score", "group", "call", "age_years", "density")
"""Columns of a predictions table that are told of each picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """What does not change from picture to picture."""

    bundle: Bundle
    index: Index
    sample: Input
    pictures: pl.DataFrame | None
    folder: Path
    asked: tuple[Asked, ...]
    svg: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """A picture of a sample, as the network sees it and as it is drawn."""

    origin: Origin
    mammogram: Mammogram
    anatomy: Anatomy


def explain_predictions(
    predictions: pl.DataFrame,
    *,
    bundle: Bundle,
    index: Index,
    folder: Path,
    each: int = 4,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    pictures: pl.DataFrame | None = None,
    svg: bool = False,
) -> list[dict[str, Any]]:
    """Draw maps for the test samples that the model is surest of, right and wrong.

    Args:
        predictions: A run's predictions table.
        bundle: With an operating threshold.
        index: Of the data set; its lesions are outlined where they are located.
        folder: Where the pictures go; `explanations.json` is written beside it.
        each: Samples in each group of `GROUPS`; of several classes samples of each class, half of them errors.
        methods: Some of `METHODS`; a row for each of them.
        layer: For class activation maps, one of `layer_names`.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        pictures: A run's cohort, which says what pictures a breast or exam has; not needed of other samples.
        svg: Write each drawing as SVG, too.

    Returns:
        One row a sample and method: what is known of the sample (`image_id`, `label`, `score`, `group`, ...,
        `threshold`, `lesions`, `chances` of several classes), `method`, `layer`, `asked`, `file`, `svg`, `note`,
        `code`; of a breast or exam `pictures`.

    Raises:
        RecipeError: The bundle of a task of yes or no has no threshold; there is no such method; a sample is several
            pictures, and it is not told which.
        BundleError: There is no such task, class or layer.
        SourceError: Not one of the pictures is there.
        StorageError: A picture cannot be written.
    """
    cams = get_args(Cam)
    asked = [Asked(method=method_named(one), layer=layer if one in cams else None, task=task, of=of) for one in methods]
    question_of(bundle.manifest.tasks, task=task, of=of)  # refused once and not beside every picture
    sample = Input.model_validate(bundle.manifest.recipe.get("input", {}))
    if sample.bags and pictures is None:
        raise RecipeError(
            f"{bundle.manifest.name}: a sample is a whole {sample.unit}, and it is not told which pictures each has. "
            "Give the cohort of the run as pictures"
        )
    chosen = chosen_rows(predictions, bundle=bundle, each=each)
    look = _Look(
        bundle=bundle, index=index, sample=sample, pictures=pictures, folder=folder, asked=tuple(asked), svg=svg
    )
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(chosen.iter_rows(named=True), start=1):
        rows += _explained(row, number, look=look)
    if rows and all(row["code"] == "missing" for row in rows):
        raise SourceError(f"none of {len(rows)} pictures is there. If the data set has moved, name it with --root")
    write_text(folder.parent / "explanations.json", json.dumps(rows, indent=2))
    _tidied(folder, rows)
    return rows


def _tidied(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Take away the numbered drawings of an earlier call that no row names."""
    named = {row[key] for row in rows for key in ("file", "svg")}
    for old in folder.glob("[0-9][0-9]*.*"):
        if old.suffix in {".png", ".svg"} and f"{folder.name}/{old.name}" not in named:
            old.unlink()


def _explained(row: dict[str, Any], number: int, *, look: _Look) -> list[dict[str, Any]]:
    """A row for each method."""
    manifest = look.bundle.manifest
    about = {name: row.get(name) for name in KNOWN} | {"threshold": manifest.threshold}
    if manifest.tasks[0].kind != "binary":
        about["chances"] = {name: row.get(f"score_{name}") for name in manifest.tasks[0].classes}
    blank = about | dict.fromkeys(("file", "svg", "code")) | {"lesions": [], "note": ""}
    try:
        read = _read(row, look)
    except ImageError as error:
        failed = {"note": f"could not be read again: {error}", "code": error.code}
        return [blank | _asked(one, "") | failed for one in look.asked]
    facts = {"lesions": [fact for one in read for fact in _lesion_facts(one)]}
    found = []
    for at, asked in enumerate(look.asked):
        name = f"{number:02d}" if at == 0 else f"{number:02d}-{asked.method}"
        found.append(blank | facts | _drawn(row, read, look=look, asked=asked, name=name))
    return found


def _read(row: dict[str, Any], look: _Look) -> list[_Read]:
    """The pictures of a sample, in the order in which the network reads them."""
    rows, sample = [row], look.sample
    if look.pictures is not None and sample.bags:
        own = look.pictures.filter((pl.col("source") == row["source"]) & (pl.col("sample_id") == row["sample_id"]))
        own = own.filter(pl.col("file").is_not_null()) if "file" in own.columns else own
        rows = own[bags(own, sample.unit)[1][0].tolist()].to_dicts()
        sample = Input()
    found = []
    for one in rows:
        origin = origin_of(one, index=look.index, sample=sample)
        mammogram = read_origin(origin, preprocess=look.bundle.manifest.preprocess)
        anatomy = read_anatomy(
            origin.path,
            preprocess=look.bundle.manifest.preprocess,
            laterality=origin.laterality,
            view=origin.view,
            cut=origin.cut,
        )
        found.append(_Read(origin=origin, mammogram=mammogram, anatomy=anatomy))
    return found


def _drawn(row: dict[str, Any], read: list[_Read], *, look: _Look, asked: Asked, name: str) -> dict[str, Any]:
    """One method's drawing of a sample."""
    manifest, call = look.bundle.manifest, row.get("call")
    if call is not None and asked.of is None and asked.task in {None, manifest.tasks[0].name}:
        asked = replace(asked, of=call)
    clinical = None
    if manifest.clinical is not None:
        clinical = pl.DataFrame({one.column: [row[one.column]] for one in manifest.clinical.columns})
    try:
        mapped = map_sample(look.bundle, [one.mammogram for one in read], asked=asked, clinical=clinical)
        notes = list(mapped.notes)
    except BundleError as error:
        if asked.layer is not None:
            raise
        mapped, notes = None, [str(error)]
    if call is not None and mapped is not None:
        notes.append(f"called {call}; the map is of {mapped.asked}")
    heats = (None,) * len(read) if mapped is None else mapped.drawn
    laid = [
        laid_over(one.anatomy, heat, seen=one.mammogram.geometry, lesions=one.origin.lesions)
        for one, heat in zip(read, heats, strict=True)
    ]
    marked = [note for one in read for note in one.origin.notes]
    caption = _caption(asked, mapped, notes=[*notes, *marked])
    of_bag, views = look.sample.bags, _views(read, mapped)
    canvas = (
        _sheet(row, read, laid, mapped, look=look, caption=caption) if of_bag else overlay(laid[0], caption=caption)
    )
    written = write_drawing(canvas, folder=look.folder, name=name, svg=look.svg)
    files = {"file": written["picture"], "svg": written["svg"]}
    told = {key: None if file is None else f"{look.folder.name}/{file}" for key, file in files.items()}
    notes += ["known lesion outlined"] if any(one.lesions for one in laid) else []
    notes += ["a known lesion lies outside what the network sees"] if any(one.outside for one in laid) else []
    found = _asked(asked, "" if mapped is None else mapped.asked) | told | {"note": "; ".join([*notes, *marked])}
    return found | {"pictures": views} if of_bag else found


def _sheet(
    row: dict[str, Any],
    read: list[_Read],
    laid: list[Laid],
    mapped: Mapped | None,
    *,
    look: _Look,
    caption: Caption,
) -> Canvas:
    """All pictures of a breast or exam."""
    hung = [
        Hung(laid=over, score=view["score"], weight=view["weight"], name=one.origin.path.name)
        for one, over, view in zip(read, laid, _views(read, mapped), strict=True)
    ]
    manifest, unit = look.bundle.manifest, look.sample.unit
    said = "" if mapped is None else f": {answer_words(manifest, mapped.scores, asked=mapped.asked)}"
    side = Laterality(row["laterality"]) if unit == "breast" and row["laterality"] else None
    return exam_sheet(
        hung,
        expected=expected_places(unit, side),
        headline=f"{row['image_id']}{said}",
        caption=caption,
        whole=unit,
    )


def _views(read: list[_Read], mapped: Mapped | None) -> list[dict[str, Any]]:
    """What is told of each picture of a breast or exam."""
    found = []
    for number, one in enumerate(read):
        about: dict[str, Any] = {
            "laterality": one.anatomy.laterality,
            "view": one.anatomy.view,
            "score": None,
            "weight": None,
        }
        if mapped is not None and mapped.alone is not None and mapped.weights is not None:
            about |= {"score": mapped.alone[number][mapped.shown], "weight": mapped.weights[number]}
        found.append(about)
    return found


def _caption(asked: Asked, mapped: Mapped | None, *, notes: list[str]) -> Caption:
    by = method_named(asked.method)
    scale = scale_words(by, asked="the class" if mapped is None else mapped.asked)
    return Caption(method=CALLED[by], scale=scale, notes=tuple(dict.fromkeys(notes)))


def _asked(asked: Asked, words: str) -> dict[str, Any]:
    layer = (asked.layer or LAST) if asked.method in get_args(Cam) else None
    return {"method": CALLED[asked.method], "layer": layer, "asked": words}


def _lesion_facts(read: _Read) -> list[dict[str, Any]]:
    """Kind, finding and size of the known lesions of a picture."""
    found = []
    spacing = read.mammogram.geometry.original_spacing_mm
    for record in read.origin.records:
        if record["lesion_id"] is None and record["lesion_kind"] is None and record["pathology"] is None:
            continue
        about = {name: record[name] for name in ("lesion_id", "lesion_kind", "pathology", "malignant")}
        found.append(about | {"mm": None})
    boxes = [one.max(axis=0) - one.min(axis=0) for one in read.origin.lesions]
    if spacing is not None and len(boxes) == len(found):
        for fact, (width, height) in zip(found, boxes, strict=True):
            fact["mm"] = round(max(float(width) * spacing[1], float(height) * spacing[0]), 1)
    return found
