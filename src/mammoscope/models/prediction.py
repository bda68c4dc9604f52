"""Files to scores with a bundle."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mammoscope.errors import SourceError
from mammoscope.images import Limits, Mammogram, read_mammogram
from mammoscope.images.guarded import Answer, answers
from mammoscope.models.bundle import Bundle

SUFFIXES = frozenset({".dcm", ".png", ".pgm", ".jpg", ".jpeg", ".tif", ".tiff"})
"""What a folder is searched for; a file named by itself may be called anything."""


def predict_files(
    bundle: Bundle,
    files: Iterable[Path],
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Score files, and the mammograms in folders. Guarded processes read ahead while this one scores.

    Args:
        bundle: The model.
        files: Files of any name; in folders, those that end in one of `SUFFIXES`, and DICOM without a suffix.
        limits: What reading one file may cost; the defaults if None.
        workers: Guarded processes that read; one per processor when not given. With 0 this one reads, too.
        progress: Called with (files done, files in all).

    Returns:
        One row a file, in the order given: `file` (its name; in a folder, its path from there), `score`, `call`
        (positive, negative, or None without a threshold), `laterality`, `view`; or `code` and `message` where the
        file could not be read. No file is left out.

    Raises:
        SourceError: A folder holds no mammogram.
    """
    found = list(_found(files))
    rows: list[dict[str, Any]] = [{}] * len(found)
    read = partial(read_mammogram, preprocess=bundle.manifest.preprocess)
    paths = (file for file, _ in found)
    for done, answer in enumerate(answers(read, paths, limits=limits, workers=workers), start=1):
        rows[answer.at] = _row(bundle, answer, name=found[answer.at][1])
        if progress is not None:
            progress(done, len(found))
    return rows


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


def _row(bundle: Bundle, answer: Answer[Mammogram], *, name: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("file", "score", "call", "laterality", "view", "code", "message"))
    row["file"] = name
    mammogram = answer.result
    if mammogram is None:
        return row | {"code": answer.code, "message": answer.message}
    score = float(bundle.predict([mammogram])[0])
    threshold = bundle.manifest.threshold
    call = None if threshold is None else "positive" if score >= threshold else "negative"
    return row | {"score": score, "call": call, "laterality": mammogram.laterality, "view": mammogram.view}
