"""Who is in train, tune and test: always by patient, with a fingerprint, never with a leak that is not named."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from mammoscope.cohort.split_settings import (
    FileSplit,
    KFoldSplit,
    LeaveOutSplit,
    OfficialRawSplit,
    OfficialRepairedSplit,
    OfficialSplit,
    OfficialStrictSplit,
    RatioSplit,
    SplitSettings,
)
from mammoscope.cohort.split_table import parts_from_file
from mammoscope.cohort.stratified import PATIENT, by_fractions, drawn, patient_table
from mammoscope.errors import SourceError, nearest
from mammoscope.vocabulary import Part

PART = pl.Enum([part.value for part in Part])
IMAGE = [*PATIENT, "image_id"]
NAMED = 5  # so many patients are named in a message, the others counted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """The part of each image of a cohort.

    Attributes:
        images: source, patient_id, image_id, label (as text) and part, sorted; part is empty where the
            patient was left out.
        kind: Of the settings it was made with.
        seed: It was made with.
        label: Column of the image table that the parts are alike in.
        fingerprint: SHA-256 of `images`; two splits with one fingerprint are the same split of the same labels.
        notes: What a reader of the result must know, such as a leak.
    """

    images: pl.DataFrame
    kind: str
    seed: int
    label: str
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Part]:
        """Part of each patient by `source/patient_id`; test for one that leaks, no entry for one left out."""
        rank = pl.col("part").replace_strict({Part.TEST: 0, Part.TUNE: 1, Part.TRAIN: 2}, return_dtype=pl.Int8)
        kept = self.images.drop_nulls("part").sort(rank).unique(PATIENT, keep="first").sort(PATIENT)
        return {f"{source}/{patient}": Part(part) for source, patient, part in kept.select(*PATIENT, "part").rows()}


def split(images: pl.DataFrame, settings: SplitSettings, *, seed: int, label: str = "malignant") -> Split:
    """Divide the patients of a cohort.

    Args:
        images: What `mammoscope.records.image_table` gives, or rows of it.
        settings: How to divide.
        seed: Decides every draw; the order of the rows does not matter.
        label: Column that the parts are made alike in and must each hold two values of.

    Returns:
        The split. No patient is in two parts, but with `official-raw`, whose notes say who.

    Raises:
        SourceError: A patient would be in two parts; a part would hold fewer than two labels; the data set
            has no official split, or no such site or machine; the file does not fit the cohort.

    Example:
        >>> from mammoscope.records import Record, image_table, index_of
        >>> from pathlib import Path
        >>> records = [
        ...     Record(source="own", patient_id=str(n), image_id=str(n), path=f"{n}.png", malignant=n % 2 == 0)
        ...     for n in range(8)
        ... ]
        >>> images = image_table(index_of(records, roots={"own": Path(".")}))
        >>> made = split(images, RatioSplit(train=0.5, tune=0.25, test=0.25), seed=1)
        >>> sorted(part.value for part in made.parts.values())
        ['test', 'test', 'train', 'train', 'train', 'train', 'tune', 'tune']
    """
    table = _sound(images, label)
    notes: list[str] = []
    match settings:
        case RatioSplit():
            table = _ratio(table, settings, seed)
        case KFoldSplit():
            table = _fold(table, settings, seed)
        case OfficialSplit() | OfficialRawSplit() | OfficialRepairedSplit() | OfficialStrictSplit():
            table, notes = _official(table, settings, seed)
        case LeaveOutSplit():
            table, notes = _leave_out(table, settings, seed)
        case FileSplit():
            table, notes = parts_from_file(table, settings.path)
    if not isinstance(settings, OfficialRawSplit):
        _refuse_leak(table, settings.kind)
    _refuse_one_label(table, settings.kind, label)
    return _split(table, kind=settings.kind, seed=seed, label=label, notes=tuple(notes))


def apply_split(images: pl.DataFrame, split: Split) -> pl.DataFrame:
    """The cohort table: the image table with its part, without the patients who were left out.

    Args:
        images: The very image table that was split, in any order.
        split: What `split` or `read_split` gave.

    Returns:
        `images` with a last column `part`, in their order.

    Raises:
        SourceError: The images, their patients or their labels are not those that were split.
    """
    joined = _sound(images, split.label).join(split.images.select(*IMAGE, "part"), on=IMAGE, how="left")
    if images.height != split.images.height or fingerprint(joined) != split.fingerprint:
        raise SourceError(
            f"split {split.fingerprint[:12]}: made for {split.images.height} images, and these {images.height} "
            "differ from them in images, patients or labels. Split again, or take the index that was split"
        )
    return (
        images.drop("part", strict=False)
        .join(joined.select(*IMAGE, "part"), on=IMAGE, how="left", maintain_order="left")
        .filter(pl.col("part").is_not_null())
    )


def fingerprint(images: pl.DataFrame) -> str:
    """SHA-256 over source, patient, image, label and part of all images, whatever their order."""
    cells = [pl.col(name).cast(pl.String).fill_null("\x00") for name in (*IMAGE, "label", "part")]
    lines = images.select(pl.concat_str(cells, separator="\x1f").alias("line"))["line"].sort()
    return sha256("\n".join(lines).encode()).hexdigest()


def leaking_patients(images: pl.DataFrame, *, column: str = "part") -> pl.DataFrame:
    """Patients with images in more than one part.

    Args:
        images: Columns source, patient_id and `column`; rows without a part do not count.
        column: `part`, or `official_part` of an image table.

    Returns:
        Columns source, patient_id and parts, a sorted list; sorted by patient. Of the published split, an image
        that the data set lists in train and in test counts for both.
    """
    if column == "official_part" and "official_parts" in images.columns:
        images = images.select(*PATIENT, pl.col("official_parts").alias(column)).explode(column)
    return (
        images.drop_nulls(column)
        .group_by(PATIENT)
        .agg(pl.col(column).cast(pl.String).unique().sort().alias("parts"))
        .filter(pl.col("parts").list.len() > 1)
        .sort(PATIENT)
    )


def named_patients(patients: pl.DataFrame) -> str:
    """The first few patients of a table, and how many more there are, for a message."""
    first = ", ".join(patients["patient_id"].head(NAMED))
    return first if patients.height <= NAMED else f"{first} and {patients.height - NAMED} more"


def _sound(images: pl.DataFrame, label: str) -> pl.DataFrame:
    """The columns that a split looks at; labels as text."""
    if label not in images.columns:
        raise SourceError(f"split: the image table has no column {label!r}{nearest(label, images.columns)}")
    if images.is_empty():
        raise SourceError("split: the cohort has no images. Index a data set, or widen the selection")
    if images.select(pl.struct("source", "image_id").is_duplicated().any()).item():
        raise SourceError("split: an image is listed twice. Split the image table, not the index")
    optional = [
        pl.col(name).cast(pl.String) if name in images.columns else pl.lit(None, dtype=pl.String).alias(name)
        for name in ("density", "official_part", "view", "site_id", "machine_id")
    ]
    listed = [pl.col("official_parts")] if "official_parts" in images.columns else []
    return images.select(*IMAGE, pl.col(label).cast(pl.String).alias("label"), *optional, *listed)


def _split(table: pl.DataFrame, *, kind: str, seed: int, label: str, notes: tuple[str, ...]) -> Split:
    images = table.select(*IMAGE, "label", pl.col("part").cast(PART)).sort(IMAGE)
    return Split(images=images, kind=kind, seed=seed, label=label, fingerprint=fingerprint(images), notes=notes)


def _with_parts(table: pl.DataFrame, patients: pl.DataFrame, parts: Sequence[str]) -> pl.DataFrame:
    chosen = patients.select(PATIENT).with_columns(pl.Series("part", parts, dtype=PART))
    return table.join(chosen, on=PATIENT, how="left", maintain_order="left")


def _ratio(table: pl.DataFrame, settings: RatioSplit, seed: int) -> pl.DataFrame:
    patients = drawn(patient_table(table), seed=seed, purpose="ratio")
    shares = {Part.TRAIN: settings.train, Part.TEST: settings.test, Part.TUNE: settings.tune}
    return _with_parts(table, patients, _shared_out(patients, shares))


def _fold(table: pl.DataFrame, settings: KFoldSplit, seed: int) -> pl.DataFrame:
    patients = drawn(patient_table(table), seed=seed, purpose="kfold").with_row_index("_at")
    is_test = pl.col("_at") % settings.folds == settings.fold
    rest = drawn(patients.filter(~is_test).drop("_draw"), seed=seed, purpose=f"tune of fold {settings.fold}")
    both = pl.concat([patients.filter(is_test).select(PATIENT), rest.select(PATIENT)])
    tested = both.height - rest.height
    return _with_parts(table, both, [Part.TEST.value] * tested + _trained(rest, settings.tune))


def _official(
    table: pl.DataFrame,
    settings: OfficialSplit | OfficialRawSplit | OfficialRepairedSplit | OfficialStrictSplit,
    seed: int,
) -> tuple[pl.DataFrame, list[str]]:
    none = table.filter(pl.col("official_part").is_null())
    if not none.is_empty():
        names = ", ".join(none["source"].unique().sort())
        raise SourceError(
            f"split {settings.kind}: {none.height} images of {names} have no official part. "
            "Use kind = 'ratio' or 'kfold', or a file"
        )
    leak = leaking_patients(table, column="official_part")
    if not leak.is_empty() and isinstance(settings, OfficialSplit):
        raise SourceError(
            f"split official: {leak.height} patients are on both sides of the published split: "
            f"{named_patients(leak)}. Use kind = 'official-repaired', which takes them out of train"
        )
    table, notes = _leak_noted(table, leak, settings)
    if table["part"].eq_missing(Part.TUNE.value).any():
        return table, [*notes, "tune is the data set's own"]
    return _tune_carved(table, leak, settings.tune, seed), notes


def _leak_noted(
    table: pl.DataFrame,
    leak: pl.DataFrame,
    settings: OfficialSplit | OfficialRawSplit | OfficialRepairedSplit | OfficialStrictSplit,
) -> tuple[pl.DataFrame, list[str]]:
    table = table.with_columns(pl.col("official_part").cast(PART).alias("part"))
    if leak.is_empty():
        return table, []
    leaks = pl.struct(PATIENT).is_in(leak.select(pl.struct(PATIENT)).to_series().implode())
    in_test = leaks & (pl.col("part") == Part.TEST.value)
    outside = leaks & (pl.col("part") != Part.TEST.value)
    count, tested = table.filter(outside).height, table.filter(in_test).height
    who = f"{leak.height} patients on both sides of the published split ({named_patients(leak)})"
    if isinstance(settings, OfficialStrictSplit):
        part = pl.when(leaks).then(None).otherwise(pl.col("part")).alias("part")
        note = f"{who} are left out: {count} train and {tested} test images. The test set is smaller than published"
        return table.with_columns(part), [note]
    if not isinstance(settings, OfficialRepairedSplit):
        return table, [f"LEAK: {who} are kept as published; {count} of their images are in train. Not comparable"]
    part = pl.when(outside).then(None).otherwise(pl.col("part")).alias("part")
    return table.with_columns(part), [f"{who}: their {count} train images are left out, the test set is as published"]


def _leave_out(table: pl.DataFrame, settings: LeaveOutSplit, seed: int) -> tuple[pl.DataFrame, list[str]]:
    """Test is one value of a column; its patients' images elsewhere, and images that do not say, are left out."""
    column, value = settings.column, settings.value
    known = table[column].drop_nulls().unique().sort().to_list()
    if value not in known:
        there = ", ".join(known[:NAMED]) + (f" and {len(known) - NAMED} more" if len(known) > NAMED else "")
        raise SourceError(
            f"split leave-out: no image has {column} {value!r}{nearest(value, known)}. "
            + (f"The cohort has {there}" if known else "The data set does not state it; use another split")
        )
    here = (pl.col(column) == value).fill_null(value=False)
    tested = table.filter(here).select(PATIENT).unique()
    rest = table.filter(pl.col(column).is_not_null()).join(tested, on=PATIENT, how="anti")
    patients = drawn(patient_table(rest), seed=seed, purpose=f"tune without {column} {value}")
    carved = _with_parts(table, patients, _trained(patients, settings.tune))
    part = (
        pl.when(here)
        .then(pl.lit(Part.TEST.value))
        .when(pl.col(column).is_not_null())
        .then(pl.col("part").cast(pl.String))
    )
    notes = []
    elsewhere = table.join(tested, on=PATIENT, how="semi").filter(~here & pl.col(column).is_not_null()).height
    if elsewhere:
        notes.append(f"{elsewhere} images that patients of {column} {value} have elsewhere are left out")
    unknown = table[column].null_count()
    if unknown:
        notes.append(f"{unknown} images without {column} are left out")
    return carved.with_columns(part.alias("part")), notes


def _tune_carved(table: pl.DataFrame, leak: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Take a share of the train patients who are not in test for tune."""
    train = table.filter(pl.col("part").eq_missing(Part.TRAIN.value)).join(leak, on=PATIENT, how="anti")
    patients = drawn(patient_table(train), seed=seed, purpose="tune of official")
    carved = _with_parts(table.drop("part"), patients, _trained(patients, share)).rename({"part": "_carved"})
    return (
        carved.join(table.select(*IMAGE, "part"), on=IMAGE, how="left", maintain_order="left")
        .with_columns(pl.coalesce("_carved", "part").alias("part"))
        .drop("_carved")
    )


def _trained(patients: pl.DataFrame, tune: float) -> list[str]:
    return _shared_out(patients, {Part.TRAIN: 1 - tune, Part.TUNE: tune})


def _shared_out(patients: pl.DataFrame, shares: dict[Part, float]) -> list[str]:
    parts = list(shares)
    numbers = by_fractions(patients["label"].to_list(), fractions=list(shares.values()))
    return [parts[number].value for number in numbers]


def _refuse_leak(table: pl.DataFrame, kind: str) -> None:
    leak = leaking_patients(table)
    if not leak.is_empty():
        first = ", ".join(f"{row['patient_id']} ({', '.join(row['parts'])})" for row in leak.head(NAMED).to_dicts())
        more = f" and {leak.height - NAMED} more" if leak.height > NAMED else ""
        raise SourceError(
            f"split {kind}: {leak.height} patients are in more than one part: {first}{more}. "
            "Put all images of a patient in one part"
        )


def _refuse_one_label(table: pl.DataFrame, kind: str, label: str) -> None:
    for part in Part:
        inside = table.filter(pl.col("part") == part.value)
        found = inside["label"].drop_nulls().unique().sort()
        if len(found) < 2:
            what = f"only {label} = {found[0]}" if len(found) else f"no known {label}"
            patients = patient_table(table).group_by("label").len().sort("label")
            there = ", ".join(f"{count} with {value or 'no label'}" for value, count in patients.rows())
            raise SourceError(
                f"split {kind}: {part} has {inside.select(PATIENT).n_unique()} patients and {what}; nothing can be "
                f"learned or measured on it. The cohort's patients: {there}. Add data, or change the fractions"
            )
