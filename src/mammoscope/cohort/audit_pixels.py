"""What the pictures themselves say: unreadable, blank, inverted, near copies, side and view against the table."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from mammoscope.cohort.findings import Finding, Fix, Severity
from mammoscope.cohort.near_copies import near_copies
from mammoscope.cohort.pixels import Pixels
from mammoscope.records import Index

IMAGE = ["source", "image_id"]
ODD_SHARE = 0.1  # of a source's pictures; where more have the chest wall on the other side, that is its way
ENOUGH = 10  # pictures of a source from which on a usual side can be spoken of
FACTS = ("malignant", "laterality", "view")


def pixel_findings(index: Index, images: pl.DataFrame, pixels: Pixels) -> Iterator[Finding]:
    """Findings on what the pictures show.

    Args:
        index: Whose lesions are held against the size of their pictures.
        images: The image table.
        pixels: What `read_pixels` found.
    """
    said = images.select(*IMAGE, "patient_id", "machine_id", "malignant", pl.col("laterality", "view").cast(pl.String))
    seen = pixels.table.rename({"laterality": "tag_laterality", "view": "tag_view"}).with_row_index("_at")
    table = said.join(seen, on=IMAGE, how="left", maintain_order="left")
    yield from _unreadable(table)
    readable = table.filter(pl.col("code").is_null() & pl.col("has_breast").is_not_null())
    yield from _backgrounds(readable)
    yield from _tags(readable)
    yield from _sides(readable)
    yield from _lesions(index, readable)
    yield from _copies(readable, pixels)


def _unreadable(table: pl.DataFrame) -> Iterator[Finding]:
    for row in table.drop_nulls("code").iter_rows(named=True):
        check = "blank-picture" if row["code"] == "blank" else "unreadable-file"
        what = f"cannot be read as a mammogram ({row['code']}): {row['message']}"
        yield _about(row, Severity.ERROR, check, what, fixes=(_drop(row),))
    for row in table.filter(~pl.col("has_breast")).iter_rows(named=True):
        yield _about(row, Severity.WARNING, "no-breast", "no area stands out of the background. Look at the picture")


def _backgrounds(table: pl.DataFrame) -> Iterator[Finding]:
    for row in table.filter("looks_inverted").iter_rows(named=True):
        if row["said_inverted"] is None:
            what = "its background is bright, and no header says why. It is inverted when it is read"
            yield _about(row, Severity.NOTE, "inverted-background", what)
        elif not row["said_inverted"]:
            what = "its background is bright, and its header says that it is not inverted. The header is followed; look"
            yield _about(row, Severity.WARNING, "inverted-background", what)
    for row in table.filter(~pl.col("looks_inverted") & pl.col("said_inverted")).iter_rows(named=True):
        what = "its background is dark, and its header says that it is inverted. The header is followed; look at it"
        yield _about(row, Severity.WARNING, "inverted-background", what)


def _tags(table: pl.DataFrame) -> Iterator[Finding]:
    for column in ("laterality", "view"):
        for row in table.drop_nulls(f"tag_{column}").iter_rows(named=True):
            tag, stated = row[f"tag_{column}"], row[column]
            if stated is None:
                fix = Fix(source=row["source"], image_id=row["image_id"], column=column, value=tag)
                what = f"the table gives no {column}, its header says {tag}"
                yield _about(row, Severity.NOTE, f"{column}-in-tags", what, fixes=(fix,))
            elif tag != stated:
                what = f"its header says {column} {tag}, the table {stated}. Look at the picture, correct one"
                yield _about(row, Severity.WARNING, f"{column}-in-tags", what)


def _sides(table: pl.DataFrame) -> Iterator[Finding]:
    """The chest wall of a left breast is usually on the left of the picture."""
    usual = pl.col("laterality").replace_strict({"L": "left", "R": "right"}, return_dtype=pl.String)
    known = table.filter("has_breast").drop_nulls(["laterality", "chest"])
    known = known.with_columns(usual=usual)
    for (source, machine), rows in known.group_by("source", "machine_id", maintain_order=True):
        of_machine = "" if machine is None else f" of machine {machine}"
        odd = rows.filter(pl.col("chest") != pl.col("usual"))
        if odd.height > ODD_SHARE * rows.height and rows.height >= ENOUGH:
            yield Finding(
                severity=Severity.NOTE,
                check="side-in-pixels",
                source=str(source),
                message=f"{source}: {odd.height} of {rows.height} pictures{of_machine} show the chest wall on the "
                "other side than is usual for their laterality: mirrored before. The reader goes by what it sees",
            )
            continue
        for row in odd.iter_rows(named=True):
            what = (
                f"laterality {row['laterality']}, but the chest wall is on the {row['chest']}: mirrored, or the side "
                "is wrong. Look at the picture"
            )
            yield _about(row, Severity.WARNING, "side-in-pixels", what)


def _lesions(index: Index, table: pl.DataFrame) -> Iterator[Finding]:
    boxes = index.table.drop_nulls(["lesion_x1", "lesion_y1"]).select(*IMAGE, "lesion_id", "lesion_x1", "lesion_y1")
    inside = boxes.join(table, on=IMAGE, how="inner", maintain_order="left")
    outside = inside.filter((pl.col("lesion_x1") > pl.col("cols")) | (pl.col("lesion_y1") > pl.col("rows")))
    for row in outside.iter_rows(named=True):
        what = (
            f"the box of lesion {row['lesion_id'] or '(no id)'} ends at column {row['lesion_x1']:g}, row "
            f"{row['lesion_y1']:g}, the picture at {row['cols']}, {row['rows']}. It is cut at the edge where it is used"
        )
        yield _about(row, Severity.WARNING, "lesion-outside", what)


def _copies(table: pl.DataFrame, pixels: Pixels) -> Iterator[Finding]:
    seen = table.filter("has_breast")
    at = seen["_at"].to_numpy()
    rows = seen.select(*IMAGE, "patient_id", *FACTS).rows(named=True)
    first, second = near_copies(pixels.signs[at], pixels.thumbs[at])
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        a, b = rows[one], rows[other]
        same = (a["source"], a["patient_id"]) == (b["source"], b["patient_id"])
        odd = [name for name in FACTS if a[name] is not None and b[name] is not None and a[name] != b[name]]
        differ = f" They differ in {' and '.join(odd)}." if odd else ""
        yield _about(
            b,
            Severity.NOTE if same and not odd else Severity.WARNING,
            "near-copy" if same else "near-copy-patients",
            f"looks like {a['source']}/{a['image_id']} of patient {a['patient_id']}.{differ} Look at both"
            + ("" if same else "; one woman under two ids must not be on two sides of a split"),
        )


def _drop(row: dict[str, Any]) -> Fix:
    return Fix(source=row["source"], image_id=row["image_id"])


def _about(row: dict[str, Any], severity: Severity, check: str, what: str, *, fixes: tuple[Fix, ...] = ()) -> Finding:
    return Finding(
        severity=severity,
        check=check,
        source=row["source"],
        image_id=row["image_id"],
        patient_id=row["patient_id"],
        message=f"{row['source']}/{row['image_id']}: {what}",
        fixes=fixes,
    )
