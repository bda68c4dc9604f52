"""What a run says of its results: how they were measured, what was found, what limits them."""

from collections import Counter
from typing import Any

from mammoscope.report.answers import Question, held
from mammoscope.report.class_words import SHORT, lower, rows_words
from mammoscope.report.folder import RunFiles
from mammoscope.report.subgroups import name_of
from mammoscope.report.words import (
    METRIC_NAMES,
    PLURAL,
    Facts,
    interval,
    lead_words,
    metric_words,
    number,
    percent,
    rule_words,
    size_words,
)

CALLS = ("sensitivity", "specificity", "ppv", "npv", "recall_rate")
SCORES = ("slope", "intercept", "observed_to_expected")


def estimate_words(estimate: Facts, *, level: str) -> str:
    """A number with its interval, or why there is none.

    Example:
        >>> estimate_words({"value": 0.8, "low": 0.7, "high": 0.9}, level="95 %")
        '0.800 (95 % 0.700 to 0.900)'
        >>> estimate_words({"value": None, "reason": "single class"}, level="95 %")
        'not defined: single class'
    """
    if estimate["value"] is None:
        return f"not defined: {estimate.get('reason') or 'no reason given'}"
    ends = interval(estimate)
    return f"{number(estimate['value'])} ({level} {ends})" if ends else f"{number(estimate['value'])} (no interval)"


def headline(files: RunFiles) -> tuple[dict[str, Any], str, str]:
    """Result of the headline's unit, the unit, and the level of the intervals in words."""
    metrics = held(files.metrics)
    return metrics["units"][metrics["headline"]], metrics["headline"], percent(metrics["confidence"])


def _measured(files: RunFiles) -> str:
    metrics = held(files.metrics)
    test = metrics["units"][metrics["headline"]]["test"]
    targets = metrics.get("targets")
    defined = [key for key in METRIC_NAMES if key in test and test[key]["value"] is not None]
    names = ", ".join(metric_words(key, targets=targets) for key in defined)
    units = ", ".join(f"{unit} ({found['aggregation']})" for unit, found in metrics["units"].items())
    return f"{names}; per {units}"


def _uncertainty(files: RunFiles) -> str:
    result, _, level = headline(files)
    auc, other = result["test"]["auc"], result["test"]["average_precision"]
    drawn = f"{other['method']}, {other['replicates']:,} replicates"
    kinds = drawn if auc["method"] == other["method"] else f"ROC AUC: {auc['method']}; all others: {drawn}"
    return f"{level} intervals over patients, never over images. {kinds}"


def _auc(files: RunFiles) -> str:
    metrics = held(files.metrics)
    level = percent(metrics["confidence"])
    return "\n".join(
        f"ROC AUC per {unit} {estimate_words(found['test']['auc'], level=level)}, "
        f"{size_words(found['test']['auc'], unit=unit)}"
        for unit, found in metrics["units"].items()
    )


def _internal(files: RunFiles) -> str:
    result, unit, level = headline(files)
    parts = (f"{part} {estimate_words(result[part]['auc'], level=level)}" for part in ("tune", "test"))
    return f"ROC AUC per {unit}: {'; '.join(parts)}\nweights and threshold were chosen on the tune part"


def threshold_words(result: Facts, *, unit: str) -> str | None:
    """The threshold of a unit and its rule; None where there is none."""
    threshold = result["threshold"]
    if threshold["value"] is None:
        return None
    chosen = "fixed beforehand" if threshold["rule"] == "fixed" else f"chosen on the {threshold['chosen_on']} part"
    return f"score >= {number(threshold['value'])} per {unit}: {rule_words(threshold)}, {chosen}"


def _threshold(files: RunFiles) -> str | None:
    told = [threshold_words(found, unit=unit) for unit, found in held(files.metrics)["units"].items()]
    return "\n".join(line for line in told if line) or None


def _calls(files: RunFiles) -> str | None:
    result, unit, level = headline(files)
    if result["threshold"]["value"] is None:
        return None
    test = result["test"]
    told = "; ".join(
        f"{METRIC_NAMES[name].lower()} {estimate_words(test[name], level=level)}" for name in CALLS if name in test
    )
    return f"per {unit} at the threshold: {told}; {size_words(test['auc'], unit=unit)}"


def _calibration(files: RunFiles) -> str:
    result, _, level = headline(files)
    found = result["calibration"]
    scores = found["probabilities"] or found["scores"]
    what = "scores as they are" if found["calibrator"] is None else f"scores after {found['method']} on tune"
    told = "; ".join(f"{name.replace('_', ' ')} {estimate_words(scores[name], level=level)}" for name in SCORES)
    return f"{what}: {told}; share of positives {number(scores['prevalence'])}"


def _updating(files: RunFiles) -> str:
    found = headline(files)[0]["calibration"]
    if found["calibrator"] is None:
        return f"none: {found['reason'] or 'no calibrator was fitted'}"
    return f"{found['method']} from scores to probabilities, fitted on the tune part; weights were not changed"


def subgroup_rows(files: RunFiles) -> list[str]:
    """By factor the worst group with its interval, or why there is none."""
    found = held(held(files.metrics)["subgroups"])
    level, first = percent(found["confidence"]), found.get("primary", "auc")
    rows = []
    for factor in found["factors"]:
        gap = factor["gaps"][first]
        if gap["worst"] is None:
            rows.append(f"{factor['name']}: {gap['reason']}")
            continue
        worst = gap["worst_value"]
        verdict = "not tested" if gap["differs"] is None else "differs" if gap["differs"] else "not distinguishable"
        size = (size_words if first == "auc" else rows_words)(worst, unit=found["unit"])
        rows.append(
            f"{factor['name']}: lowest {lower(SHORT[first])} in {gap['worst']}, {estimate_words(worst, level=level)}, "
            f"{size}; {verdict} from {gap['best']}"
        )
    return rows


def _subgroups(files: RunFiles) -> str | None:
    return "\n".join(subgroup_rows(files)) or None


def _clusters(files: RunFiles) -> str | None:
    return "\n".join(row for row in subgroup_rows(files) if row.startswith(("machine:", "site:", "source:"))) or None


def _confusion(files: RunFiles) -> str | None:
    result, unit, _ = headline(files)
    cells = result["confusion"]
    if cells is None:
        return None
    told = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in cells.items())
    return f"{PLURAL[unit]} of the test part: {told}"


def _failures(files: RunFiles) -> str | None:
    cells = _confusion(files)
    return f"{cells}; hardest misses and false calls with pictures in report.html" if cells else None


def _explained(files: RunFiles) -> str | None:
    if not isinstance(files.explanations, list) or not files.explanations:
        return None
    methods = Counter(str(row.get("method")) for row in files.explanations)
    return ", ".join(f"{name} on {count:,} test pictures" for name, count in methods.most_common()) + "; report.html"


def _robustness(files: RunFiles) -> str:
    found = held(files.robustness)
    fell = [curve["name"] for curve in found["curves"] if curve["first_fall"] is not None]
    return (
        f"{len(found['curves'])} kinds of corrupted pictures; the {name_of(found['metric'])} fell beyond the patients' "
        "variation with: "
        f"{', '.join(fell) or 'none'}"
    )


def _baselines(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    unit = metrics["headline"]
    return "\n".join(f"AUC {lead_words(baseline, unit=unit)}" for baseline in metrics["baselines"]) or None


def _clinical(files: RunFiles) -> str | None:
    units = held(files.metrics)["units"]
    told = [found["per_thousand"]["sentence"] for found in units.values() if found.get("per_thousand")]
    return "\n".join(told) or None


def _prevalence(files: RunFiles) -> str:
    metrics = held(files.metrics)
    result, unit, _ = headline(files)
    auc, stated = result["test"]["auc"], held(metrics.get("targets", {})).get("prevalence")
    where = "no prevalence of use is stated" if stated is None else f"stated for its use: {stated:g}"
    return f"positive in the test part: {auc['positives']:,} of {auc['n']:,} {PLURAL[unit]}; {where}"


def warnings_of(metrics: Facts) -> list[str]:
    """What the evaluation warns of, once each."""
    said = [*metrics["warnings"], *held(metrics.get("subgroups", {})).get("warnings", [])]
    return list(dict.fromkeys(str(text) for text in said))


def _limits(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    lost = [f"no result per {unit}: {why}" for unit, why in metrics["unavailable"].items()]
    groups = held(metrics.get("subgroups", {})).get("unavailable", {})
    unseen = [f"no subgroups by {', '.join(groups)}"] if groups else []
    return "\n".join([*warnings_of(metrics), *lost, *unseen]) or None


def _sealed(files: RunFiles) -> str | None:
    return "; ".join(seal["sentence"] for seal in held(files.metrics).get("sealed", [])) or None


METRICS = ("metrics.json",)
RESULTS: dict[str, Question] = {
    "measured": Question(files=METRICS, say=_measured),
    "uncertainty": Question(files=METRICS, say=_uncertainty),
    "auc": Question(files=METRICS, say=_auc),
    "internal": Question(files=METRICS, say=_internal),
    "threshold": Question(files=METRICS, say=_threshold, otherwise="the run has no threshold"),
    "calls": Question(files=METRICS, say=_calls, otherwise="the run has no threshold"),
    "calibration": Question(files=METRICS, say=_calibration),
    "updating": Question(files=METRICS, say=_updating),
    "subgroups": Question(files=METRICS, say=_subgroups, otherwise="no factor divides the test part into groups"),
    "clusters": Question(
        files=METRICS, say=_clusters, otherwise="the test part does not divide by machine, site or data set"
    ),
    "confusion": Question(files=METRICS, say=_confusion, otherwise="the run has no threshold"),
    "failures": Question(files=METRICS, say=_failures, otherwise="the run has no threshold"),
    "explained": Question(files=("explanations.json",), say=_explained, otherwise="no picture was explained"),
    "robustness": Question(files=("robustness.json",), say=_robustness),
    "baselines": Question(files=METRICS, say=_baselines, otherwise="no baseline was compared"),
    "clinical": Question(
        files=METRICS, say=_clinical, otherwise="no prevalence is stated in [measure]: no number per thousand women"
    ),
    "prevalence": Question(files=METRICS, say=_prevalence),
    "limits": Question(files=METRICS, say=_limits, otherwise="the evaluation has no warning"),
    "sealed": Question(files=METRICS, say=_sealed, otherwise="the test set is not sealed: nobody counts the looks"),
    "external": Question(
        files=(),
        say=lambda _: None,
        otherwise="no run folder has a test on other data sets; `mammoscope external` makes one",
    ),
}
"""What is asked of the results, by name."""
