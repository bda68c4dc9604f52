"""From predictions to numbers and maps."""

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.calibrators import read_calibrator
from mammoscope.pipeline.beside import class_options, measured_members, measured_tasks, row_of, unit_cohort
from mammoscope.pipeline.folder import opened, read_json, read_table
from mammoscope.pipeline.gating import conformal_of
from mammoscope.pipeline.sealing import counted_look
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.evaluation import Evaluation, TaskEvaluation

SHOWN = ("auc", "sensitivity", "specificity")
CLASSES_SHOWN = ("accuracy", "balanced_accuracy", "macro_auc", "kappa_quadratic")
"""Numbers that go into the bundle, of yes or no and of several classes."""


def measure(run: Path, *, break_seal: bool = False) -> dict[str, Any]:
    """Compute every number of a run from its predictions; leaves `metrics.json` and completes the bundle.

    Args:
        run: The run folder.
        break_seal: Evaluate on a sealed test set whose budget is spent; the ledger says so.

    Returns:
        What `metrics.json` holds. Of several classes it has `kind` "classes"; `tasks` are the other tasks of the run,
        `members` other answers on the same rows.

    Raises:
        SourceError: The folder has no predictions, or they are not sound.
        SealError: The test set is sealed and may not be evaluated on.
    """
    recipe = read_json(run, "recipe.json", made_by="mammoscope split")
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    settings, row, target = recipe["measure"], row_of(recipe), str(recipe.get("target", "malignant"))
    how = _how(settings, row)
    look = counted_look(run, what="evaluate", predictions=predictions, model=recipe["name"], break_seal=break_seal)
    with look as looking:
        facts = _facts(predictions, cohort=cohort, task=target, row=row, settings=settings)
        tasks = measured_tasks(run, cohort=cohort, row=row, main=target, settings=settings, how=how)
        facts |= {"tasks": tasks} if tasks else {}
        digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        looking.result = {**_headline(facts), "metrics": digest}
    beside, notes = measured_members(
        run, predictions, recipe=recipe, how=_of_members(how), row=row, break_seal=break_seal
    )
    facts |= {"members": beside} if beside else {}
    facts |= {"sealed": [seal.to_json() for seal in looking.seals]} if looking.seals else {}
    facts["warnings"] += notes + _of_rows(recipe) + _of_calibration(facts, settings)
    if looking.trained_on:
        facts["warnings"] += [f"{looking.trained_on} patients of a sealed test set are in train or tune of this run"]
    write_text(run / "metrics.json", json.dumps(facts, indent=2))
    _complete_bundle(run, facts)
    return facts


def _how(settings: dict[str, Any], row: Any) -> dict[str, Any]:
    """A recipe's [measure] as `evaluate` takes it."""
    from mammoscope.evaluation import evaluation_options

    return {"headline": row, **evaluation_options(settings, row=row)}


def _of_members(how: dict[str, Any]) -> dict[str, Any]:
    kept = ("rule", "at_least", "at_most", "miss_cost", "aggregation", "replicates", "confidence")
    return {name: how[name] for name in kept if name in how}


def _facts(
    predictions: pl.DataFrame, *, cohort: pl.DataFrame, task: str, row: Any, settings: dict[str, Any]
) -> dict[str, Any]:
    from mammoscope.evaluation import classes_of, evaluate, evaluate_task, subgroups

    about = unit_cohort(cohort, row=row, task=task)
    drawn = {key: settings[key] for key in ("replicates", "confidence")}
    result: Evaluation | TaskEvaluation
    threshold = None
    if classes_of(predictions):
        result = evaluate_task(predictions, task=task, cohort=about, row=row, **class_options(settings))
    else:
        result = evaluate(predictions, cohort=about, **_how(settings, row))
        threshold = result.units[result.headline].threshold.value
    groups = subgroups(predictions, cohort=about, threshold=threshold, task=task, unit="image", **drawn)
    return result.to_json() | {"subgroups": replace(groups, unit=row).to_json()}


def _headline(facts: dict[str, Any]) -> dict[str, Any]:
    """What the ledger of a sealed test set keeps of a look."""
    test = facts["units"][facts["headline"]]["test"]
    name = facts.get("primary", "auc")
    found = test[name]
    return {name: found["value"], "low": found["low"], "high": found["high"]}


def _of_rows(recipe: dict[str, Any]) -> list[str]:
    if recipe.get("permute_labels") is not None:
        said = f"a control: train and tune labels were exchanged between patients, seed {recipe['permute_labels']}"
        return [f"{said}; measured against true labels, where nothing but chance is to be found"]
    if (recipe.get("input") or {}).get("unit") != "lesion":
        return []
    return ["a row is the crop of one lesion: what is told per image is told per lesion"]


def explain(
    run: Path,
    *,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    each: int = 4,
    svg: bool = False,
    root: Path | None = None,
) -> list[dict[str, Any]]:
    """Draw maps of the clearest hits and errors on the test part; leaves `explanations/` and `gallery.html`.

    Args:
        run: A measured run folder.
        methods: Some of `mammoscope.explain.METHODS`; side by side in the gallery.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        each: Pictures in each of the four groups.
        svg: Write each drawing as SVG, too.
        root: Folder of the data set, if it has moved.

    Returns:
        One row a picture and method, as in `explanations.json`.
    """
    from mammoscope.explain import explain_predictions
    from mammoscope.models import Bundle
    from mammoscope.report import write_gallery

    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    bundle = Bundle.from_pretrained(run / "bundle")
    rows = explain_predictions(
        predictions,
        bundle=bundle,
        index=opened(run / "index.parquet", root=root),
        folder=run / "explanations",
        each=each,
        methods=methods,
        layer=layer,
        task=task,
        of=of,
        pictures=read_table(run, "cohort.parquet", made_by="mammoscope train") if bundle.manifest.design.bags else None,
        svg=svg,
    )
    write_gallery(run)
    return rows


def _of_calibration(facts: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    method = settings.get("calibration", "none")
    if facts.get("kind") != "classes" or method in {"none", "temperature"}:
        return []
    said = f"{method} calibration is of yes or no: these scores are measured as they are. Of several classes there is"
    return [f"{said} temperature"]


def _complete_bundle(run: Path, facts: dict[str, Any]) -> None:
    """Write threshold, calibrator and results into the bundle of a measured run."""
    from mammoscope.models import Bundle

    if not (run / "bundle" / "bundle.json").is_file():
        return
    bundle = Bundle.from_pretrained(run / "bundle")
    changes = _of_classes(facts) if facts.get("kind") == "classes" else _of_yes_or_no(facts)
    replace(bundle, manifest=bundle.manifest.model_copy(update=changes)).save_pretrained(run / "bundle")


def _of_yes_or_no(facts: dict[str, Any]) -> dict[str, Any]:
    """At the unit that a row stands for: it is rows that the bundle scores."""
    unit = facts["units"][facts["aggregation"]["row"]]
    threshold, calibrator = unit["threshold"], unit["calibration"]["calibrator"]
    return {
        "threshold": threshold["value"],
        "threshold_rule": f"{threshold['rule']} on {threshold['chosen_on']}",
        "calibrator": None if calibrator is None else read_calibrator(calibrator),
        "calibrated_at": None if calibrator is None else unit["calibration"]["prevalence"],
        "conformal": conformal_of(unit),
        "results": {name: unit["test"][name] for name in SHOWN},
    }


def _of_classes(facts: dict[str, Any]) -> dict[str, Any]:
    """No threshold: the class with the highest score is called."""
    unit = facts["units"][facts["row"]]
    test, calibrator = unit["test"], (unit["calibration"] or {}).get("calibrator")
    named = [name for name in CLASSES_SHOWN if name in test and (facts["ordered"] or name != "kappa_quadratic")]
    return {
        "calibrator": None if calibrator is None else read_calibrator(calibrator),
        "conformal": conformal_of(unit),
        "results": {name: test[name] for name in named},
    }
