"""Numbers and findings in plain words: the same wording on the terminal and in the report."""

from collections.abc import Mapping
from typing import Any

from mammoscope.evaluation.names import METRIC_NAMES as METRIC_NAMES  # noqa: PLC0414 - also found here
from mammoscope.evaluation.names import metric_words as metric_words  # noqa: PLC0414

PLURAL = {"image": "images", "breast": "breasts", "exam": "exams", "patient": "patients"}

RULES = {
    "youden": "largest sensitivity + specificity",
    "sensitivity": "sensitivity of at least {at_least:g}",
    "specificity": "specificity of at least {at_least:g}",
    "recall_rate": "recall rate of at most {at_most:g}",
    "cost": "lowest cost, one miss as bad as {miss_cost:g} false recalls",
    "fixed": "fixed beforehand",
}

METHODS = {
    "none": "none",
    "temperature": "temperature scaling",
    "platt": "Platt scaling",
    "isotonic": "isotonic regression",
    "beta": "beta calibration",
}
"""Calibrator to its name in print."""

NONE = "\N{EN DASH}"
"""Printed where there is no value."""

Facts = Mapping[str, Any]


def number(value: float | None, *, digits: int = 3) -> str:
    """A number for print; a dash where there is none.

    Example:
        >>> number(0.87249), number(-0.00001), number(None) == NONE
        ('0.872', '0.000', True)
    """
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def interval(estimate: Facts, *, digits: int = 3) -> str:
    """Both ends of an interval; empty where there is none.

    Example:
        >>> interval({"low": 0.8, "high": 0.9}), interval({"low": None, "high": None})
        ('0.800 to 0.900', '')
    """
    if estimate.get("low") is None or estimate.get("high") is None:
        return ""
    return f"{number(estimate['low'], digits=digits)} to {number(estimate['high'], digits=digits)}"


def percent(confidence: float) -> str:
    """A level in per cent.

    Example:
        >>> percent(0.95)
        '95 %'
    """
    return f"{100 * confidence:g} %"


def rule_words(threshold: Facts) -> str:
    """How a threshold was chosen.

    Example:
        >>> rule_words({"rule": "sensitivity", "at_least": 0.9})
        'sensitivity of at least 0.9'
        >>> rule_words({"rule": "cost", "miss_cost": 20.0})
        'lowest cost, one miss as bad as 20 false recalls'
    """
    asked = {name: threshold.get(name) or 0 for name in ("at_least", "at_most", "miss_cost")}
    return RULES[threshold["rule"]].format(**asked)


def p_words(value: float | None) -> str:
    """A p value for print; a dash where there is none.

    Example:
        >>> p_words(0.0004), p_words(0.25)
        ('< 0.001', '0.250')
    """
    return "< 0.001" if value is not None and value < 0.001 else number(value)


def lead_words(baseline: Facts, *, unit: str) -> str:
    """Whether the model beats a baseline, as one clause.

    Example:
        >>> lead = {"auc": {"value": 0.03, "low": 0.0, "high": 0.07}, "verdict": "not distinguishable"}
        >>> lead_words({"name": "metadata only", "units": {"image": {"difference": lead}}}, unit="image")
        'not distinguishable from the metadata only baseline (difference 0.030, 0.000 to 0.070)'
    """
    name = f"the {baseline['name']} baseline"
    found = baseline["units"].get(unit)
    if found is None:
        return f"not compared with {name} ({baseline.get('reason') or 'no result for this unit'})"
    difference = found["difference"]
    verdict, auc = difference["verdict"], difference["auc"]
    if verdict is None:
        return f"not compared with {name} ({auc.get('reason') or 'not defined'})"
    preposition = "from" if verdict == "not distinguishable" else ""
    return f"{verdict} {preposition} {name} (difference {number(auc['value'])}, {interval(auc)})".replace("  ", " ")


def size_words(estimate: Facts, *, unit: str) -> str:
    """How many rows, positives and patients a number rests on.

    Example:
        >>> size_words({"n": 120, "positives": 41, "patients": 30}, unit="image")
        '120 images, 41 positive, of 30 patients'
        >>> size_words({"n": 30, "positives": 12, "patients": 30}, unit="patient")
        '30 patients, 12 positive'
    """
    rows = f"{estimate['n']:,} {PLURAL[unit]}, {estimate['positives']:,} positive"
    return rows if unit == "patient" else f"{rows}, of {estimate['patients']:,} patients"


def binary_lines(metrics: Facts) -> list[str]:
    """The answer of yes or no in a few lines, for a terminal.

    Args:
        metrics: What `metrics.json` holds.

    Returns:
        Lines: AUC per unit, calls at the threshold, the lead over each baseline, warnings.
    """
    unit, level = metrics["headline"], percent(metrics["confidence"])
    lines = []
    for name, result in metrics["units"].items():
        auc = result["test"]["auc"]
        ends = f" ({level} {interval(auc)})" if interval(auc) else f" ({auc['reason']})"
        lines.append(f"AUC per {name} {number(auc['value'])}{ends}, test part: {size_words(auc, unit=name)}")
    result = metrics["units"][unit]
    threshold = result["threshold"]
    if threshold["value"] is None:
        lines.append(f"no threshold: {threshold['reason']}")
    else:
        calls = [f"{name} {_with_ends(result['test'][name])}" for name in ("sensitivity", "specificity", "accuracy")]
        chosen = "" if threshold["rule"] == "fixed" else f" on {threshold['chosen_on']}"
        where = f"at score >= {threshold['value']:.3g} ({rule_words(threshold)}{chosen})"
        lines.append(f"per {unit} {where}: {', '.join(calls)}")
    lines += [f"AUC {lead_words(baseline, unit=unit)}" for baseline in metrics["baselines"]]
    lines += [seal["sentence"] for seal in metrics.get("sealed", [])]
    return lines + [f"warning: {text}" for text in metrics["warnings"]]


def paragraph(metrics: Facts) -> str:
    """The result in one paragraph of plain words, for the head of a report."""
    unit, level = metrics["headline"], percent(metrics["confidence"])
    result = metrics["units"][unit]
    auc = result["test"]["auc"]
    if auc["value"] is None:
        return f"On the test part ({size_words(auc, unit=unit)}) the AUC is not defined: {auc['reason']}."
    said = [
        f"On the test part ({size_words(auc, unit=unit)}) the model puts a positive {unit} above a negative one with "
        f"a chance of {number(auc['value'])} (ROC AUC per {unit}"
        + (f"; {level} interval {interval(auc)}, over patients)." if interval(auc) else f"; {auc['reason']}).")
    ]
    cells = result["confusion"]
    if cells is not None:
        positives = cells["true_positive"] + cells["false_negative"]
        negatives = cells["true_negative"] + cells["false_positive"]
        said.append(
            f"At the threshold chosen on the tune part it finds {cells['true_positive']} of {positives} positive "
            f"{PLURAL[unit]} and calls {cells['false_positive']} of {negatives} negative ones positive."
        )
    leads = [lead_words(baseline, unit=unit) for baseline in metrics["baselines"]]
    if leads:
        said.append(f"Its AUC is {', '.join(leads[:-1])}{' and ' if len(leads) > 1 else ''}{leads[-1]}.")
    return " ".join(said)


def _with_ends(estimate: Facts) -> str:
    ends = interval(estimate)
    return f"{number(estimate['value'])}{f' ({ends})' if ends else ''}"
