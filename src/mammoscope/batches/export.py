"""Class folders of grey PNG for other programs: train/0_not_malignant/a.png, as flow-from-directory readers expect."""

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mammoscope import __version__
from mammoscope.batches.cache import Progress, prepare
from mammoscope.cohort import RatioSplit, split
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images import PIXELS_VERSION, Preprocess
from mammoscope.images.cached import load_prepared
from mammoscope.images.grey import Grey, full_scale
from mammoscope.records import Index, image_table
from mammoscope.storage import whole_file, write_text
from mammoscope.vocabulary import LesionKind, Part, View

FILE = "export.json"
KEY = "mammoscope"
"""Text chunk of each PNG: which prepared picture it was made from."""

IMAGE = ["source", "image_id"]
THREADS = 4  # that write; the encoder leaves the interpreter free
SAFE = re.compile(r"[^A-Za-z0-9._-]+")
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
MALIGNANT_FOLDERS = {True: "1_malignant", False: "0_not_malignant"}
"""Programs number class folders by name: these give malignant the number 1."""


class Export(BaseModel):
    """What decides an export.

    Attributes:
        ratio: Shares of the patients in the three folders.
        names: Names of the three folders: train, tune, test.
        views: Only images of these views; all if None.
        kind: Only images with a finding of this kind; all if None.
        by: What the class folders are: `malignant` or not, or the density A to D.
        preprocess: What decides the pixels.
        bits: Of a pixel of the PNG.
        seed: Of the split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ratio: RatioSplit = RatioSplit(train=0.7, tune=0.2, test=0.1)
    names: tuple[FolderName, FolderName, FolderName] = ("train", "test", "hold-out")
    views: tuple[View, ...] | None = None
    kind: LesionKind | None = None
    by: Literal["malignant", "density"] = "malignant"
    preprocess: Preprocess = Preprocess()
    bits: Literal[8, 16] = 8
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _apart(self) -> "Export":
        if len({name.casefold() for name in self.names}) < len(self.names):
            raise ValueError(f"three different folder names are needed, got {', '.join(self.names)}")
        return self

    @property
    def folder_of(self) -> dict[str, str]:
        """Folder of each part."""
        return dict(zip((Part.TRAIN.value, Part.TUNE.value, Part.TEST.value), self.names, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export left.

    Attributes:
        counts: Pictures by folder and class.
        patients: Patients by folder.
        failed: source, image_id, code and message of each image that could not be read.
        left_out: Why images of the index take no part, and how many.
        fingerprint: Of the split.
        notes: What a user of the folders must know.
    """

    counts: dict[str, dict[str, int]]
    patients: dict[str, int]
    failed: list[dict[str, str]]
    left_out: dict[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()


def export_folders(
    index: Index,
    *,
    out: Path,
    cache: Path,
    export: Export | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the pictures of an index as `<part>/<class>/<image>.png`, divided by patient.

    Every picture takes the path of training: prepared in a cache, then rounded to the bits asked for. A picture that
    is already there and was made from the same prepared picture is kept, so an interrupted export goes on where it
    stopped. `export.json` says how each file came about; it is marked complete when all are written.

    Args:
        index: The data set.
        out: Folder to make, or that of the same export to go on with.
        cache: Folder of prepared pictures.
        export: What decides the export; the defaults if None.
        workers: Processes that read images; one per processor when not given.
        progress: Told after each file.

    Returns:
        Counts, and the images that could not be read.

    Raises:
        SourceError: No image is left, or the patients cannot be divided so.
        RecipeError: The folder holds another export, or other files.
        StorageError: The file system refused.
    """
    wanted = export or Export()
    images, left_out, notes = _chosen(index, wanted)
    made = split(images, wanted.ratio, seed=wanted.seed, label=wanted.by)
    plan = {
        "mammoscope": __version__,
        "settings": wanted.model_dump(mode="json") | {"pixels_version": PIXELS_VERSION},
        "fingerprint": made.fingerprint,
    }
    _claim(out, plan)
    ready = prepare(
        images, roots=index.roots, preprocess=wanted.preprocess, folder=cache, workers=workers, progress=progress
    )
    parts = made.images.select(*IMAGE, "part")
    rows = images.join(parts, on=IMAGE, how="left", maintain_order="left").join(
        ready, on=IMAGE, how="left", maintain_order="left"
    )
    files, failed = _files(rows, wanted), rows.filter(pl.col("code").is_not_null())
    _write_all(files, out=out, cache=cache, bits=wanted.bits)
    written = [row for row in files if row.pop("prepared") is not None]
    done = Exported(
        counts=_counts(written, wanted),
        patients={
            name: len({(r["source"], r["patient_id"]) for r in written if r["part"] == name}) for name in wanted.names
        },
        failed=failed.select(*IMAGE, "code", "message").to_dicts(),
        left_out=left_out,
        fingerprint=made.fingerprint,
        notes=(*made.notes, *notes),
    )
    write_text(out / FILE, json.dumps(plan | {"complete": True} | asdict(done) | {"files": written}, indent=1))
    return done


def _chosen(index: Index, wanted: Export) -> tuple[pl.DataFrame, dict[str, int], list[str]]:
    """The images that take part, why others do not, and what is to be known of them."""
    images, left_out, notes = image_table(index), dict[str, int](), list[str]()
    steps: list[tuple[str, pl.Expr]] = []
    if wanted.views is not None:
        views = [view.value for view in wanted.views]
        steps.append((f"not of view {', '.join(views)}", pl.col("view").cast(pl.String).is_in(views)))
    if wanted.kind is not None:
        of_kind = index.table.filter(pl.col("lesion_kind").cast(pl.String) == wanted.kind.value)
        keys = of_kind.select(pl.struct(IMAGE)).to_series()
        steps.append((f"without a {wanted.kind.value}", pl.struct(IMAGE).is_in(keys.implode())))
        notes += _by_another_kind(of_kind, images, wanted)
    steps.append(
        (f"without a known {'label' if wanted.by == 'malignant' else wanted.by}", pl.col(wanted.by).is_not_null())
    )
    for why, keep in steps:
        kept = images.filter(keep.fill_null(value=False))
        left_out[why], images = images.height - kept.height, kept
    if images.is_empty():
        reasons = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
        raise SourceError(f"export: no image is left ({reasons}). Choose other views, another kind or other classes")
    return images, left_out, notes


def _by_another_kind(of_kind: pl.DataFrame, images: pl.DataFrame, wanted: Export) -> list[str]:
    """An image is malignant if any finding is: say how often that is one of another kind."""
    own = of_kind.group_by(IMAGE).agg(pl.col("malignant").any(ignore_nulls=True).alias("own"))
    both = images.filter(pl.col("malignant")).join(own, on=IMAGE, how="inner")
    count = both.filter(~pl.col("own")).height
    if not count or wanted.by != "malignant" or wanted.kind is None:
        return []
    return [f"{count} images with a {wanted.kind.value} are malignant through a finding of another kind"]


def _claim(out: Path, plan: dict[str, Any]) -> None:
    """Make the folder this export's, or refuse; take away what a killed run left half written."""
    file = out / FILE
    if file.is_file():
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict) or {key: found.get(key) for key in plan} != plan:
            raise RecipeError(
                f"{out.name}: holds an export of other settings, other data or another version. "
                "Choose another --out, or delete this folder"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise RecipeError(f"{out.name}: is not empty and holds no {FILE}. Choose another --out")
    for leftover in out.glob("*/*/.*.png"):
        leftover.unlink()
    write_text(file, json.dumps(plan | {"complete": False}, indent=1))


def _files(rows: pl.DataFrame, wanted: Export) -> list[dict[str, Any]]:
    """Where each picture goes, and from which prepared one it is made: None if it could not be read."""
    stems = _stems(rows)
    files = []
    for row, stem in zip(rows.iter_rows(named=True), stems, strict=True):
        value = row[wanted.by]
        name = MALIGNANT_FOLDERS[value] if wanted.by == "malignant" else str(value)
        part = wanted.folder_of[row["part"]]
        about = {key: row[key] for key in ("source", "image_id", "patient_id")}
        files.append(
            {"file": f"{part}/{name}/{stem}.png", **about, "part": part, "class": name, "prepared": row["file"]}
        )
    return files


def _stems(rows: pl.DataFrame) -> list[str]:
    """File names that differ on every file system, whatever the image ids hold."""
    several = rows["source"].n_unique() > 1
    names = [f"{source}_{image}" if several else str(image) for source, image in rows.select(IMAGE).iter_rows()]
    safe = [SAFE.sub("_", name).strip(".") or "image" for name in names]
    often = Counter(name.casefold() for name in safe)
    return [
        f"{name}-{sha256(f'{source}/{image}'.encode()).hexdigest()[:8]}" if often[name.casefold()] > 1 else name
        for name, (source, image) in zip(safe, rows.select(IMAGE).iter_rows(), strict=True)
    ]


def _write_all(files: list[dict[str, Any]], *, out: Path, cache: Path, bits: int) -> None:
    """Write what is not there yet; a picture that could not be read this time is not left from another time."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda row: _write_one(row, out=out, cache=cache, bits=bits), files):
            pass


def _write_one(row: dict[str, Any], *, out: Path, cache: Path, bits: int) -> None:
    file = out / row["file"]
    if row["prepared"] is None:
        file.unlink(missing_ok=True)
        return
    key = f"{Path(row['prepared']).stem} {bits} bit"
    if _key_of(file) == key:
        return
    grey = load_prepared(cache / row["prepared"])
    about = PngImagePlugin.PngInfo()
    about.add_text(KEY, key)
    with whole_file(file) as temporary:
        Image.fromarray(_of_bits(grey, bits)).save(temporary, format="PNG", pnginfo=about)


def _key_of(file: Path) -> str | None:
    """What a PNG was made from; None if it is not there or was not made here."""
    try:
        with Image.open(file, formats=("PNG",)) as image:
            found = image.info.get(KEY)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError):
        return None
    return found if isinstance(found, str) else None


def _of_bits(grey: Grey, bits: int) -> Grey:
    dtype = np.uint8 if bits == 8 else np.uint16
    if grey.dtype == dtype:
        return grey
    shown: Grey = np.rint(grey * np.float32(np.iinfo(dtype).max / full_scale(grey))).astype(dtype)
    return shown


def _counts(written: list[dict[str, Any]], wanted: Export) -> dict[str, dict[str, int]]:
    classes = sorted({row["class"] for row in written})
    found = Counter((row["part"], row["class"]) for row in written)
    return {name: {one: found[name, one] for one in classes} for name in wanted.names}
