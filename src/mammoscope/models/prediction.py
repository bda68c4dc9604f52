"""Files to answers with a bundle."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mammoscope.calibrators import Temperature
from mammoscope.errors import BundleError, SourceError
from mammoscope.images import Limits, Mammogram
from mammoscope.images.folder import Found, find_pictures
from mammoscope.images.guarded import Answer, answers
from mammoscope.images.mammogram import SEVERAL, several_people
from mammoscope.images.volumes import find_slices, read_found
from mammoscope.models.bundle import Likeness, Manifest, Sample
from mammoscope.models.ensemble import AnyBundle
from mammoscope.referral import REFER
from mammoscope.vocabulary import Laterality

NAMES = (
    *("file", "slice", "score", "probability", "call", "answer", "possible", "coverage", "unlike"),
    *("laterality", "view", "traits", "code", "message"),
)
UNLIKE = "unlike-training"
"""Code of a picture outside the gate."""


def predict_files(
    bundle: AnyBundle,
    files: Iterable[Path],
    *,
    clinical: pl.DataFrame | None = None,
    slices: bool = False,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Score files, and the mammograms in folders. Guarded processes read ahead while this one scores.

    Args:
        bundle: The model.
        files: Files of any name; in folders, those that `find_pictures` finds. Of a bundle that answers per breast or
            exam, the mammograms of one exam lie in one folder.
        clinical: Columns that the bundle reads beside pictures, with a column `file` that has the name of each file as
            `find_pictures` gives it, or of a breast or exam its folder; who is not in it is unknown.
        slices: Score each slice of a tomosynthesis volume; otherwise the slab that the bundle names, and a volume is
            refused where it names none.
        limits: What reading one file may cost; the defaults if None.
        workers: Guarded processes that read; one per processor when not given. With 0 this one reads, too.
        progress: Called with (files done, files in all).

    Returns:
        One row a file, in the order given: `file` (its name; in a folder, its path from there), `slice` (its number
        where slices are scored, from 1; None for other files), `score`,
        `probability` (None where the bundle has no calibrator), `call` (positive, negative, or None without a
        threshold), `laterality`, `view`, `traits` (what sets it apart from a plain mammogram); or `code` and `message`
        where the file could not be read. Of more than two classes `call` is the one with the highest `score`,
        `probability` is that of the call, and `classes` has all scores. Of a breast or exam one row each, with `files`,
        before the rows of files that could not be read; where its files name `several-patients`, that is among the
        `traits`, and `message` says so. No file is left out.

        Where the bundle has conformal limits, `possible` has the classes that the score leaves possible, `answer` is
        the only one of them or `refer`, and `coverage` has what is `stated` and on which `condition`. Where it has a
        gate, `unlike` has `distance` from the training pictures, `limit` and `code`: `unlike-training` beyond the
        limit, and there `answer` is `refer` while the score stands; None within. Without them all four are None.

    Raises:
        BundleError: The bundle is a control, trained on labels that were exchanged between patients; or slices are
            asked of one that answers per breast or exam.
        SourceError: A folder holds no mammogram, or the clinical table lacks a column.
    """
    if bundle.manifest.is_control:
        raise BundleError(
            f"{bundle.manifest.name}: is a control, trained on labels that were exchanged between patients, and its "
            "answers mean nothing. Use the bundle of the run it is a control of"
        )
    found = find_pictures(files)
    if slices:
        found = _taken_apart(found, bundle.manifest, limits=limits, workers=workers)
    told = partial(_clinical, bundle, clinical)
    read = partial(read_found, preprocess=bundle.manifest.preprocess, is_crop=bundle.manifest.unit == "lesion")
    arrived: dict[int, Answer[Mammogram]] = {}
    bags = bundle.manifest.design.bags
    rows: list[dict[str, Any]] = [{}] * len(found)
    together: list[dict[str, Any]] = []
    exams: dict[Path, list[int]] = {}
    for at, one in enumerate(found):
        exams.setdefault(one.path.parent, []).append(at)
    missing = {folder: len(same) for folder, same in exams.items()}
    for done, answer in enumerate(answers(read, found, limits=limits, workers=workers), start=1):
        if answer.result is None or not bags:
            rows[answer.at] = _row(bundle, answer, found=found[answer.at], told=told)
        if bags:
            arrived[answer.at] = answer
            folder = found[answer.at].path.parent
            missing[folder] -= 1
            if not missing[folder]:
                together += _rows(bundle, [(found[at], arrived.pop(at)) for at in exams[folder]], told=told)
        if progress is not None:
            progress(done, len(found))
    return [*sorted(together, key=lambda row: str(row["file"])), *(row for row in rows if row)]


def _taken_apart(found: list[Found], manifest: Manifest, *, limits: Limits | None, workers: int | None) -> list[Found]:
    if manifest.design.bags:
        raise BundleError(
            f"{manifest.name}: answers per {manifest.unit}, from its pictures together, and a slice is a picture by "
            "itself. Use a bundle that answers per image"
        )
    return find_slices(found, preprocess=manifest.preprocess, limits=limits, workers=workers)


def _rows(
    bundle: AnyBundle, read: Sequence[tuple[Found, Answer[Mammogram]]], *, told: Callable[[str], pl.DataFrame | None]
) -> list[dict[str, Any]]:
    """One row for the exam in a folder, or for each of its breasts."""
    folder = read[0][0].path.resolve().parent.name
    sides: dict[Laterality | None, list[tuple[Found, Mammogram]]] = {}
    for one, answer in read:
        if answer.result is not None:
            side = answer.result.laterality if bundle.manifest.unit == "breast" else None
            sides.setdefault(side, []).append((one, answer.result))
    found = []
    for side, pictures in sides.items():
        about: dict[str, Any] = {"file": folder, "laterality": side, "files": [one.name for one, _ in pictures]}
        about["traits"] = sorted({str(trait) for _, mammogram in pictures for trait in mammogram.traits})
        sample = [mammogram for _, mammogram in pictures]
        if (why := several_people(sample)) is not None:
            about |= {"traits": [*about["traits"], SEVERAL], "message": why}
        found.append(dict.fromkeys(NAMES) | about | _answered(bundle, sample, clinical=told(folder)))
    return found


def _row(
    bundle: AnyBundle, answer: Answer[Mammogram], *, found: Found, told: Callable[[str], pl.DataFrame | None]
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(NAMES) | {"file": found.name, "slice": found.slice_number}
    mammogram = answer.result
    if mammogram is None:
        return row | {"code": answer.code, "message": answer.message}
    about = {"laterality": mammogram.laterality, "view": mammogram.view, "traits": list(mammogram.traits)}
    return row | about | _answered(bundle, mammogram, clinical=told(found.name))


def _answered(bundle: AnyBundle, sample: Sample, *, clinical: pl.DataFrame | None) -> dict[str, Any]:
    """Score, probability and call of one sample, and whether it is for a reader."""
    manifest = bundle.manifest
    chances, likeness = bundle.answer(sample, clinical=clinical)
    task = manifest.tasks[0]
    told = _referred(manifest, chances, likeness)
    if task.kind != "binary":
        most = int(chances.argmax())
        classes = {name: float(chance) for name, chance in zip(task.classes, chances, strict=True)}
        probability = None
        if isinstance(manifest.calibrator, Temperature):
            probability = float(manifest.calibrator.among_classes(chances[None].astype(np.float64))[0, most])
        about = {"call": task.classes[most], "probability": probability}
        return {"score": float(chances[most]), **about, "classes": classes, **told}
    score, threshold, calibrator = float(chances[1]), manifest.threshold, manifest.calibrator
    probability = None if calibrator is None else float(calibrator.apply(np.array([score]))[0])
    call = None if threshold is None else "positive" if score >= threshold else "negative"
    return {"score": score, "probability": probability, "call": call, **told}


def _referred(manifest: Manifest, chances: np.ndarray, likeness: Likeness | None) -> dict[str, Any]:
    """What the limits of a bundle say of an answer; nothing where it has none."""
    told: dict[str, Any] = {}
    if likeness is not None:
        code = UNLIKE if likeness.outside else None
        told["unlike"] = {"code": code, "distance": likeness.distance, "limit": likeness.limit}
    if manifest.conformal is not None:
        scores = chances[1:2] if manifest.tasks[0].kind == "binary" else chances[None]
        inside = manifest.conformal.sets(scores.astype(np.float64))[0]
        told["possible"] = [name for name, may in zip(manifest.conformal.classes, inside, strict=True) if may]
        told["answer"] = manifest.conformal.calls(scores.astype(np.float64))[0]
        told["coverage"] = {"stated": manifest.conformal.coverage, "condition": manifest.conformal.sentence}
    if likeness is not None and likeness.outside:
        told["answer"] = REFER
    return told


def _clinical(bundle: AnyBundle, table: pl.DataFrame | None, name: str) -> pl.DataFrame | None:
    """The row of a file; None where all is unknown."""
    if table is None or bundle.manifest.clinical is None:
        return None
    if "file" not in table.columns:
        raise SourceError("clinical table: has no column 'file'. Add it, with the name of each file")
    row = table.filter(pl.col("file").cast(pl.String) == name)
    if row.height > 1:
        raise SourceError(f"clinical table: file {name!r} stands {row.height} times. Keep one row")
    return row if row.height else None


def read_clinical(path: Path) -> pl.DataFrame:
    """Read a CSV of clinical columns for `predict_files`; every cell is text, and is parsed as its column asks.

    Raises:
        SourceError: There is no such file, or it is not a table.
    """
    try:
        return pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise SourceError(f"{path.name}: no such file. Give a CSV with a column file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceError(f"{path.name}: is not a CSV table ({reason}). Save it as UTF-8 CSV") from error
