"""Patches of prepared pictures: around lesions, and of background in the same pictures, drawn anew each epoch."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, floor, sqrt
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field

from mammoscope.batches.loading import Batch
from mammoscope.batches.places import BOX, lesion_places
from mammoscope.cohort import Input, unit_rows
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images.cached import geometry_of, load_prepared
from mammoscope.images.grey import full_scale
from mammoscope.records import Index, image_table

IMAGE = ["source", "image_id"]
LEAST_GREY = 0.02  # of full scale: what is darker is no tissue
UNKNOWN = -1


class PatchSettings(BaseModel):
    """How patches are drawn.

    Attributes:
        patch_px: Their height and width, in pixels of the prepared picture.
        each: So many around each lesion in an epoch, and as many of background in the same picture.
        overlap: Least share of the largest possible overlap of patch and lesion; 1 moves a patch as far as none of it
            is lost.
        tissue: Least share of a background patch that is not black.

    Source:
        Shen et al., Scientific Reports 9:12495 (2019): ten patches a lesion with an overlap of 0.9, and as many of
        background.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    patch_px: int = Field(default=224, ge=16, le=2048, description="height and width in the prepared picture")
    each: int = Field(default=10, ge=1, description="patches around each lesion in an epoch, and of background")
    overlap: float = Field(default=0.9, gt=0, le=1, description="least share of the lesion, or of the patch, in common")
    tissue: float = Field(default=0.5, ge=0, le=1, description="least share of a background patch that is not black")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patches:
    """What patches are drawn from.

    Attributes:
        files: Prepared pictures with a lesion, all of whose lesions have a place.
        boxes: Of their lesions, in prepared pixels.
        pictures: Number of each lesion's picture.
        labels: Number of each lesion's class; -1 where it is unknown: it is not shown, and not taken for background.
        places: Of each picture, rows and columns of the top left corners of background patches.
        shape: Rows and columns of each picture.
        settings: How they are drawn.
        bare: Pictures without room for a background patch.
        unlocated: Pictures left out because some lesion on them has no place.
    """

    files: list[Path]
    boxes: Float[np.ndarray, "lesions 4"]
    pictures: Int[np.ndarray, " lesions"]
    labels: Int[np.ndarray, " lesions"]
    places: list[Int[np.ndarray, "_ 2"]]
    shape: tuple[int, int]
    settings: PatchSettings
    bare: int = 0
    unlocated: int = 0

    @property
    def shown(self) -> Int[np.ndarray, " shown"]:
        """Numbers of the lesions of a known class."""
        return np.flatnonzero(self.labels != UNKNOWN)

    @property
    def samples(self) -> Int[np.ndarray, "samples 2"]:
        """The patches of an epoch: number of the lesion, or -1 for background; and number of the picture."""
        around = np.repeat(self.shown, self.settings.each)
        pictures = self.pictures[around]
        room = np.array([len(self.places[picture]) > 0 for picture in pictures], dtype=bool)
        background = pictures[room]
        lesions = np.concatenate([around, np.full(len(background), -1)])
        return np.stack([lesions, np.concatenate([pictures, background])], axis=1)

    def __len__(self) -> int:
        return len(self.samples)


def patch_table(
    cohort: pl.DataFrame, *, index: Index, cache: Path, workers: int | None = None
) -> tuple[pl.DataFrame, int]:
    """Where the lesions of a cohort lie in its prepared pictures.

    Args:
        cohort: Rows that are pictures, with `file`; those that could not be prepared are passed over.
        index: Whose records have the lesions.
        cache: Folder of the prepared pictures, and of the boxes of masks.
        workers: Processes that read masks; see `lesion_places`.

    Returns:
        One row a lesion: source, image_id, file, lesion_id, lesion_kind, malignant, and x0, y0, x1, y1 in prepared
        pixels, within the picture. And the number of pictures that were left out because a lesion on them has no
        place, or one outside what was prepared.

    Raises:
        RecipeError: The rows are lesions.
        StorageError: The cache was prepared by an earlier version.
    """
    if "picture_id" in cohort.columns:
        raise RecipeError("patches are cut from whole pictures, and the samples are lesions. Set unit = 'image'")
    ready = cohort.filter(pl.col("file").is_not_null())
    records = index.table.filter(pl.col("lesion_id").is_not_null()).join(ready.select(IMAGE), on=IMAGE, how="semi")
    images = image_table(Index(table=records, roots=index.roots))
    lesions, _ = unit_rows(images, records=records, settings=Input(unit="lesion"))
    found = lesion_places(lesions, roots=index.roots, folder=cache, workers=workers)
    named = lesions.drop("image_id", *BOX).rename({"picture_id": "image_id"}).hstack(found)
    named = named.filter(pl.col(BOX[0]).is_not_null()).join(ready.select(*IMAGE, "file"), on=IMAGE)
    boxed = named.hstack(_prepared_boxes(named, cache)).filter(
        (pl.col("x1") > pl.col("x0")) & (pl.col("y1") > pl.col("y0"))
    )
    listed = records.group_by(IMAGE).agg(pl.len().alias("listed"))
    counts = boxed.group_by(IMAGE).agg(pl.len().alias("located"))
    whole = listed.join(counts, on=IMAGE, how="left").filter(pl.col("listed") == pl.col("located"))
    kept = boxed.join(whole.select(IMAGE), on=IMAGE, how="semi", maintain_order="left")
    columns = (*IMAGE, "file", "lesion_id", "lesion_kind", "malignant", "x0", "y0", "x1", "y1")
    return kept.select(columns), listed.height - whole.height


def _prepared_boxes(lesions: pl.DataFrame, cache: Path) -> pl.DataFrame:
    rows = []
    for file, *box in lesions.select("file", *BOX).iter_rows():
        geometry = geometry_of(cache / file)
        x0, y0, x1, y1 = geometry.box_to_final((box[0], box[1], box[2], box[3]))
        height, width = geometry.shape
        rows.append((max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)))
    return pl.DataFrame(rows, schema=dict.fromkeys(("x0", "y0", "x1", "y1"), pl.Float64), orient="row")


def patches_of(
    lesions: pl.DataFrame, *, cache: Path, classes: Sequence[str], settings: PatchSettings, unlocated: int = 0
) -> Patches:
    """Look through the pictures of lesions for places of background.

    Args:
        lesions: The table of `patch_table`, or rows of whole pictures of it.
        cache: Folder of the prepared pictures.
        classes: `background` first; then benign and malignant, or these two of a kind, as `malignant mass`.
        settings: How patches are drawn.
        unlocated: As `patch_table` gave it, for the record.

    Raises:
        SourceError: No lesion has a place and a known class.
        RecipeError: A patch is larger than the prepared pictures.
    """
    table = lesions.with_columns(pl.col("file").rank("dense").alias("_picture") - 1).sort("_picture", "lesion_id")
    files = [cache / file for file in table["file"].unique().sort()]
    boxes = table.select("x0", "y0", "x1", "y1").to_numpy().reshape(-1, 4)
    pictures = table["_picture"].cast(pl.Int64).to_numpy()
    codes = {name: number for number, name in enumerate(classes)}
    labels = np.array(
        [_class(row, codes) for row in table.select("malignant", "lesion_kind").iter_rows()], dtype=np.int64
    )
    if not (labels != UNKNOWN).any():
        raise SourceError(
            f"patches: none of {table.height} lesions with a place is one of {', '.join(classes[1:])}. "
            "Take a data set that locates its lesions, or leave out the stage on patches"
        )
    places = [_places(file, boxes[pictures == number], settings) for number, file in enumerate(files)]
    return Patches(
        files=files,
        boxes=boxes,
        pictures=pictures,
        labels=labels,
        places=places,
        shape=_shape(files[0]),
        settings=settings,
        bare=sum(len(one) == 0 for one in places),
        unlocated=unlocated,
    )


def _class(row: tuple[bool | None, str | None], codes: dict[str, int]) -> int:
    malignant, kind = row
    if malignant is None:
        return UNKNOWN
    what = "malignant" if malignant else "benign"
    return codes.get(what, codes.get(f"{what} {kind}", UNKNOWN))


def _places(file: Path, boxes: Float[np.ndarray, "lesions 4"], settings: PatchSettings) -> Int[np.ndarray, "places 2"]:
    """Top left corners, a quarter of a patch apart, of patches that show tissue and no lesion."""
    grey, side = load_prepared(file, mapped=True), settings.patch_px
    if side > min(grey.shape):
        raise RecipeError(
            f"patch_px is {side}, and the prepared pictures are {grey.shape[0]} x {grey.shape[1]}. "
            "Make patch_px smaller, or rows and cols of [preprocess] larger"
        )
    step = max(1, side // 4)
    y, x = np.meshgrid(
        np.arange(0, grey.shape[0] - side + 1, step), np.arange(0, grey.shape[1] - side + 1, step), indexing="ij"
    )
    sums = cv2.integral((grey >= LEAST_GREY * full_scale(grey)).astype(np.uint8))
    shown = sums[y + side, x + side] - sums[y, x + side] - sums[y + side, x] + sums[y, x]
    fits = shown >= settings.tissue * side * side
    for box in boxes:
        fits &= ~_meets(y, x, side, box)
    return np.stack([y[fits], x[fits]], axis=1).astype(np.int64)


def _shape(file: Path) -> tuple[int, int]:
    rows, cols = load_prepared(file, mapped=True).shape
    return rows, cols


def _meets(
    y: Int[np.ndarray, "..."], x: Int[np.ndarray, "..."], side: int, box: Float[np.ndarray, " 4"]
) -> Bool[np.ndarray, "..."]:
    """Whether patches at these corners have a pixel of the box."""
    x0, y0, x1, y1 = box
    meets: Bool[np.ndarray, "..."] = (x < x1) & (x + side > x0) & (y < y1) & (y + side > y0)
    return meets


def patch_corner(patches: Patches, sample: int, *, seed: int, epoch: int) -> tuple[int, int]:
    """Row and column of the top left corner of one patch of an epoch: a pure function of its number, seed and epoch."""
    lesion, picture = patches.samples[sample].tolist()
    return _corner(patches, lesion, picture, _draw(seed, epoch, sample))


def _draw(seed: int, epoch: int, sample: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, sample + 1))  # (seed, epoch) and (seed, epoch, 0) are one stream


def _corner(patches: Patches, lesion: int, picture: int, draw: np.random.Generator) -> tuple[int, int]:
    shape, side = patches.shape, patches.settings.patch_px
    if lesion >= 0:
        x0, y0, x1, y1 = patches.boxes[lesion].tolist()
        share = sqrt(patches.settings.overlap)
        return _start(y0, y1, side, share, shape[0], draw), _start(x0, x1, side, share, shape[1], draw)
    y, x = patches.places[picture][draw.integers(len(patches.places[picture]))].tolist()
    far = side // 8
    moved = np.clip(np.array([y, x]) + draw.integers(-far, far + 1, size=2), 0, np.array(shape) - side)
    near = patches.boxes[patches.pictures == picture]
    clear = not any(_meets(moved[:1], moved[1:], side, box).any() for box in near)
    return (int(moved[0]), int(moved[1])) if clear else (y, x)


def _start(first: float, last: float, side: int, share: float, end: int, draw: np.random.Generator) -> int:
    """Where a patch begins along one axis, so that it holds at least a share of what it could of the lesion."""
    least = share * min(side, last - first)
    low, high = ceil(first + least - side), floor(last - least)
    start = int(draw.integers(low, high + 1)) if low <= high else round((first + last - side) / 2)
    return min(max(0, start), end - side)


def patch_batches(patches: Patches, *, seed: int, epoch: int, batch_size: int) -> Iterator[Batch]:
    """The patches of an epoch in a random order, read a step ahead of the caller.

    Args:
        patches: From `patches_of`.
        seed: Of the run.
        epoch: Of the run; another one draws other patches. Those to tune on are drawn with one that stays the same.
        batch_size: Patches in a step.

    Returns:
        Batches with one column of labels, numbers of the classes; `samples` are the numbers of the patches in the
        epoch, and `pictures` those of their pictures.
    """
    samples = patches.samples
    order = np.random.default_rng((seed, epoch)).permutation(len(samples))
    steps = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    with ThreadPoolExecutor(1) as reader:
        ahead = None
        for rows in steps:
            following = reader.submit(_read, patches, samples, rows, seed, epoch)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()


def _read(patches: Patches, samples: np.ndarray, rows: np.ndarray, seed: int, epoch: int) -> Batch:
    side = patches.settings.patch_px
    cut = np.empty((len(rows), 1, side, side), dtype=np.float32)
    for at, number in enumerate(rows.tolist()):
        lesion, picture = samples[number].tolist()
        y, x = _corner(patches, lesion, picture, _draw(seed, epoch, number))
        grey = load_prepared(patches.files[picture], mapped=True)
        cut[at, 0] = grey[y : y + side, x : x + side].astype(np.float32) / full_scale(grey)
    lesions, pictures = samples[rows].T
    labels = np.where(lesions >= 0, patches.labels[lesions], 0)
    return Batch(
        pixels=torch.from_numpy(cut), labels=torch.from_numpy(labels[:, None]), samples=rows, pictures=pictures
    )
