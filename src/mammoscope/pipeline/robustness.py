"""How much worse a trained model gets when the pictures of its test part do."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_samples import class_rows
from mammoscope.evaluation.robustness import Question, Robustness, RobustnessCurve, curve
from mammoscope.evaluation.samples import checked
from mammoscope.evaluation.tasks import classes_of
from mammoscope.images.cached import load_prepared
from mammoscope.images.corruptions import CORRUPTIONS, Corruption, corrupted
from mammoscope.images.grey import full_scale, to_grey
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.pipeline.machine import device_named
from mammoscope.pipeline.sealing import counted_look
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.models import Bundle

BATCH = 16
SAME = 1e-3  # scores of clean pictures may differ by this from those of the run: other hardware, other arithmetic
Progress = Callable[[int, int], None]
"""Called with (done, all)."""


def robustness(
    run: Path,
    *,
    cache: Path,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    images: int | None = None,
    seed: int = 0,
    device: str = "auto",
    break_seal: bool = False,
    progress: Progress | None = None,
) -> Robustness:
    """Score the test part again with corrupted pictures; leaves `robustness.json` and `robustness.csv`.

    The prepared pictures of the cache are corrupted, so nothing is decoded twice; scores come from the code that
    training, evaluation and prediction use. Nothing is fitted.

    Args:
        run: A measured run folder.
        cache: Folder of its prepared pictures.
        corruptions: Which.
        images: About how many images, all of some patients drawn at random; all of the test part if None.
        seed: Of corruptions, patients and replicates.
        device: cpu, cuda, mps or auto.
        break_seal: Look at a sealed test set whose budget is spent.
        progress: Called with (severities done, severities in all).

    Returns:
        Curves with intervals over patients, and the fall against the clean pictures.

    Raises:
        SourceError: The run is not complete; the cache has not the pictures that the run was predicted from.
        RecipeError: `images` is below 2.
        SealError: The test set is sealed and may not be looked at.
    """
    from mammoscope.models import Bundle, keep_memory

    keep_memory()
    if images is not None and images < 2:
        raise RecipeError(f"images must be at least 2, got {images}")
    recipe = read_json(run, "recipe.json", made_by="mammoscope split")
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    rows, of = _rows(run, predictions, cache=cache, images=images, seed=seed)
    bundle = Bundle.from_pretrained(run / "bundle")
    bundle.network.to(device_named(device))
    question = Question(
        task=str(recipe.get("target", "malignant")),
        threshold=None if classes_of(predictions) else bundle.manifest.threshold,
        replicates=recipe["measure"]["replicates"],
        seed=seed,
        confidence=recipe["measure"]["confidence"],
    )
    look = counted_look(run, what="robustness", predictions=predictions, model=recipe["name"], break_seal=break_seal)
    with look as looking:
        clean_rows = _scored(bundle, rows, cache=cache, corruption=None, severity=0.0, seed=seed)
        _refuse_other_pictures(rows, clean_rows, run=run)
        clean = question.measured(clean_rows)
        curves: list[RobustnessCurve] = []
        done, all_of_them = 0, sum(len(one.severities) for one in corruptions)
        for one in corruptions:
            points = []
            for severity in one.severities:
                scored = _scored(bundle, rows, cache=cache, corruption=one, severity=severity, seed=seed)
                points.append(question.point(question.measured(scored), clean=clean, severity=severity))
                done += 1
                if progress is not None:
                    progress(done, all_of_them)
            curves.append(curve(tuple(points), name=one.name, says=one.says))
        metrics, first = question.shown(clean), question.metrics(clean)[0]
        quoted = metrics[first]
        looking.result = {first: quoted.value, "low": quoted.low, "high": quoted.high}
    found = Robustness(
        metric=first,
        clean=metrics,
        curves=tuple(curves),
        threshold=question.threshold,
        images=rows.height,
        of=of,
        seed=seed,
        replicates=question.replicates,
        confidence=question.confidence,
        warnings=tuple(_warnings(quoted.positives, rows.height, of)),
        sealed=tuple(seal.sentence for seal in looking.seals),
    )
    write_text(run / "robustness.json", json.dumps(found.to_json(), indent=1) + "\n")
    write_text(run / "robustness.csv", as_csv(found))
    return found


def as_csv(found: Robustness) -> str:
    """One row a severity, the clean pictures first."""
    text = io.StringIO()
    first, *others = found.clean
    ends = (first, f"{first}_low", f"{first}_high", "drop", "drop_low", "drop_high")
    heads = ("corruption", "severity", *ends, "verdict", *others, "n", "positives", "patients")
    table = csv.DictWriter(text, heads, lineterminator="\n")
    table.writeheader()
    table.writerow(_cells("none", 0.0, found.clean))
    for one in found.curves:
        for at in one.points:
            told = at.drop.difference
            drop = {"drop": told.value, "drop_low": told.low, "drop_high": told.high}
            table.writerow(_cells(one.name, at.severity, at.metrics) | drop | {"verdict": at.drop.verdict})
    return text.getvalue()


def _cells(name: str, severity: float, metrics: dict[str, Any]) -> dict[str, Any]:
    first, *others = metrics
    quoted = metrics[first]
    values: dict[str, Any] = {key: metrics[key].value for key in others}
    counts: dict[str, Any] = {"n": quoted.n, "positives": quoted.positives, "patients": quoted.patients}
    ends: dict[str, Any] = {first: quoted.value, f"{first}_low": quoted.low, f"{first}_high": quoted.high}
    return {"corruption": name, "severity": severity, **ends, **values, **counts}


def _rows(
    run: Path, predictions: pl.DataFrame, *, cache: Path, images: int | None, seed: int
) -> tuple[pl.DataFrame, int]:
    """Test rows with their picture in the cache, of all patients or of some drawn at random."""
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    classes = classes_of(predictions)
    known = class_rows(predictions, classes=classes) if classes else checked(predictions)
    test = known.filter(pl.col("part").cast(pl.String) == Part.TEST.value).join(
        cohort.select("source", "image_id", "file"), on=["source", "image_id"], how="left"
    )
    test = test.sort("source", "patient_id", "image_id")
    missing = [name for name in test["file"] if name is None or not (cache / name).is_file()]
    if missing:
        raise SourceError(
            f"{run.name}: {len(missing)} of {test.height} pictures of the test part are not in the cache "
            f"{cache.name!r}. Name the right one with --cache, or prepare again: mammoscope prepare"
        )
    if images is None or images >= test.height:
        return test, test.height
    patients = test.select("source", "patient_id").unique(maintain_order=True)
    order = patients[np.random.default_rng(seed).permutation(patients.height).tolist()].with_row_index("_at")
    counts = order.join(test.group_by("source", "patient_id").len(), on=["source", "patient_id"], how="left").sort(
        "_at"
    )
    kept = counts.filter(pl.col("len").cum_sum() - pl.col("len") < images).select("source", "patient_id")
    return test.join(kept, on=["source", "patient_id"], how="semi", maintain_order="left"), test.height


def _scored(
    bundle: "Bundle", rows: pl.DataFrame, *, cache: Path, corruption: Corruption | None, severity: float, seed: int
) -> pl.DataFrame:
    """The rows with what the bundle says of their pictures, corrupted."""
    from mammoscope.models import Inputs, score, to_input

    def picture(job: tuple[str, str]) -> np.ndarray:
        file, image_id = job
        grey = load_prepared(cache / file)
        if corruption is None:
            return grey
        pixels = grey.astype(np.float32) / np.float32(full_scale(grey))
        changed = corrupted(pixels, corruption, severity=severity, image_id=image_id, seed=seed)
        return to_grey(changed, bits=bundle.manifest.preprocess.bits)

    def batches(pool: ThreadPoolExecutor) -> Iterator[Any]:
        jobs = list(rows.select("file", "image_id").iter_rows())
        waiting = [pool.submit(picture, job) for job in jobs[:BATCH]]
        for start in range(0, len(jobs), BATCH):
            ready, waiting = waiting, [pool.submit(picture, job) for job in jobs[start + BATCH : start + 2 * BATCH]]
            yield Inputs(to_input([one.result() for one in ready]))

    with ThreadPoolExecutor(2) as pool:
        manifest = bundle.manifest
        found = score(bundle.network, batches(pool), precision=manifest.precision, turns=manifest.turns)[0]
    columns = {"score": found[:, 1]}
    if classes_of(rows):
        columns = {f"score_{name}": found[:, at] for at, name in enumerate(manifest.tasks[0].classes)}
    told = [pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()]
    return rows.drop("prediction", strict=False).with_columns(told)


def _refuse_other_pictures(rows: pl.DataFrame, clean: pl.DataFrame, *, run: Path) -> None:
    columns = [name for name in clean.columns if name == "score" or name.startswith("score_")]
    if not set(columns) <= set(rows.columns):
        raise SourceError(f"{run.name}: bundle and predictions answer other questions. Train the run again")
    apart = float(np.abs(rows.select(columns).to_numpy() - clean.select(columns).to_numpy()).max())
    if apart > SAME:
        raise SourceError(
            f"{run.name}: the clean pictures of the cache score up to {apart:.3g} away from predictions.parquet: "
            "bundle, cache and predictions are not of one run. Train the run again, or name its own cache"
        )


def _warnings(positives: int, images: int, of: int) -> list[str]:
    found = ["corruptions are of prepared pictures: what a worse file does to finding the breast is not in them"]
    if images < of:
        found.append(f"{images} of {of} test images, all of patients drawn at random: not the run's own test result")
    if min(positives, images - positives) < 10:
        found.append(f"{positives} positive of {images} images: too few for intervals to be trusted")
    return found
