"""What is wrong, odd or worth knowing about a cohort before anything is trained on it."""

import math
from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from mammoscope.cohort.audit_files import Reader, image_files, lesion_files
from mammoscope.cohort.audit_names import name_findings
from mammoscope.cohort.audit_pixels import pixel_findings
from mammoscope.cohort.audit_records import leak_details, record_findings
from mammoscope.cohort.findings import Finding, Findings, Severity, findings_of
from mammoscope.cohort.pixels import Pixels
from mammoscope.cohort.splits import Split, leaking_patients, named_patients
from mammoscope.cohort.stratified import PATIENT, patient_table
from mammoscope.records import READER_COLUMNS, Index, image_table
from mammoscope.vocabulary import Part

TYPICAL_AUC = 0.8  # at which the width of an interval is foretold; an honest whole-image classifier is near it
WIDTH = 0.1  # width of an interval from which on a comparison of models is hopeless
BREAST = [*PATIENT, "laterality"]


def audit(
    index: Index,
    *,
    split: Split | None = None,
    files: bool = True,
    reader: Reader | None = None,
    duplicates: bool = False,
    pixels: Pixels | None = None,
    width: float = WIDTH,
) -> Findings:
    """Check an index, its files and a split of it.

    Args:
        index: What is checked.
        split: Who is in train, tune and test; checked for leaks and for parts too small.
        files: Look at each file's size, first and last bytes and DICOM header.
        reader: Called with the path of each file that seems whole, for instance
            `mammoscope.images.read_mammogram`; its `ImageError` becomes a finding.
        duplicates: Find files with the same bytes. Reads a few kilobytes of each file that shares its size with
            another, and all of those that agree there.
        pixels: What `read_pixels` found in the very same index; pictures are held against each other and the table.
        width: Widest 95 % interval of the AUC, from its low to its high end, that you can do with.

    Returns:
        The findings; `error` is what makes a result wrong or an image unusable.

    Source:
        Width of an interval: Hanley JA, McNeil BJ. Radiology 143:29-36 (1982).

    Example:
        >>> from mammoscope.records import Record, index_of
        >>> from pathlib import Path
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png", malignant=False)
        >>> found = audit(index_of([one], roots={"own": Path("no-such-folder")}))
        >>> found.counts["error"], found.table["check"][0]
        (1, 'missing-file')
    """
    images = image_table(index)
    found: list[Finding] = []
    if files:
        found += image_files(index, images, reader=reader, duplicates=duplicates)
        found += lesion_files(index)
    if pixels is not None:
        found += _not_said_before(pixel_findings(index, images, pixels), found)
    found += name_findings(images)
    found += record_findings(index)
    found += _labels(images)
    found += _breasts(images)
    found += _parts(index, images, split)
    found += _numbers(images, split, width=width)
    found += _worth_knowing(index, images)
    return findings_of(found)


def auc_half_width(auc: float, *, positives: int, negatives: int) -> float:
    """Half of the 95 % interval that an AUC will have, as known before any model is there.

    Args:
        auc: The area that is expected, between 0.5 and 1.
        positives: Number of independent positive cases; of patients where these have several images.
        negatives: Number of negative ones.

    Returns:
        1.96 standard errors; infinity without a positive or a negative case.

    Source:
        Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating
        characteristic curve. Radiology 143:29-36 (1982), with exponential scores.

    Example:
        >>> round(auc_half_width(0.8, positives=50, negatives=50), 3)
        0.087
    """
    if not (positives and negatives):
        return math.inf
    q1 = auc / (2 - auc)
    q2 = 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return 1.96 * math.sqrt(variance / (positives * negatives))


def _not_said_before(later: Iterable[Finding], found: Sequence[Finding]) -> list[Finding]:
    """Findings on pixels, without files that are known to be useless and copies that are known to the byte."""
    copies = {(one.source, one.image_id) for one in found if one.check.startswith("same-bytes")}
    errors = (one for one in found if one.severity is Severity.ERROR and not one.check.startswith("same-bytes"))
    useless = {(one.source, one.image_id) for one in errors}
    none_there = {one.source for one in found if one.check == "missing-file" and one.image_id is None}
    return [
        one
        for one in later
        if (one.source, one.image_id) not in useless
        and one.source not in none_there
        and not (one.check.startswith("near-copy") and (one.source, one.image_id) in copies)
    ]


def _labels(images: pl.DataFrame) -> Iterator[Finding]:
    for (source,), rows in images.group_by("source", maintain_order=True):
        unknown = rows["malignant"].null_count()
        if unknown:
            yield _general(
                Severity.WARNING,
                "unknown-label",
                f"{source}: {unknown} of {rows.height} images do not say malignant or not. "
                "They are no negatives; they are left out where that label is needed",
            )
        origins = rows.drop_nulls("label_origin").group_by("label_origin").len().sort("label_origin").rows()
        if len(origins) > 1:
            counts = ", ".join(f"{origin} {count}" for origin, count in origins)
            yield _general(
                Severity.NOTE, "label-origin", f"{source}: labels of several origins: {counts}. Report them apart"
            )


def _breasts(images: pl.DataFrame) -> Iterator[Finding]:
    known = images.drop_nulls(["malignant", "laterality"])
    odd = (
        known.group_by(BREAST)
        .agg(pl.col("malignant").n_unique().alias("n"), pl.col("image_id").sort_by("malignant", "image_id"))
        .filter(pl.col("n") > 1)
        .sort(BREAST)
    )
    for row in odd.iter_rows(named=True):
        yield Finding(
            severity=Severity.WARNING,
            check="contradictory-labels",
            source=row["source"],
            patient_id=row["patient_id"],
            message=f"{row['source']}/{row['patient_id']} {row['laterality']}: malignant on one picture of the breast "
            f"and not on another: {', '.join(row['image_id'][:4])}. Evaluate by breast, or correct the table",
        )
    view = [*BREAST, "view", "exam_id"]
    again = images.drop_nulls(["laterality", "view"]).group_by(view).len().filter(pl.col("len") > 1)
    for source, count in again.group_by("source").len().sort("source").rows():
        first = again.filter(pl.col("source") == source).sort(PATIENT)
        yield _general(
            Severity.NOTE,
            "same-view-twice",
            f"{source}: {count} views were taken more than once, for instance of patients "
            f"{named_patients(first.unique('patient_id').sort(PATIENT))}. Average their scores by breast",
        )


def _parts(index: Index, images: pl.DataFrame, split: Split | None) -> Iterator[Finding]:
    leaks = leaking_patients(split.images) if split is not None else None
    if leaks is not None:
        for row in leaks.iter_rows(named=True):
            yield Finding(
                severity=Severity.ERROR,
                check="split-leak",
                source=row["source"],
                patient_id=row["patient_id"],
                message=f"{row['source']}/{row['patient_id']}: is in {' and '.join(row['parts'])}. "
                "The result will be too good; use kind = 'official-repaired', or put her in one part",
            )
    official = leaking_patients(images, column="official_part")
    for (source,), rows in official.group_by("source", maintain_order=True):
        mended = leaks is not None and leaks.is_empty()
        details = leak_details(index.table.filter(pl.col("source") == source), rows)
        yield _general(
            Severity.NOTE if mended else Severity.WARNING,
            "official-leak",
            f"{source}: {rows.height} patients are on both sides of the published split{details}: "
            f"{named_patients(rows)}. "
            + ("This split has none of them on both" if mended else "Use kind = 'official-repaired'"),
        )


def _numbers(images: pl.DataFrame, split: Split | None, *, width: float) -> Iterator[Finding]:
    """Balance of the label, and how wide an interval will be."""
    if split is not None:
        table, label = split.images.drop_nulls("part"), split.label
        groups = {part.value: table.filter(pl.col("part") == part.value) for part in Part}
    else:
        table, label = images.with_columns(pl.col("malignant").cast(pl.String).alias("label")), "malignant"
        groups = {"all": table}
    for name, rows in groups.items():
        known = rows.drop_nulls("label")
        counts = known.group_by("label").len().sort("label").rows()
        shares = ", ".join(f"{value} {count} ({100 * count / known.height:.1f} %)" for value, count in counts)
        if counts:
            yield _general(Severity.NOTE, "class-balance", f"{name}: {label} of {known.height} images: {shares}")
        if counts and label == "malignant" and name in {"all", "test"}:
            yield _width(name, known, width)


def _width(name: str, rows: pl.DataFrame, width: float) -> Finding:
    if "density" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias("density"))
    labels = patient_table(rows)["label"]
    positives, negatives = int((labels == "true").sum()), int((labels == "false").sum())
    half = auc_half_width(TYPICAL_AUC, positives=positives, negatives=negatives)
    patients = f"{name}: {positives} patients with and {negatives} without a malignant image"
    if math.isinf(half):
        return _general(
            Severity.WARNING,
            "few-patients",
            f"{patients}: by patient no AUC can be computed. Evaluate by breast or image",
        )
    wide = 2 * half > width
    times = math.ceil(10 * (2 * half / width) ** 2) / 10  # the width falls with the root of the number of patients
    return _general(
        Severity.WARNING if wide else Severity.NOTE,
        "few-patients" if wide else "interval-width",
        f"{patients}: the 95 % interval of an AUC near {TYPICAL_AUC} will be about {2 * half:.3f} wide (+-{half:.3f})"
        + (
            f", not {width:g}. That takes about {times:g} times as many patients; pool k folds, or add some"
            if wide
            else f", within the {width:g} asked for"
        ),
    )


def _worth_knowing(index: Index, images: pl.DataFrame) -> Iterator[Finding]:
    filled = [name for name in READER_COLUMNS if index.table[name].null_count() < index.table.height]
    if filled:
        yield _general(
            Severity.NOTE,
            "reader-columns",
            f"the columns {', '.join(filled)} were filled in by a radiologist who saw the picture. "
            "A model that is given one scores the radiologist; report it with and without",
        )
    implants = images.filter(pl.col("implant"))
    if not implants.is_empty():
        yield _general(
            Severity.NOTE,
            "implants",
            f"{implants.height} images of {implants.select(PATIENT).n_unique()} patients show an implant. "
            "Report them apart, or leave them out",
        )


def _general(severity: Severity, check: str, message: str) -> Finding:
    return Finding(severity=severity, check=check, message=message)
