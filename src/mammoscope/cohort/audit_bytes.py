"""Files with the same bytes: one picture under two ids, and what the table says of each."""

import os
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mammoscope.cohort.findings import Finding, Fix, Severity

SAMPLE_BYTES = 4096  # of the middle and of the end; enough to tell nearly all pictures of one size apart
BLOCK_BYTES = 1 << 20
FACTS = {"malignant": "labels", "laterality": "sides", "view": "views"}

Row = dict[str, Any]


def twin_findings(rows: Iterable[Row], *, root: Path, sizes: dict[str, int]) -> Iterator[Finding]:
    """Findings on pictures that are byte for byte another of the same source.

    Args:
        rows: source, patient_id, image_id, path, malignant, laterality, view of each picture that is there.
        root: Folder that the paths are relative to.
        sizes: Size of each file in bytes.
    """
    groups = _apart(rows, lambda row: sizes[row["path"]] or None)
    groups = [part for group in groups for part in _apart(group, lambda row: _sample(root / row["path"]))]
    groups = [part for group in groups for part in _apart(group, lambda row: _digest(root / row["path"]))]
    for group in groups:
        yield from _of_group(group)


def _apart(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[list[Row]]:
    """Groups of rows with one key, at least two each; rows without a key are left out."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        found = key(row)
        if found is not None:
            groups.setdefault(found, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _of_group(group: list[Row]) -> Iterator[Finding]:
    first = group[0]
    odd = [word for name, word in FACTS.items() if len({row[name] for row in group} - {None}) > 1]
    patients = {row["patient_id"] for row in group}
    if odd:
        for row in group:
            others = ", ".join(_whose(other) for other in group if other is not row)
            yield _found(
                row,
                Severity.ERROR,
                "same-bytes-contradictory",
                f"has the bytes of {others}, with other {' and '.join(odd)}. One of them is wrong; leave all out",
                drop=True,
            )
        return
    for row in group[1:]:
        same = len(patients) == 1
        alike = all(row[name] == first[name] for name in FACTS)
        yield _found(
            row,
            Severity.WARNING if same else Severity.ERROR,
            "same-bytes" if same else "same-bytes-patients",
            f"is byte for byte {_whose(first)}. "
            + ("Keep one of them" if same else "Perhaps one woman under two ids; give her one, or leave both out"),
            drop=same and alike,
        )


def _whose(row: Row) -> str:
    return f"{row['image_id']} of patient {row['patient_id']}"


def _found(row: Row, severity: Severity, check: str, what: str, *, drop: bool) -> Finding:
    return Finding(
        severity=severity,
        check=check,
        source=row["source"],
        image_id=row["image_id"],
        patient_id=row["patient_id"],
        message=f"{row['source']}/{row['image_id']}: {row['path'].rsplit('/', 1)[-1]} {what}",
        fixes=(Fix(source=row["source"], image_id=row["image_id"]),) if drop else (),
    )


def _sample(path: Path) -> bytes | None:
    """A little of the middle and of the end; None if the file cannot be read, which is another finding."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size // 2 - SAMPLE_BYTES // 2))
            middle = file.read(SAMPLE_BYTES)
            file.seek(max(0, size - SAMPLE_BYTES))
            return middle + file.read(SAMPLE_BYTES)
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    digest = blake2b()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return None
    return digest.digest()
