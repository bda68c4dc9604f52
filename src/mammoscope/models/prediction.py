"""Files to scores with a bundle."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mammoscope.errors import ImageError, SourceError
from mammoscope.images import read_mammogram
from mammoscope.models.bundle import Bundle

SUFFIXES = frozenset({".dcm", ".png", ".pgm", ".jpg", ".jpeg", ".tif", ".tiff"})
"""What a folder is searched for; a file named by itself may be called anything."""


def predict_files(bundle: Bundle, files: Iterable[Path]) -> list[dict[str, Any]]:
    """Score files, and the mammograms in folders.

    Args:
        bundle: The model.
        files: Files of any name; in folders, those that end in one of `SUFFIXES`, and DICOM without a suffix.

    Returns:
        One row a file: `file` (its name; in a folder, its path from there), `score`, `call` (positive, negative,
        or None without a threshold), `laterality`, `view`; or `code` and `message` where the file could not be
        read. No file is left out.

    Raises:
        SourceError: A folder holds no mammogram.
    """
    return [_row(bundle, file, name=name) for file, name in _found(files)]


def _found(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for file in files:
        if not file.is_dir():
            yield file, file.name
            continue
        inside = sorted(path for path in file.rglob("*") if path.is_file() and _named_as_a_picture(path))
        if not inside:
            raise SourceError(
                f"{file.name}: no file in it ends in {', '.join(sorted(SUFFIXES))}. Name the files one by one"
            )
        yield from ((path, path.relative_to(file).as_posix()) for path in inside)


def _named_as_a_picture(path: Path) -> bool:
    """By its suffix, or a DICOM file (PS3.10 section 7.1) that has none, as archives write them."""
    if path.suffix and not path.suffix[1:].isdigit():
        return path.suffix.lower() in SUFFIXES
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _row(bundle: Bundle, file: Path, *, name: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("file", "score", "call", "laterality", "view", "code", "message"))
    row["file"] = name
    try:
        mammogram = read_mammogram(file, preprocess=bundle.manifest.preprocess)
    except ImageError as error:
        return row | {"code": error.code, "message": str(error)}
    score = float(bundle.predict([mammogram])[0])
    threshold = bundle.manifest.threshold
    call = None if threshold is None else "positive" if score >= threshold else "negative"
    return row | {"score": score, "call": call, "laterality": mammogram.laterality, "view": mammogram.view}
