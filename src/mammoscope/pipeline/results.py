"""From predictions to numbers and maps."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from mammoscope.calibrators import read_calibrator
from mammoscope.pipeline.folder import opened, read_json, read_table
from mammoscope.pipeline.sealing import counted_look
from mammoscope.storage import write_text


def measure(run: Path, *, break_seal: bool = False) -> dict[str, Any]:
    """Compute every number of a run from its predictions; leaves `metrics.json` and completes the bundle.

    Args:
        run: The run folder.
        break_seal: Evaluate on a sealed test set whose budget is spent; the ledger says so.

    Returns:
        What `metrics.json` holds.

    Raises:
        SourceError: The folder has no predictions, or they are not sound.
        SealError: The test set is sealed and may not be evaluated on.
    """
    recipe = read_json(run, "recipe.json", made_by="mammoscope split")
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    look = counted_look(run, what="evaluate", predictions=predictions, model=recipe["name"], break_seal=break_seal)
    with look as looking:
        facts = _facts(predictions, cohort=cohort, settings=recipe["measure"])
        auc = facts["units"][facts["headline"]]["test"]["auc"]
        digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        looking.result = {"auc": auc["value"], "low": auc["low"], "high": auc["high"], "metrics": digest}
    facts |= {"sealed": [seal.to_json() for seal in looking.seals]} if looking.seals else {}
    if looking.trained_on:
        facts["warnings"] += [f"{looking.trained_on} patients of a sealed test set are in train or tune of this run"]
    write_text(run / "metrics.json", json.dumps(facts, indent=2))
    _complete_bundle(run, facts)
    return facts


def _facts(predictions: pl.DataFrame, *, cohort: pl.DataFrame, settings: dict[str, Any]) -> dict[str, Any]:
    from mammoscope.evaluation import Targets, evaluate, subgroups

    result = evaluate(
        predictions,
        cohort=cohort,
        **rule_of(settings),
        targets=Targets(prevalence=settings.get("prevalence")),
        calibration=settings.get("calibration", "none"),
        replicates=settings["replicates"],
        confidence=settings["confidence"],
    )
    groups = subgroups(
        predictions,
        cohort=cohort,
        threshold=result.units[result.headline].threshold.value,
        unit=result.headline,
        replicates=settings["replicates"],
        confidence=settings["confidence"],
    )
    return result.to_json() | {"subgroups": groups.to_json()}


def rule_of(settings: dict[str, Any]) -> dict[str, Any]:
    """The rule of a recipe's [measure], and of its numbers the one that the rule takes."""
    rule = settings["threshold"]
    bounds = {"sensitivity": "at_least", "specificity": "at_least", "recall_rate": "at_most", "cost": "miss_cost"}
    return {"rule": rule} | ({bounds[rule]: settings[bounds[rule]]} if rule in bounds else {})


def explain(run: Path, *, each: int = 4, root: Path | None = None) -> list[dict[str, Any]]:
    """Draw Grad-CAM maps of the clearest hits and errors on the test part; leaves `explanations/`.

    Args:
        run: A measured run folder.
        each: Pictures in each of the four groups.
        root: Folder of the data set, if it has moved.

    Returns:
        One row a picture, as in `explanations.json`.
    """
    from mammoscope.explain import explain_predictions
    from mammoscope.models import Bundle

    return explain_predictions(
        read_table(run, "predictions.parquet", made_by="mammoscope train"),
        bundle=Bundle.from_pretrained(run / "bundle"),
        index=opened(run / "index.parquet", root=root),
        folder=run / "explanations",
        each=each,
    )


def _complete_bundle(run: Path, facts: dict[str, Any]) -> None:
    """Write threshold, calibrator and results into the bundle of a measured run."""
    from mammoscope.models import Bundle

    if not (run / "bundle" / "bundle.json").is_file():
        return
    bundle = Bundle.from_pretrained(run / "bundle")
    unit = facts["units"]["image"]
    threshold, calibrator = unit["threshold"], unit["calibration"]["calibrator"]
    manifest = bundle.manifest.model_copy(
        update={
            "threshold": threshold["value"],
            "threshold_rule": f"{threshold['rule']} on {threshold['chosen_on']}",
            "calibrator": None if calibrator is None else read_calibrator(calibrator),
            "calibrated_at": None if calibrator is None else unit["calibration"]["prevalence"],
            "results": {name: unit["test"][name] for name in ("auc", "sensitivity", "specificity")},
        }
    )
    Bundle(manifest=manifest, network=bundle.network).save_pretrained(run / "bundle")
