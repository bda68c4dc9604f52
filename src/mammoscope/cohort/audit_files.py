"""Whether the files of an index are there and whole, without decoding a pixel."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from pydicom import dcmread

from mammoscope.cohort.audit_bytes import twin_findings
from mammoscope.cohort.findings import Finding, Fix, Severity
from mammoscope.dicom.parsing import UNPARSABLE, parse, quiet
from mammoscope.errors import ImageError
from mammoscope.records import Index

TAIL_BYTES = 65536
FEW = 5  # so many missing crops or masks are named one by one
SUFFIXES = {".dcm": "DICOM", ".dicom": "DICOM", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".pgm": "PGM"}
PGM_HEADER = re.compile(rb"P5\s+(?:#[^\n]*\n\s*)*(\d+)\s+(?:#[^\n]*\n\s*)*(\d+)\s+(?:#[^\n]*\n\s*)*(\d+)\s")
DELIMITER = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"  # Sequence Delimitation Item (FFFE,E0DD), PS3.5 A.4

Reader = Callable[[Path], object]


def image_files(index: Index, images: pl.DataFrame, *, reader: Reader | None, duplicates: bool) -> Iterator[Finding]:
    """Findings on the images of an index.

    Args:
        index: Says where the files lie.
        images: source, patient_id, image_id, path, malignant, laterality, view of each.
        reader: Called with each file that seems whole; its `ImageError` becomes a finding.
        duplicates: Find files with the same bytes.
    """
    for (source,), rows in images.group_by("source", maintain_order=True):
        root = index.roots[str(source)]
        sizes = _sizes(root, rows["path"].unique().to_list())
        there: list[dict[str, Any]] = []
        absent: list[dict[str, Any]] = []
        for row in rows.select("source", "patient_id", "image_id", "path", "malignant", "laterality", "view").iter_rows(
            named=True
        ):
            (there if row["path"] in sizes else absent).append(row)
        if absent and not there:
            yield Finding(
                severity=Severity.ERROR,
                check="missing-file",
                source=str(source),
                message=f"{source}: none of its {len(absent)} files is in {root.name}, not even "
                f"{_name(absent[0])}. Name the folder that holds the pictures",
            )
        else:
            yield from (
                _error(row, "missing-file", "is not there. Download it, or leave the image out") for row in absent
            )
        whole = []
        for row in there:
            found = [*_one_file(row, root / row["path"], sizes[row["path"]], reader)]
            yield from found
            if all(one.severity is not Severity.ERROR for one in found):
                whole.append(row)
        if duplicates:
            yield from twin_findings(whole, root=root, sizes=sizes)


def lesion_files(index: Index) -> Iterator[Finding]:
    """Findings on masks and crops: how many are missing; each of them where they are few."""
    for name, what in (("mask_path", "mask"), ("crop_path", "crop")):
        listed = index.table.drop_nulls(name).select(
            "source", "patient_id", "image_id", "lesion_id", pl.col(name).alias("path")
        )
        for (source,), rows in listed.group_by("source", maintain_order=True):
            sizes = _sizes(index.roots[str(source)], rows["path"].to_list())
            absent = [row for row in rows.iter_rows(named=True) if row["path"] not in sizes]
            if len(absent) <= FEW:
                yield from (_no_lesion_file(row, what) for row in absent)
                continue
            where = absent[0]["path"]
            yield Finding(
                severity=Severity.NOTE if len(absent) == rows.height else Severity.WARNING,
                check=f"missing-{what}s",
                source=str(source),
                message=f"{source}: {len(absent)} of {rows.height} lesion {what}s are not there, the first is "
                f"{where.rsplit('/', 1)[-1]} in {where.split('/')[0]}. Training on whole images needs none",
            )


def _no_lesion_file(row: dict[str, Any], what: str) -> Finding:
    lesion = f"lesion {row['lesion_id']}" if row["lesion_id"] else "its lesion"
    return _about(
        row, Severity.WARNING, f"missing-{what}s", f"is not there: the {what} of {lesion}. Whole images need none"
    )


def _one_file(row: dict[str, Any], path: Path, size: int, reader: Reader | None) -> Iterator[Finding]:
    if size == 0:
        yield _error(row, "empty-file", "has no bytes. Download it again")
        return
    try:
        with path.open("rb") as file:
            finding = _content(row, file, size)
    except OSError as error:
        yield _error(row, "unreadable-file", f"cannot be opened, {error.strerror}. Correct its permissions")
        return
    if finding is not None:
        yield finding
    if reader is not None and (finding is None or finding.severity is not Severity.ERROR):
        try:
            reader(path)
        except ImageError as error:
            yield _error(row, "unreadable-file", f"cannot be read as a mammogram ({error.code}): {error}")


def _content(row: dict[str, Any], file: BinaryIO, size: int) -> Finding | None:
    """What is wrong with the beginning and the end of a file, if anything."""
    head = file.read(256)
    kind = _kind(head)
    named = SUFFIXES.get(Path(row["path"]).suffix.lower())
    if kind is None:
        if named is None:
            return None  # a format that this check does not know
        return _error(row, "wrong-format", f"does not begin like {named}. Download it again")
    if kind == "DICOM" and (code := _unparsed(Path(file.name))) is not None:
        return _error(row, "unreadable-file", f"cannot be parsed ({code}). Leave it out")
    if _is_cut(kind, head, file, size):
        return _error(row, "truncated-file", f"is {kind}, but ends early after {size} bytes. Download it again")
    if named not in {None, kind}:
        return _about(row, Severity.WARNING, "wrong-format", f"holds {kind}. Rename it")
    return None


def _unparsed(path: Path) -> str | None:
    """Why a header cannot be parsed: it inflates or nests without end; what only ends early is told by `_is_cut`."""
    try:
        with quiet():
            parse(path, pixels=False)
    except ImageError as error:
        return None if error.code in {"truncated", "damaged"} else error.code
    return None


def _kind(head: bytes) -> str | None:
    starts = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "PGM": b"P5"}
    if head[128:132] == b"DICM":
        return "DICOM"
    return next((kind for kind, start in starts.items() if head.startswith(start)), None)


def _is_cut(kind: str, head: bytes, file: BinaryIO, size: int) -> bool:
    if kind == "DICOM":
        return _dicom_is_cut(file, size)
    if kind == "PGM":
        found = PGM_HEADER.match(head)
        if found is None:
            return False  # a long comment: the header goes on beyond what was read
        cols, rows, highest = (int(one) for one in found.groups())
        return size < found.end() + cols * rows * (1 if highest < 256 else 2)
    return {"PNG": b"IEND", "JPEG": b"\xff\xd9"}[kind] not in _tail(file, size)


def _dicom_is_cut(file: BinaryIO, size: int) -> bool:
    file.seek(0)
    try:
        header = dcmread(file, stop_before_pixels=True)
        syntax = header.file_meta.TransferSyntaxUID
        at = file.tell()  # of Pixel Data (7FE0,0010)
        if at >= size:
            return True
        if syntax.is_encapsulated:
            return DELIMITER not in _tail(file, size)
        if syntax.is_deflated:
            return False
        samples = int(header.get("SamplesPerPixel", 1)) * int(header.get("NumberOfFrames", None) or 1)
        return size - at < int(header.Rows) * int(header.Columns) * samples * int(header.BitsAllocated) // 8
    except UNPARSABLE:
        return True


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(0, size - TAIL_BYTES))
    return file.read(TAIL_BYTES)


def _sizes(root: Path, paths: list[str]) -> dict[str, int]:
    """Size of each file that is there; each folder is listed once."""
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    sizes: dict[str, int] = {}
    for folder, wanted in by_folder.items():
        try:
            with os.scandir(root / folder) as entries:
                found = {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except OSError:
            continue  # its files are reported as missing
        sizes |= {path: found[name] for path in wanted if (name := path.rpartition("/")[2]) in found}
    return sizes


def _name(row: dict[str, Any]) -> str:
    return str(row["path"]).rsplit("/", 1)[-1]


def _error(row: dict[str, Any], check: str, what: str) -> Finding:
    """A finding that makes the picture useless; leaving it out is the remedy that needs no guess."""
    return _about(row, Severity.ERROR, check, what, drop=True)


def _about(row: dict[str, Any], severity: Severity, check: str, what: str, *, drop: bool = False) -> Finding:
    return Finding(
        severity=severity,
        check=check,
        source=row["source"],
        image_id=row["image_id"],
        patient_id=row["patient_id"],
        message=f"{row['source']}/{row['image_id']}: {_name(row)} {what}",
        fixes=(Fix(source=row["source"], image_id=row["image_id"]),) if drop else (),
    )
