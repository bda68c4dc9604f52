"""Files to scores with a bundle."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mammoscope.images import Limits, Mammogram, read_mammogram
from mammoscope.images.folder import find_pictures
from mammoscope.images.guarded import Answer, answers
from mammoscope.models.bundle import Bundle


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
        files: Files of any name; in folders, those that `find_pictures` finds.
        limits: What reading one file may cost; the defaults if None.
        workers: Guarded processes that read; one per processor when not given. With 0 this one reads, too.
        progress: Called with (files done, files in all).

    Returns:
        One row a file, in the order given: `file` (its name; in a folder, its path from there), `score`,
        `probability` (None where the bundle has no calibrator), `call` (positive, negative, or None without a
        threshold), `laterality`, `view`, `traits` (what sets it apart from a plain mammogram); or `code` and `message`
        where the file could not be read. No file is left out.

    Raises:
        SourceError: A folder holds no mammogram.
    """
    found = find_pictures(files)
    rows: list[dict[str, Any]] = [{}] * len(found)
    read = partial(read_mammogram, preprocess=bundle.manifest.preprocess)
    paths = (one.path for one in found)
    for done, answer in enumerate(answers(read, paths, limits=limits, workers=workers), start=1):
        rows[answer.at] = _row(bundle, answer, name=found[answer.at].name)
        if progress is not None:
            progress(done, len(found))
    return rows


def _row(bundle: Bundle, answer: Answer[Mammogram], *, name: str) -> dict[str, Any]:
    names = ("file", "score", "probability", "call", "laterality", "view", "traits", "code", "message")
    row: dict[str, Any] = dict.fromkeys(names) | {"file": name}
    mammogram = answer.result
    if mammogram is None:
        return row | {"code": answer.code, "message": answer.message}
    score = float(bundle.predict([mammogram])[0])
    threshold, calibrator = bundle.manifest.threshold, bundle.manifest.calibrator
    probability = None if calibrator is None else float(calibrator.apply(np.array([score]))[0])
    call = None if threshold is None else "positive" if score >= threshold else "negative"
    about = {"laterality": mammogram.laterality, "view": mammogram.view, "traits": list(mammogram.traits)}
    return row | {"score": score, "probability": probability, "call": call} | about
