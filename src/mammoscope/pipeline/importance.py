"""What a run's answers hang on: each clinical column, the picture as a whole, each value that an estimator reads."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.errors import BundleError, SourceError, nearest
from mammoscope.pipeline.estimator_values import column_places, of_estimator
from mammoscope.pipeline.machine import device_named
from mammoscope.pipeline.part_samples import PartSamples, counted_part, part_samples
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.batches import Samples
    from mammoscope.explain import Seen
    from mammoscope.models import Bundle, Inputs

BYS = ("permutation", "impurity", "coefficients", "shap")
"""Ways to tell what an input is worth."""

SAME = {
    "float32": 1e-3,
    "bfloat16": 2e-2,
}  # from the run's own answers: other batches and hardware

Row = dict[str, Any]


def importance(
    run: Path,
    *,
    cache: Path,
    by: Sequence[str] = (),
    part: Part = Part.TUNE,
    repeats: int = 10,
    samples: int = 256,
    seed: int = 0,
    device: str = "auto",
    break_seal: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Row:
    """Tell what the answers of a run hang on; leaves `importance.json` and `importance.html`.

    Args:
        run: A trained run folder, with clinical columns or an estimator.
        cache: Folder of its prepared pictures.
        by: Some of `BYS`; all that the run has if empty.
        part: That is measured, tune or test. The default is tune, which has chosen the weights, but not trained them.
        repeats: Exchanges of each input.
        samples: Rows that SHAP explains, drawn at random where there are more.
        seed: Of exchanges, replicates and draws.
        device: cpu, cuda, mps or auto.
        break_seal: Look at a sealed test set whose budget is spent.
        progress: Called with (batches done, batches in all).

    Returns:
        What `importance.json` holds.

    Raises:
        BundleError: The network reads a picture only and has no estimator; or it has not what `by` asks for.
        SourceError: The run is not complete, its pictures are not in the cache, or they are of another run.
        SealError: The test set is sealed and may not be looked at.
    """
    from mammoscope.models import Bundle, keep_memory
    from mammoscope.report import write_importance

    keep_memory()
    if part is Part.TRAIN:
        raise SourceError("importance on the train part tells what was learned by heart. Choose tune or test")
    bundle = Bundle.from_pretrained(run / "bundle")
    wanted = wanted_ways(bundle, by)
    bundle.network.to(device_named(device))
    clinical = bundle.manifest.clinical
    with counted_part(run, part=part, what="importance", break_seal=break_seal) as looking:
        found = part_samples(run, part=part, cache=cache, clinical=clinical)
        train = part_samples(run, part=Part.TRAIN, cache=cache, clinical=clinical) if "shap" in wanted else None
        seen = _seen(bundle, found, train, progress=progress)
        facts: Row = {
            "name": bundle.manifest.name,
            "task": bundle.network.tasks[0].name,
            "classes": list(bundle.network.tasks[0].classes),
            "part": part.value,
            "by": list(wanted),
            "rows": len(found.samples),
            "unit": bundle.manifest.unit,
            "estimator": None if bundle.manifest.estimator is None else bundle.manifest.estimator.kind,
            "seed": seed,
            "notes": _notes(bundle, found, part),
        }
        if "permutation" in wanted:
            facts["permutation"] = _permutation(bundle, seen[0], found, repeats=repeats, seed=seed)
        facts |= of_estimator(bundle, seen, wanted, samples=samples, seed=seed)
        looking.result = {"inputs": len(facts.get("permutation", {}).get("inputs", []))}
    facts["sealed"] = [seal.sentence for seal in looking.seals]
    write_text(run / "importance.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")
    write_importance(facts, run=run)
    return facts


def wanted_ways(bundle: "Bundle", by: Sequence[str]) -> tuple[str, ...]:
    """The ways that a bundle has, or those that are asked for.

    Raises:
        BundleError: It has none, or not one that is asked for.
    """
    from mammoscope.models import importances

    manifest, estimator = bundle.manifest, bundle.network.estimator
    if manifest.clinical is None and estimator is None:
        raise BundleError(
            f"{manifest.name}: reads a picture and nothing else, by a network alone: there are no columns to weigh. "
            "Where it looks is shown by: mammoscope explain; what its layers see by: mammoscope feature-maps"
        )
    trees = estimator is not None and importances(estimator) is not None
    logistic = manifest.estimator is not None and manifest.estimator.kind == "logistic"
    has = {"permutation": True, "impurity": trees, "coefficients": logistic, "shap": trees}
    for one in by:
        if one not in BYS:
            raise BundleError(f"importance by {one!r}: there are {', '.join(BYS)}{nearest(one, BYS)}")
        if not has[one]:
            kind = "no estimator" if manifest.estimator is None else f"an estimator of kind {manifest.estimator.kind}"
            needs = "a logistic regression" if one == "coefficients" else "a forest or boosting"
            raise BundleError(
                f"{manifest.name}: importance by {one} needs {needs}, and it has {kind}. "
                f"It has: {', '.join(name for name, there in has.items() if there)}"
            )
    return tuple(one for one in BYS if (one in by if by else has[one]))


def _seen(
    bundle: "Bundle", found: PartSamples, train: PartSamples | None, *, progress: Callable[[int, int], None] | None
) -> "tuple[Seen, Seen | None]":
    """What the network makes of the part, and of the train part; refused if it is not what the run answered."""
    from mammoscope.explain import answers_to, seen_by

    manifest = bundle.manifest
    size = found.recipe.training.batch_size
    parts = [found.samples, *([] if train is None else [train.samples])]
    total, done = sum(-(-len(one) // size) for one in parts), 0

    def told(samples: "Samples") -> "Iterator[Inputs]":
        nonlocal done
        for inputs in _inputs(samples, size=size):
            yield inputs
            done += 1
            if progress is not None:
                progress(done, total)

    seen = seen_by(bundle.network, told(parts[0]), precision=manifest.precision, turns=manifest.turns)
    _refuse_other_answers(found, answers_to(bundle.network, seen)[0], limit=SAME[manifest.precision])
    if train is None:
        return seen, None
    return seen, seen_by(bundle.network, told(parts[1]), precision=manifest.precision)


def _inputs(samples: "Samples", *, size: int) -> "Iterator[Inputs]":
    from mammoscope.batches import batches, steps_of
    from mammoscope.models import Inputs

    for batch in batches(samples, steps_of(np.arange(len(samples)), batch_size=size)):
        yield Inputs(batch.pixels, batch.present, batch.codes, batch.clinical)


def _refuse_other_answers(found: PartSamples, chances: Float[np.ndarray, "samples classes"], *, limit: float) -> None:
    task = found.recipe.tasks[0]
    binary = task.kind == "binary"
    names = ["score"] if binary else [f"score_{name}" for name in task.classes]
    again = chances[:, 1:] if binary else chances
    now = found.table.select("source", "image_id").with_columns(
        pl.Series(f"_{name}", again[:, at]) for at, name in enumerate(names)
    )
    both = now.join(found.answers, on=["source", "image_id"], how="inner")
    ours, theirs = (both.select(prefix + name for name in names).to_numpy() for prefix in ("_", ""))
    apart = float(np.abs(ours - theirs).max(initial=0.0))
    if not both.height or apart > limit:
        raise SourceError(
            f"the pictures of the cache are answered up to {apart:.3g} away from predictions.parquet ({both.height} "
            "rows compared): bundle, cache and predictions are not of one run. Train again, or name its own --cache"
        )


def _notes(bundle: "Bundle", found: PartSamples, part: Part) -> list[str]:
    from mammoscope.records import READER_COLUMNS

    notes = []
    if part is Part.TUNE:
        notes.append("tune rows have chosen the epoch and the threshold: what is told of them is a little too good")
    columns = [] if bundle.manifest.clinical is None else [one.column for one in bundle.manifest.clinical.columns]
    read = [one for one in columns if one in READER_COLUMNS]
    if read:
        notes.append(f"{', '.join(read)}: filled in by a radiologist who looked at the picture")
    counts = np.bincount(found.samples.main[found.samples.main >= 0])
    if counts[counts > 0].min(initial=10) < 10:
        notes.append("fewer than 10 rows of a class: too few for intervals to be trusted")
    if len(columns) > 1:
        notes.append("of columns that say the same, each seems worth little: the other still says it")
    return notes


def _permutation(bundle: "Bundle", seen: "Seen", found: PartSamples, *, repeats: int, seed: int) -> Row:
    from mammoscope.explain import permutation_importance

    if found.samples.patients is None:
        raise SourceError("importance: the samples do not say whose they are. Train the run again")
    columns, settings = column_places(bundle), found.recipe.measure
    falls = permutation_importance(
        bundle.network,
        seen,
        labels=found.samples.labels,
        patients=found.samples.patients,
        columns=columns,
        repeats=repeats,
        seed=seed,
        replicates=min(settings.replicates, 500),
        confidence=settings.confidence,
    )
    return {
        "repeats": repeats,
        "confidence": settings.confidence,
        "patients": len(np.unique(found.samples.patients)),
        "inputs": [*columns, "picture"],
        "falls": [one.to_json() for one in falls],
    }
