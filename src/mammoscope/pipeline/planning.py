"""A first recipe for a data set and a machine: every value with the reason for it."""

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mammoscope.cohort import Input, auc_half_width, image_sizes, unit_rows
from mammoscope.cohort.lesion_sizes import sized_lesions
from mammoscope.errors import RecipeError, SourceError
from mammoscope.pipeline.lesions import is_placed
from mammoscope.pipeline.pace import Machine, Pace, machine_here, measured_pace
from mammoscope.records import Index, image_table

if TYPE_CHECKING:
    from mammoscope.training import Recipe

STEP_PX = 32  # networks halve a picture five times
LEAST, MOST = 224, 2048  # rows
ASSUMED_MM = 5.0  # a lesion, where the data set locates none: the upper end of T1a
ASSUMED_HEIGHT_MM = 240.0  # a picture, where no header states a spacing: the height of the smaller usual detector
PASSES = 30_000  # pictures seen in all, from random weights
EPOCHS = (6, 40)
FEWEST = 5  # epochs below which smaller pictures are the better saving
RARE, VERY_RARE = 0.35, 0.05
TEST, TUNE = 0.2, 0.15
EXPECTED_AUC = 0.8  # for the width of the interval
MEMORY = 0.5  # of it for activations
WAIT = 4  # epochs of patience, at least
FEW_POSITIVES = 100  # patients: below, one split tells little


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an index says, as far as a plan needs it.

    Attributes:
        source: Of most images.
        others: Further sources.
        images: With a label.
        patients: Of these.
        positives: Malignant images.
        positive_patients: With one.
        official: Whether every image has a part of the data set's own, train and test among them.
        rows: Median height of a picture.
        cols: Median width.
        row_mm: Median height of a pixel; None where no header states it.
        lesions: With a known size.
        lesion_share: A quarter of them are smaller than this share of the picture's longer side; None without any.
        crop: Of what lesions of both labels can be made samples: their place or the data set's crops; None: neither.
        located: Whether a lesion has a place, so that patches can be cut around it.
    """

    source: str
    others: tuple[str, ...]
    images: int
    patients: int
    positives: int
    positive_patients: int
    official: bool
    rows: int
    cols: int
    row_mm: float | None
    lesions: int
    lesion_share: float | None
    crop: Literal["box", "file"] | None
    located: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe, and why it is so.

    Attributes:
        recipe: What is proposed.
        reasons: Dotted place to the reason for its value.
        notes: What to know before running it.
        known: Of the data.
        machine: That it is meant for.
        pace: Of training there.
        hours: Of all epochs at this pace.
    """

    recipe: "Recipe"
    reasons: dict[str, str]
    notes: tuple[str, ...]
    known: Known
    machine: Machine
    pace: Pace
    hours: float

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        facts = {name: asdict(getattr(self, name)) for name in ("known", "machine", "pace")}
        told = {"recipe": self.recipe.model_dump(mode="json"), "reasons": self.reasons, "notes": self.notes, **facts}
        plain: dict[str, Any] = json.loads(json.dumps({**told, "hours": self.hours}, allow_nan=False))
        return plain

    def to_toml(self) -> str:
        """The recipe with a reason on each line."""
        from mammoscope.training.dotted import recipe_toml

        known, machine = self.known, self.machine
        about = f"{known.images:,} images of {known.patients:,} women, {known.positives:,} of them malignant"
        where = machine.gpu or f"{machine.cores} processor cores"
        how = "measured" if self.pace.measured else "reckoned from a larger size"
        header = [
            f"Planned for {about}; {where}.",
            "Run:     mammoscope run <this file> --data <folder> --out <folder>",
            f"Cost:    about {self.hours:.2g} h of training, reading not counted ({how} with random pictures)",
            "Expect:  not measured",
            *(f"Note:    {note}" for note in self.notes),
        ]
        return recipe_toml(self.recipe, header=header, reasons=self.reasons)


def plan(
    index: Index, *, lesion_px: int = 16, hours: float | None = None, device: str = "auto", headers: int = 500
) -> Plan:
    """Propose a recipe for a data set on this machine.

    Args:
        index: The data.
        lesion_px: Pixels that three quarters of the lesions shall have across, at least.
        hours: Limit for training: first epochs are saved, then pixels.
        device: Where it shall train: cpu, cuda, mps, auto.
        headers: Pictures whose header is read, at most.

    Returns:
        The recipe with reasons, and its hours by a few steps on random pictures.

    Raises:
        SourceError: The index has no label of both kinds, or no picture whose header can be read.
        RecipeError: A limit is not a number above 0, or there is no such device.
    """
    from mammoscope.training import Recipe
    from mammoscope.training.dotted import with_values

    if lesion_px < 1 or (hours is not None and not 0 < hours < math.inf):
        raise RecipeError(f"plan: lesion_px and hours must be above 0 and finite, got {lesion_px} and {hours}")
    known = known_of(index, headers=headers)
    machine = machine_here(device)
    fixed = {**_of_data(known), **_of_machine(machine)}
    rows, cols, why = size_for(known, lesion_px=lesion_px)
    first = Recipe(name=f"{known.source.replace('_', '-')}-planned", source=known.source)
    sized = {"preprocess.rows": rows, "preprocess.cols": cols}
    pace = measured_pace(
        with_values(first, {**{key: one for key, (one, _) in fixed.items()}, **sized}), machine=machine
    )
    pictures = round(known.images * (1 - TEST) * (1 - TUNE))
    epochs, fewer, saving = within(hours, rows=rows, pictures=pictures, seconds=pace.seconds_per_picture)
    if fewer < rows:
        rows, cols, why = fewer, stepped(cols * fewer / rows), f"{why}; reduced to end within {hours:g} h"
        pace = pace.at(rows=rows, cols=cols)
    chosen = fixed | {
        "preprocess.rows": (rows, why),
        "preprocess.cols": (cols, f"the shape of most pictures, {known.rows} x {known.cols}"),
        "training.batch_size": _batch(pace, machine, pictures=pictures),
        "training.patience": _patience(epochs),
        "stages.0.epochs": (epochs, f"{epochs * pictures:,} pictures seen in all, {saving}"),
    }
    needed = epochs * pictures * pace.seconds_per_picture / 3600
    return Plan(
        recipe=with_values(first, {key: value for key, (value, _) in chosen.items()}),
        reasons={"source": "the data set of the index"} | {key: reason for key, (_, reason) in chosen.items()},
        notes=tuple(_notes(known, rows=rows, cols=cols, lesion_px=lesion_px, hours=hours, needed=needed)),
        known=known,
        machine=machine,
        pace=pace,
        hours=needed,
    )


def known_of(index: Index, *, headers: int = 500) -> Known:
    """What an index and the headers of some of its pictures say.

    Raises:
        SourceError: Images with a label are all of one kind, or there are none; or no header can be read.
    """
    images = image_table(index).filter(pl.col("malignant").is_not_null())
    positive = images.filter(pl.col("malignant"))
    if positive.height in {0, images.height}:
        raise SourceError(
            f"plan: {images.height} images have a label, {positive.height} of them malignant: nothing can be learned. "
            "Index data of both kinds"
        )
    looked = image_sizes(index, limit=headers)
    read = looked.images.filter(pl.col("code").is_null())
    if read.is_empty():
        first = looked.images["message"][0]
        raise SourceError(f"plan: none of {looked.images.height} pictures can be read; the first: {first}")
    lesions = index.table.filter(pl.col("lesion_id").is_not_null()).with_columns(pl.lit("").alias("class"))
    shares = sized_lesions(lesions, sizes=looked)["share"].drop_nulls().to_numpy()
    counts = images["source"].value_counts().sort(["count", "source"], descending=[True, False])
    parts = images["official_part"].cast(pl.String)
    spacing = read["row_mm"].drop_nulls().to_numpy()
    return Known(
        source=counts["source"][0],
        others=tuple(sorted(counts["source"][1:].to_list())),
        images=images.height,
        patients=_people(images),
        positives=positive.height,
        positive_patients=_people(positive),
        official={"train", "test"} <= set(parts.drop_nulls()) and not parts.null_count(),
        rows=round(float(np.median(read["rows"].to_numpy()))),
        cols=round(float(np.median(read["cols"].to_numpy()))),
        row_mm=float(np.median(spacing)) if len(spacing) else None,
        lesions=len(shares),
        lesion_share=float(np.quantile(shares, 0.25)) if len(shares) else None,
        crop=_crop(index),
        located=is_placed(index),
    )


def _crop(index: Index) -> Literal["box", "file"] | None:
    """How lesions of both labels become samples."""
    images, ways = image_table(index), (Input(unit="lesion"), Input(unit="lesion", crop="file"))
    for way in ways:
        rows, _ = unit_rows(images, records=index.table, settings=way)
        if rows["malignant"].drop_nulls().n_unique() == 2:
            return way.crop
    return None


def size_for(known: Known, *, lesion_px: int) -> tuple[int, int, str]:
    """Rows and columns at which three quarters of the lesions have so many pixels across, and why.

    Never more than the pictures have, or 2048; the crop to the breast only makes lesions larger.

    Example:
        >>> known = Known(source="own", others=(), images=9, patients=9, positives=3, positive_patients=3,
        ...     official=False, rows=4000, cols=3000, row_mm=0.07, lesions=100, lesion_share=0.02, crop="box",
        ...     located=True)
        >>> size_for(known, lesion_px=16)[:2]
        (800, 608)
    """
    share, said = smallest(known)
    longer = max(known.rows, known.cols)
    wanted = lesion_px / share * known.rows / longer
    rows = max(LEAST, stepped(min(wanted, known.rows, MOST)))
    why = f"{said}: {lesion_px} px across need {math.ceil(wanted):,} rows"
    if wanted > min(known.rows, MOST):
        why += f", and {'the pictures have' if known.rows <= MOST else 'the limit is'} {min(known.rows, MOST):,}"
    elif wanted < LEAST:
        why += f"; networks want {LEAST}"
    return rows, stepped(rows * known.cols / known.rows), why


def smallest(known: Known) -> tuple[float, str]:
    """Share of the picture's longer side that three quarters of the lesions reach, and how that is known."""
    if known.lesion_share:
        said = f"a quarter of {known.lesions:,} lesions is below {known.lesion_share:.1%} of the longer side"
        return known.lesion_share, said
    height = known.rows * known.row_mm if known.row_mm else ASSUMED_HEIGHT_MM
    taken = f"{height:.0f} mm high" if known.row_mm else f"taken to be {height:.0f} mm high"
    share = ASSUMED_MM / (height * max(known.rows, known.cols) / known.rows)
    return share, f"no lesion is located: {ASSUMED_MM:g} mm is assumed, of pictures {taken}"


def stepped(size: float) -> int:
    """Up to the next step.

    Example:
        >>> stepped(225), stepped(10)
        (256, 32)
    """
    return max(1, math.ceil(size / STEP_PX - 1e-9)) * STEP_PX


def within(hours: float | None, *, rows: int, pictures: int, seconds: float) -> tuple[int, int, str]:
    """Epochs and rows that a limit allows, and how they were saved.

    Args:
        hours: The limit; None for none.
        rows: That are wished for; time goes with their square.
        pictures: Of an epoch.
        seconds: A picture.

    Example:
        >>> within(1.0, rows=1024, pictures=1000, seconds=0.36)[:2]
        (10, 1024)
        >>> within(0.125, rows=1024, pictures=1000, seconds=0.36)[:2]
        (5, 512)
    """
    least, most = EPOCHS
    wished = min(most, max(least, round(PASSES / pictures)))
    if hours is None:
        return wished, rows, "as many as from random weights are usual"
    possible = int(hours * 3600 / (pictures * seconds) + 1e-9)
    if possible >= FEWEST:
        return min(wished, possible), rows, f"of {wished} wished for, within {hours:g} h"
    smaller = rows * math.sqrt(hours * 3600 / (FEWEST * pictures * seconds))
    rows = min(rows, max(LEAST, math.floor(smaller / STEP_PX + 1e-9) * STEP_PX))
    return FEWEST, rows, f"the fewest of use; pixels were saved to end within {hours:g} h"


def _of_data(known: Known) -> dict[str, tuple[Any, str]]:
    rate = known.positives / known.images
    said = f"{rate:.1%} of the images are malignant"
    if known.official:
        split = {"kind": "official-repaired", "tune": TUNE}
        chosen: dict[str, tuple[Any, str]] = {"split": (split, "")}
        why = "the data set has a test part of its own, which others are measured on, too"
    else:
        train = round((1 - TEST) * (1 - TUNE), 4)
        split = {"kind": "ratio", "train": train, "tune": round(1 - TEST - train, 4), "test": TEST}
        chosen = {"split": (split, "")}
        why = "the data set has no parts of its own for every image"
    chosen["split.kind"] = (split["kind"], why)
    weight = "balanced" if rate < RARE else "none"
    chosen["training.class_weight"] = (weight if rate >= VERY_RARE else "none", said)
    chosen["training.sampling"] = ("balanced" if rate < VERY_RARE else "natural", said)
    for key, value in (("flip_vertical", 0.5), ("shift", 0.05), ("rotate_deg", 10.0), ("zoom", 0.1), ("contrast", 0.1)):
        chosen[f"augment.{key}"] = (value, "mild: a mammogram stays one; chest walls stay on one side")
    return chosen


def _of_machine(machine: Machine) -> dict[str, tuple[Any, str]]:
    on = machine.gpu or f"{machine.cores} processor cores"
    fast = machine.gpu is not None
    return {
        "model.backbone": (
            "efficientnet_b0" if fast else "resnet18",
            f"{'light on memory at high resolution' if fast else 'the quickest that is in wide use'}, for {on}",
        ),
        "model.pretrained": (False, "set true, or name a .safetensors file, where ImageNet weights can be had"),
        "training.precision": ("bfloat16" if fast else "float32", f"for {on}"),
        "stages.0.lr": (5e-4, "usual for adamw from random weights; search it with: mammoscope sweep"),
        "stages.0.warmup_epochs": (1.0, "random weights take large first steps badly"),
    }


def _patience(epochs: int) -> tuple[int, str]:
    """Epochs to wait for a better one: a quarter of all, and no fewer than four."""
    if epochs < 4 * WAIT:
        return WAIT, f"epochs without a better tune AUC: fewer than {WAIT} may be chance"
    return epochs // 4, "a quarter of the epochs, without a better tune AUC"


def _batch(pace: Pace, machine: Machine, *, pictures: int) -> tuple[int, str]:
    """The largest power of two up to 32 that half the memory holds, and that leaves eight steps in an epoch."""
    room = math.inf if machine.memory_gib is None else MEMORY * machine.memory_gib * 1024 / pace.mib_per_picture
    limit = min(32, room, pictures / 8)
    size = max(2, 2 ** int(math.log2(max(limit, 2))))
    holds = "" if machine.memory_gib is None else f" of {machine.memory_gib:.0f} GiB"
    return size, f"about {pace.mib_per_picture:,.0f} MiB a picture{holds}; {pictures:,} pictures in an epoch"


def _notes(known: Known, *, rows: int, cols: int, lesion_px: int, hours: float | None, needed: float) -> list[str]:
    found = []
    if known.others:
        found.append(f"the index also holds {', '.join(known.others)}: a recipe names one source; run it on the folder")
    if (px := smallest(known)[0] * max(rows, cols)) < lesion_px:
        which = "the smaller lesions" if known.lesion_share else f"lesions of {ASSUMED_MM:g} mm, which is assumed,"
        found.append(f"{which} are {px:.0f} px across, not {lesion_px}: choose {_closer(known)}")
    if hours is not None and needed > hours:
        found.append(
            f"{FEWEST} epochs of the smallest pictures take {needed:.2g} h, more than {hours:g}: freeze the backbone"
        )
    tested = round(known.positive_patients * TEST)
    half = auc_half_width(EXPECTED_AUC, positives=tested, negatives=round(known.patients * TEST) - tested)
    if not known.official and known.positive_patients < FEW_POSITIVES:
        wide = f"about {half:.2f} either way" if math.isfinite(half) else "not defined"
        found.append(
            f"{known.positive_patients} women with a malignant finding: the interval of an AUC of {EXPECTED_AUC} on a "
            f"fifth of them is {wide}. Use mammoscope cross-validate"
        )
    return found


def _closer(known: Known) -> str:
    """What looks at more pixels of a lesion, of what these data allow."""
    crops = {"box": ["crops (unit = 'lesion')"], "file": ["crops (unit = 'lesion', crop = 'file')"], None: []}
    ways = [*crops[known.crop], *(["patch-to-whole"] if known.located else []), "global-local"]
    return " or ".join([", ".join(ways[:-1]), ways[-1]] if ways[1:] else ways)


def _people(rows: pl.DataFrame) -> int:
    return rows.select("source", "patient_id").n_unique()
