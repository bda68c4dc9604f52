"""What the rows of an index say against each other: labels, parts, densities, ages, numbers of lesions."""

from collections.abc import Iterator

import polars as pl

from mammoscope.cohort.anchors import ALL, reader_anchor
from mammoscope.cohort.findings import Finding, Severity
from mammoscope.cohort.stratified import PATIENT
from mammoscope.records import Index
from mammoscope.vocabulary import Part, Pathology

IMAGE = ["source", "image_id"]
BREAST = [*PATIENT, "laterality"]
AGE_YEARS = 1.0  # by so much may the ages of one examination differ: rounding, or a birthday


def record_findings(index: Index) -> Iterator[Finding]:
    """Findings on the rows of an index, before they are summed up by image.

    Args:
        index: Whose records are compared.
    """
    for (source,), rows in index.table.group_by("source", maintain_order=True):
        name = str(source)
        yield _counts(name, rows)
        yield from _lesions_of_one_image(name, rows)
    yield from _label_and_pathology(index.table)
    yield from _lesions_of_one_breast(index.table)
    yield from _densities(index.table)
    yield from _ages(index.table)
    yield from _boxes(index.table)
    yield from _anchors(index)


def leak_details(rows: pl.DataFrame, leak: pl.DataFrame) -> str:
    """How patients come to be on both sides of a published split: which kinds of lesion, how many test findings.

    Args:
        rows: The records of one source.
        leak: Its patients on both sides.
    """
    theirs = rows.join(leak, on=PATIENT, how="semi").drop_nulls("official_part")
    tested = theirs.filter(pl.col("official_part") == Part.TEST.value)
    text = f", with {tested.drop_nulls('lesion_id').height or tested.height} test findings"
    if rows["lesion_kind"].n_unique() < 2:
        return text
    place = pl.concat_str(
        pl.col("official_part").cast(pl.String),
        pl.col("lesion_kind").cast(pl.String).fill_null("finding"),
        separator=" ",
    )
    ways = theirs.group_by(PATIENT).agg(place.unique().sort(descending=True).str.join(" / ").alias("way"))
    counts = ways.group_by("way").len().sort(["len", "way"], descending=[True, False]).rows()
    within = theirs.group_by(*PATIENT, "lesion_kind").agg(pl.col("official_part").n_unique().alias("n"))
    inside = within.filter(pl.col("n") > 1).select(PATIENT).n_unique()
    return (
        f"{text} ({', '.join(f'{count} {way}' for way, count in counts)}; "
        f"{inside or 'none'} of them within one kind of lesion)"
    )


def _counts(source: str, rows: pl.DataFrame) -> Finding:
    """What the tables hold, in the units that people count it in."""
    lesions, images = rows["lesion_id"].count(), rows["image_id"].n_unique()
    listed = rows.select("image_id", "lesion_kind").n_unique()
    kinds = rows["lesion_kind"].drop_nulls().n_unique()
    as_listed = f" in {listed} image rows (an image once for each kind of lesion)" if kinds > 1 else ""
    return _note(
        "counts",
        f"{source}: {lesions} lesions{as_listed}, {images} distinct images, {rows['patient_id'].n_unique()} patients",
    )


def _lesions_of_one_image(source: str, rows: pl.DataFrame) -> Iterator[Finding]:
    lesions = rows.drop_nulls("lesion_id")
    by_image = lesions.group_by("image_id", maintain_order=True).agg(
        pl.col("malignant").drop_nulls().n_unique().alias("labels"),
        pl.col("malignant").drop_nulls().first().alias("first"),
        pl.col("lesion_kind").drop_nulls().n_unique().alias("kinds"),
    )
    mixed = by_image.filter(pl.col("labels") > 1)
    if not mixed.is_empty():
        wrong = mixed.filter(~pl.col("first")).height
        yield _note(
            "mixed-labels",
            f"{source}: {mixed.height} images have malignant and other findings. Such an image is malignant here; "
            f"a rule that keeps its first row, in the order of the tables, calls {wrong} of them not malignant",
        )
    both = by_image.filter(pl.col("kinds") > 1).height
    if both:
        yield _note(
            "several-kinds",
            f"{source}: {both} images have lesions of more than one kind. They are one image each here: "
            "count and split them once",
        )
    number = pl.col("lesion_id").str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    least = lesions.group_by("image_id", "lesion_kind").agg(number.min().alias("least"))
    late = least.filter(pl.col("least") > 1).height
    if late and least["least"].min() == 1:
        yield _note(
            "lesion-numbers",
            f"{source}: {late} images have no lesion number 1 of their kind. Never find a lesion by its number alone",
        )


def _label_and_pathology(table: pl.DataFrame) -> Iterator[Finding]:
    odd = table.filter((pl.col("pathology") == Pathology.MALIGNANT.value) != pl.col("malignant"))
    for row in odd.select(*IMAGE, "patient_id", "pathology", "malignant").iter_rows(named=True):
        yield Finding(
            severity=Severity.ERROR,
            check="label-and-pathology",
            source=row["source"],
            image_id=row["image_id"],
            patient_id=row["patient_id"],
            message=f"{row['source']}/{row['image_id']}: pathology {row['pathology']}, and malignant is "
            f"{str(row['malignant']).lower()}. Correct the table",
        )


def _lesions_of_one_breast(table: pl.DataFrame) -> Iterator[Finding]:
    """One lesion id, two views of a breast, two labels."""
    known = table.drop_nulls(["lesion_id", "malignant", "laterality"])
    odd = (
        known.group_by(*BREAST, "exam_id", "lesion_id")
        .agg(pl.col("malignant").n_unique().alias("labels"), pl.col("image_id").n_unique().alias("images"))
        .filter((pl.col("labels") > 1) & (pl.col("images") > 1))
        .sort(*BREAST, "lesion_id")
    )
    for row in odd.iter_rows(named=True):
        yield _of_patient(
            row,
            "lesion-labels",
            f"{row['source']}/{row['patient_id']} {row['laterality']}: lesion {row['lesion_id']} is malignant on one "
            "picture and not on another. Numbers need not agree across views; join no lesions by them",
        )


def _densities(table: pl.DataFrame) -> Iterator[Finding]:
    known = table.drop_nulls("density")
    by_exam = known.group_by(*PATIENT, "exam_id").agg(pl.col("density").cast(pl.String).unique().sort())
    for row in by_exam.filter(pl.col("density").list.len() > 1).sort(PATIENT).iter_rows(named=True):
        yield _of_patient(
            row,
            "density-conflict",
            f"{row['source']}/{row['patient_id']}: density {' and '.join(row['density'])} in one examination. "
            "A model of density meets both; settle on one, or leave her out",
        )


def _ages(table: pl.DataFrame) -> Iterator[Finding]:
    ages = table.drop_nulls("age_years").group_by(*PATIENT, "exam_id")
    by_exam = ages.agg(pl.col("age_years").min().alias("low"), pl.col("age_years").max().alias("high"))
    for row in by_exam.filter(pl.col("high") - pl.col("low") > AGE_YEARS).sort(PATIENT).iter_rows(named=True):
        yield _of_patient(
            row,
            "age-conflict",
            f"{row['source']}/{row['patient_id']}: age {row['low']:g} and {row['high']:g} in one examination. "
            "Perhaps two patients under one id; correct the table",
        )


def _boxes(table: pl.DataFrame) -> Iterator[Finding]:
    odd = table.filter((pl.col("lesion_x0") < 0) | (pl.col("lesion_y0") < 0))
    for row in odd.select(*IMAGE, "patient_id", "lesion_id").iter_rows(named=True):
        yield Finding(
            severity=Severity.WARNING,
            check="lesion-outside",
            source=row["source"],
            image_id=row["image_id"],
            patient_id=row["patient_id"],
            message=f"{row['source']}/{row['image_id']}: the box of lesion {row['lesion_id'] or '(no id)'} begins "
            "outside the picture. It is cut at the edge where it is used; check its origin and order of corners",
        )


def _anchors(index: Index) -> Iterator[Finding]:
    anchors = reader_anchor(index)
    for source in dict.fromkeys(one.source for one in anchors):
        mine = [one for one in anchors if one.source == source]
        where = "the published test part" if mine[0].part else "all rows"
        areas = ", ".join(
            f"{one.auc:.3f} {'in all' if one.kind == ALL else one.kind} (n {one.findings})" for one in mine
        )
        yield _note(
            "assessment-auc",
            f"{source}: the radiologists' assessment alone has AUC {areas} on {where}, assessment 0 between 3 and 4. "
            "A model that is given it scores them",
        )


def _of_patient(row: dict[str, str], check: str, message: str) -> Finding:
    return Finding(
        severity=Severity.WARNING, check=check, source=row["source"], patient_id=row["patient_id"], message=message
    )


def _note(check: str, message: str) -> Finding:
    return Finding(severity=Severity.NOTE, check=check, message=message)
