"""Mend an index as far as that needs no guess, and write down each change."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from mammoscope.cohort.findings import Finding, Findings, Fix, Severity
from mammoscope.errors import SourceError
from mammoscope.records import COLUMNS, Index, validated, write_index
from mammoscope.storage import write_text

IMAGE = ["source", "image_id"]
DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of an index.

    Attributes:
        source: Of the image.
        image_id: The image that was changed.
        patient_id: Its patient.
        change: `dropped`, or `laterality = L` and the like.
        records: Number of records that were dropped or filled.
        check: Check that found why.
        reason: What it found.
    """

    source: str
    image_id: str
    patient_id: str | None
    change: str
    records: int
    check: str
    reason: str


def repair(index: Index, *, findings: Findings) -> tuple[Index, list[Change]]:
    """Drop images that cannot be used or that contradict themselves, and fill what their own headers say.

    Dropped are: pictures that are missing, damaged or blank; copies of a picture of the same patient that agree with
    it; all pictures with the same bytes that do not agree. Side and view are filled where the table is empty and the
    header is not. Nothing else is changed, no label ever is, and no file is touched.

    Args:
        index: What was audited.
        findings: What the audit found in this very index.

    Returns:
        The mended index, and its changes in the order of the findings.

    Raises:
        SourceError: Nothing would be left.

    Example:
        >>> from mammoscope.cohort import audit
        >>> from mammoscope.records import Record, index_of
        >>> from tempfile import TemporaryDirectory
        >>> records = [Record(source="own", patient_id=name, image_id=name, path=f"{name}.csv") for name in "ab"]
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.csv").write_text("there")
        ...     index = index_of(records, roots={"own": Path(folder)})
        ...     mended, changes = repair(index, findings=audit(index))
        >>> mended.table["image_id"].to_list(), changes[0].image_id, changes[0].change
        (['a'], 'b', 'dropped')
    """
    sizes = {(source, image): count for source, image, count in index.table.group_by(IMAGE).len().rows()}
    drops: dict[tuple[str, str], Finding] = {}
    fills: dict[tuple[str, str, str], tuple[Finding, Fix]] = {}
    for finding, fix in findings.fixes:
        if fix.column is None:
            drops.setdefault((fix.source, fix.image_id), finding)
        else:
            fills.setdefault((fix.source, fix.image_id, fix.column), (finding, fix))
    changes = [
        _change(finding, source, image, DROPPED, sizes[source, image]) for (source, image), finding in drops.items()
    ]
    table = _without(index.table, list(drops))
    for (source, image, column), (finding, fix) in fills.items():
        if (source, image) not in drops:
            changes.append(_change(finding, source, image, f"{column} = {fix.value}", sizes[source, image]))
    table = _filled(table, [fix for _, fix in fills.values()])
    if table.is_empty():
        raise SourceError(
            f"repair: all {len(drops)} images would be dropped. See what the audit says of them; "
            "perhaps the data set lies elsewhere, name its folder with --root"
        )
    return validated(Index(table=table, roots=index.roots)), changes


def write_repair(index: Index, *, findings: Findings, path: Path) -> tuple[Path, Path, list[Change]]:
    """Write a mended index and a log of its changes beside the old one, which stays as it is.

    Args:
        index: What was audited.
        findings: What the audit found.
        path: The old index; `index.parquet` gets `index.fixed.parquet` and `index.fixed.json`.

    Returns:
        Path of the new index, path of the log, and the changes.

    Raises:
        SourceError: Nothing would be left.
        StorageError: The file system refused.
    """
    mended, changes = repair(index, findings=findings)
    new, log = path.with_name(f"{path.stem}.fixed.parquet"), path.with_name(f"{path.stem}.fixed.json")
    mended_images = {(finding.check, finding.source, finding.image_id) for finding, _ in findings.fixes}
    left = [
        row
        for row in findings.table.filter(pl.col("severity") != Severity.NOTE.value).to_dicts()
        if (row["check"], row["source"], row["image_id"]) not in mended_images
    ]
    write_index(mended, new)
    facts = {
        "index": path.name,
        "fixed": new.name,
        "records": {"before": index.table.height, "after": mended.table.height},
        "changes": [asdict(one) for one in changes],
        "not_fixed": left,
    }
    write_text(log, json.dumps(facts, indent=1) + "\n")
    return new, log, changes


def _change(finding: Finding, source: str, image: str, change: str, records: int) -> Change:
    return Change(
        source=source,
        image_id=image,
        patient_id=finding.patient_id,
        change=change,
        records=records,
        check=finding.check,
        reason=finding.message,
    )


def _without(table: pl.DataFrame, images: Sequence[tuple[str, str]]) -> pl.DataFrame:
    gone = pl.DataFrame(images, schema=dict.fromkeys(IMAGE, pl.String), orient="row")
    return table.join(gone, on=IMAGE, how="anti", maintain_order="left")


def _filled(table: pl.DataFrame, fixes: Sequence[Fix]) -> pl.DataFrame:
    """Fill empty cells; a cell that holds something stays."""
    for column in sorted({fix.column for fix in fixes if fix.column is not None}):
        values = pl.DataFrame(
            [(fix.source, fix.image_id, fix.value) for fix in fixes if fix.column == column],
            schema={**dict.fromkeys(IMAGE, pl.String), "_value": pl.String},
            orient="row",
        )
        known = pl.coalesce(pl.col(column), pl.col("_value").cast(COLUMNS[column])).alias(column)
        table = table.join(values, on=IMAGE, how="left", maintain_order="left").with_columns(known).drop("_value")
    return table
