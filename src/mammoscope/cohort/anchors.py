"""How well the radiologists' own assessment ranks the findings: the number a model on pixels is held against."""

from dataclasses import dataclass

import polars as pl

from mammoscope.records import Index
from mammoscope.vocabulary import Part

INCOMPLETE = 3.5  # BI-RADS 0, "needs additional imaging", is above probably benign (3) and below suspicious (4)
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderAnchor:
    """Area under the ROC curve of the assessment column alone.

    Attributes:
        source: The data set.
        part: Of its published split; None where it has none, and all of it counts.
        kind: Kind of lesion, or `all`.
        findings: Number of rows with an assessment and a label.
        malignant: Number of malignant ones.
        auc: Area; ties count half.
    """

    source: str
    part: Part | None
    kind: str
    findings: int
    malignant: int
    auc: float


def reader_anchor(index: Index) -> list[ReaderAnchor]:
    """Rank the findings by the BI-RADS assessment that a radiologist gave them, and by nothing else.

    Args:
        index: Its records, not its images: each finding has its own assessment and label.

    Returns:
        For each source: each kind of lesion where there are several, then all together; on the published test part
        where there is one. Nothing where a source has no assessment, or findings of one label only.

    Source:
        D'Orsi CJ et al. ACR BI-RADS Atlas, 5th edition (2013): category 0 is incomplete, here between 3 and 4.

    Example:
        >>> from mammoscope.records import Record, index_of
        >>> from pathlib import Path
        >>> rows = [(2, False), (0, False), (4, True), (3, True)]
        >>> records = [
        ...     Record(source="own", patient_id=str(n), image_id=str(n), path=f"{n}.png", assessment=a, malignant=m)
        ...     for n, (a, m) in enumerate(rows)
        ... ]
        >>> [(one.kind, one.findings, one.auc) for one in reader_anchor(index_of(records, roots={"own": Path(".")}))]
        [('all', 4, 0.75)]
    """
    anchors: list[ReaderAnchor] = []
    known = index.table.drop_nulls(["assessment", "malignant"])
    for (source,), rows in known.group_by("source", maintain_order=True):
        tested = rows.filter(pl.col("official_part") == Part.TEST.value)
        part, chosen = (None, rows) if tested.is_empty() else (Part.TEST, tested)
        kinds = chosen["lesion_kind"].drop_nulls().cast(pl.String).unique().sort(descending=True).to_list()
        groups = {kind: chosen.filter(pl.col("lesion_kind") == kind) for kind in kinds} if len(kinds) > 1 else {}
        for kind, group in {**groups, ALL: chosen}.items():
            found = _area(group)
            if found is not None:
                malignant = int(group["malignant"].sum())
                anchors.append(
                    ReaderAnchor(
                        source=str(source),
                        part=part,
                        kind=kind,
                        findings=group.height,
                        malignant=malignant,
                        auc=found,
                    )
                )
    return anchors


def suspicion() -> pl.Expr:
    """The assessment as a number that rises with suspicion: category 0 lies between 3 and 4."""
    value = pl.col("assessment").cast(pl.Float64)
    return pl.when(value == 0).then(INCOMPLETE).otherwise(value)


def _area(rows: pl.DataFrame) -> float | None:
    """Mann-Whitney statistic; None where one of the labels is missing."""
    ranks = rows.select(suspicion().rank("average").alias("rank"), "malignant")
    positives = ranks.filter("malignant")["rank"]
    negatives = ranks.height - positives.len()
    if not (positives.len() and negatives):
        return None
    above = float(positives.sum()) - positives.len() * (positives.len() + 1) / 2
    return above / (positives.len() * negatives)
