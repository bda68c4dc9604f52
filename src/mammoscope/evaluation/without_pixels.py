"""What can be told without looking at a picture: from a reader's assessment, and from who was examined where."""

from dataclasses import dataclass

import polars as pl

from mammoscope.cohort import KFoldSplit, split
from mammoscope.cohort.anchors import suspicion
from mammoscope.errors import SourceError
from mammoscope.evaluation.baselines import METADATA_COLUMNS, metadata_scores
from mammoscope.evaluation.measures import estimates, measure
from mammoscope.evaluation.samples import sample_of
from mammoscope.evaluation.values import Estimate
from mammoscope.vocabulary import LabelOrigin, LesionKind, Part

EVERY = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderResult:
    """ROC AUC of the assessment alone, on some rows of an index.

    Attributes:
        part: Of the data set's own split, or `all`.
        kind: Of lesion, or `all`.
        unit: What a row is: `lesion`, or `image` where the data set lists none.
        auc: With its interval over patients.
        note: What a reader must know of it.
    """

    part: str
    kind: str
    unit: str
    auc: Estimate
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataResult:
    """ROC AUC of a model that is told everything but the picture.

    Attributes:
        auc: Per image, with its interval over patients; None with a reason.
        used: Columns that it looked at in some fold.
        dropped: Other columns, and why.
        protocol: How it was measured, in words.
        reason: Why there is no result.
    """

    auc: Estimate | None
    used: tuple[str, ...] = ()
    dropped: dict[str, str]
    protocol: str
    reason: str | None = None


def assessment_auc(
    table: pl.DataFrame, *, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> list[ReaderResult]:
    """How well the reader's BI-RADS assessment alone tells malignant from other rows.

    Categories are ranked 1, 2, 3, 0, 4, 5, 6. Rows without assessment or without a known label do not count.

    Args:
        table: The table of an index.
        replicates: Of the bootstrap over patients.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        The published test part first (where there is one), then all rows; in each, all lesions, then each kind.
        Empty where no row has an assessment and a label.

    Source:
        Lee et al., Scientific Data 4:170177 (2017): assessment and pathology of CBIS-DDSM.

    Example:
        >>> table = pl.DataFrame({"patient_id": list("abc"), "malignant": [True, False, True],
        ...     "assessment": [4, 2, 0], "lesion_id": list("111"), "lesion_kind": ["mass"] * 3,
        ...     "official_part": [None] * 3, "label_origin": ["biopsy"] * 3})
        >>> [(found.kind, found.auc.value) for found in assessment_auc(table, replicates=20)]
        [('all', 1.0)]
    """
    known = table.filter(pl.col("assessment").is_not_null() & pl.col("malignant").is_not_null()).with_columns(
        pl.col("malignant").cast(pl.Int8).alias("label"),
        suspicion().alias("score"),
    )
    results = []
    for part in (Part.TEST.value, EVERY):
        rows = known if part == EVERY else known.filter(pl.col("official_part").cast(pl.String) == part)
        kinds = [kind.value for kind in LesionKind if kind.value in rows["lesion_kind"].cast(pl.String)]
        for kind in [EVERY, *(kinds if len(kinds) > 1 else [])]:
            chosen = rows if kind == EVERY else rows.filter(pl.col("lesion_kind").cast(pl.String) == kind)
            if chosen.is_empty():
                continue
            measured = measure(sample_of(chosen), replicates=replicates, seed=seed, curves=False)
            results.append(
                ReaderResult(
                    part=part,
                    kind=kind,
                    unit="image" if chosen["lesion_id"].is_null().all() else "lesion",
                    auc=estimates(measured, confidence=confidence)["auc"],
                    note=_circular(chosen),
                )
            )
    return results


def metadata_auc(
    images: pl.DataFrame, *, folds: int = 5, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> MetadataResult:
    """How well age, view, side, implant, machine and site alone tell malignant from other images.

    Each image is scored by a logistic regression that was fitted on the other folds, so on other patients; the
    scores of all folds are put together. Where nothing can be learned this AUC falls a little below 0.5, the more so
    the fewer patients there are: a fold with many malignant patients leaves few for the model that scores it.

    Args:
        images: Image table; rows without a label do not count.
        folds: Folds by patient, stratified by label and density.
        replicates: Of the bootstrap over patients.
        seed: Of folds and replicates.
        confidence: Level of the interval.

    Returns:
        The AUC per image, or why there is none.
    """
    rows = images.filter(pl.col("malignant").is_not_null())
    protocol = (
        f"logistic regression in {folds} folds by patient, seed {seed}: each image is scored by the model that was "
        "fitted on the patients of the other folds; scores of all folds together, per image"
    )
    try:
        scored, used, dropped = _scored(rows, folds=folds, seed=seed)
    except SourceError as error:
        return MetadataResult(auc=None, dropped={}, protocol=protocol, reason=str(error))
    measured = measure(sample_of(scored), replicates=replicates, seed=seed, curves=False)
    found = estimates(measured, confidence=confidence)["auc"]
    return MetadataResult(auc=found, used=used, dropped=dropped, protocol=protocol)


def _scored(rows: pl.DataFrame, *, folds: int, seed: int) -> tuple[pl.DataFrame, tuple[str, ...], dict[str, str]]:
    """Every row with the score of the model that has not seen its patient."""
    tested, used, dropped = [], set[str](), dict[str, str]()
    for fold in range(folds):
        made = split(rows, KFoldSplit(folds=folds, fold=fold), seed=seed)
        parts = rows.join(made.images.select("source", "image_id", "part"), on=["source", "image_id"], how="left")
        is_test = pl.col("part") == Part.TEST.value
        test = parts.filter(is_test)
        found = metadata_scores(parts.filter(~is_test), rows=test)
        if isinstance(found, str):
            raise SourceError(found)
        scores, looked_at, left_out = found
        used |= set(looked_at)
        dropped |= left_out
        tested.append(test.with_columns(pl.Series("score", scores), pl.col("malignant").cast(pl.Int8).alias("label")))
    return (
        pl.concat(tested).sort("source", "image_id"),
        tuple(name for name in METADATA_COLUMNS if name in used),
        {name: why for name, why in dropped.items() if name not in used},
    )


def _circular(rows: pl.DataFrame) -> str | None:
    """A label that a reader gave cannot be used to judge a reader."""
    read = rows.filter(pl.col("label_origin").cast(pl.String) == LabelOrigin.READER.value).height
    return (
        f"{read} of {rows.height} labels are a reader's own judgement, not a biopsy: circular there" if read else None
    )
