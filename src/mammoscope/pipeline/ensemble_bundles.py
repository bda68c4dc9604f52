"""From a measured ensemble of runs to a bundle that answers for files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mammoscope.calibrators import read_calibrator
from mammoscope.combiners import read_combiner
from mammoscope.errors import BundleError
from mammoscope.pipeline.folder import read_json
from mammoscope.pipeline.gating import conformal_of


def bundle_ensemble(run: Path, *, members: Sequence[Path]) -> str | None:
    """Put the members' bundles into one, with the threshold and calibrator of the measured ensemble.

    Args:
        run: A measured run folder that `ensemble` left; `bundle/` is made in it.
        members: The run folders that it was made of, in the same order.

    Returns:
        None; or why there is no bundle, where a member has none or reads pictures in another way.

    Raises:
        SourceError: The ensemble was not measured.
    """
    from mammoscope.models.ensemble import EnsembleManifest, write_ensemble

    made = read_json(run, "ensemble.json", made_by="mammoscope ensemble")
    facts = read_json(run, "metrics.json", made_by="mammoscope evaluate")
    bundles = {member.resolve().name: member / "bundle" for member in members}
    lacking = [name for name, bundle in bundles.items() if not (bundle / "bundle.json").is_file()]
    if lacking:
        return f"{', '.join(lacking)} has no bundle of one network"
    manifest = EnsembleManifest(
        name=run.resolve().name,
        members=dict.fromkeys(bundles, ""),
        combiner=read_combiner(made["combiner"]),
        **_measured(facts),
    )
    try:
        write_ensemble(run / "bundle", manifest=manifest, members=bundles)
    except BundleError as error:
        return str(error)
    return None


def _measured(facts: dict[str, Any]) -> dict[str, Any]:
    """Threshold, calibrator and results at the unit that is quoted first."""
    unit = facts["units"][facts["headline"]]
    names = ("auc", "sensitivity", "specificity", "accuracy", "balanced_accuracy", "macro_auc", "kappa_quadratic")
    kept = ("value", "low", "high", "n", "positives", "patients")
    found: dict[str, Any] = {
        "results": {name: {key: unit["test"][name][key] for key in kept} for name in names if name in unit["test"]}
    }
    threshold, calibration = unit.get("threshold"), unit.get("calibration") or {}
    if threshold is not None and threshold["value"] is not None:
        found |= {"threshold": threshold["value"]}
        found |= {"threshold_rule": f"{threshold['rule']} on {threshold['chosen_on']}"}
    if calibration.get("calibrator") is not None:
        found |= {"calibrator": read_calibrator(calibration["calibrator"]), "calibrated_at": calibration["prevalence"]}
    return found | {"conformal": conformal_of(unit)}
