"""Results of several classes in plain words: the same wording on the terminal and in the report."""

from typing import Any

from mammoscope.report.words import METRIC_NAMES, PLURAL, Facts, interval, number, percent

CLASS_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_auc": "ROC AUC, one against the rest, mean of classes",
    "kappa_quadratic": "Kappa, quadratic weights",
    "kappa_linear": "Kappa, linear weights",
    "kappa": "Kappa",
    "macro_f1": "F1 score, mean of classes",
    "majority_accuracy": "Accuracy of always the commonest class",
}
"""Metric over all classes to its name in print, in the order of the tables."""

OF_ORDER = ("kappa_quadratic", "kappa_linear")
"""Metrics that mean something only where the classes stand in an order."""

SHORT = {
    **CLASS_NAMES,
    **METRIC_NAMES,
    "macro_auc": "Macro AUC",
    "kappa_quadratic": "Quadratic kappa",
    "majority_accuracy": "Commonest class",
}
"""Names that fit into a column's head."""


def is_classes(metrics: Facts) -> bool:
    """Whether a `metrics.json` is of several classes, and not of yes or no."""
    return metrics.get("kind") == "classes"


def class_metrics(metrics: Facts) -> dict[str, str]:
    """The metrics that mean something for these classes, with their names."""
    return {key: name for key, name in CLASS_NAMES.items() if metrics["ordered"] or key not in OF_ORDER}


def rows_words(estimate: Facts, *, unit: str) -> str:
    """How many rows and patients a number rests on.

    Example:
        >>> rows_words({"n": 120, "patients": 30}, unit="image"), rows_words({"n": 30, "patients": 30}, unit="patient")
        ('120 images of 30 patients', '30 patients')
    """
    rows = f"{estimate['n']:,} {PLURAL[unit]}"
    return rows if unit == "patient" else f"{rows} of {estimate['patients']:,} patients"


def label_words(task: str) -> str:
    """A task's name in print.

    Example:
        >>> label_words("lesion_kind")
        'lesion kind'
    """
    return task.replace("_", " ")


def with_ends(estimate: Facts) -> str:
    """A number with its interval in brackets, or why there is none."""
    ends = interval(estimate) or (estimate.get("reason") if estimate["value"] is None else "")
    return f"{number(estimate['value'])}{f' ({ends})' if ends else ''}"


def class_lead_words(baseline: Facts, *, unit: str, metric: str) -> str:
    """Whether the model beats a baseline, as one clause."""
    name = f"the {baseline['name']} baseline"
    found = baseline["units"].get(unit)
    if found is None:
        return f"not compared with {name} ({baseline.get('reason') or 'no result for this unit'})"
    told = found["differences"].get(metric)
    if told is None or told["verdict"] is None:
        return f"not compared with {name} ({told['difference']['reason'] if told else 'not defined'})"
    between = " from" if told["verdict"] == "not distinguishable" else ""
    difference = told["difference"]
    return f"{told['verdict']}{between} {name} (difference {number(difference['value'])}, {interval(difference)})"


def class_lines(metrics: Facts) -> list[str]:
    """The answer of several classes in a few lines, for a terminal.

    Args:
        metrics: What `metrics.json` holds.

    Returns:
        Lines: what is quoted first and the accuracy per unit, dense against not dense, the lead over each baseline,
        warnings.

    Example:
        >>> from mammoscope.evaluation import evaluate_task
        >>> import polars as pl
        >>> rows = pl.DataFrame({"part": "test", "label": list("ABAB"), "score_A": [0.9, 0.2, 0.6, 0.7],
        ...     "score_B": [0.1, 0.8, 0.4, 0.3], "patient_id": list("wxyz"), "image_id": list("1234")})
        >>> class_lines(evaluate_task(rows, task="density", replicates=50).to_json())[0]
        'density per image: quadratic kappa 0.500 (95 % 0.000 to 1.000), accuracy 0.750 (0.250 to 1.000), test part: 4 images of 4 patients'
    """  # noqa: E501 a line as it is printed
    level, first, unit = percent(metrics["confidence"]), metrics["primary"], metrics["headline"]
    task = label_words(metrics["task"])
    lines = []
    for name, result in metrics["units"].items():
        found, accuracy = result["test"][first], result["test"]["accuracy"]
        ends = interval(found)
        said = f"{lower(SHORT[first])} {number(found['value'])} ({f'{level} {ends}' if ends else found['reason']})"
        more = "" if first == "accuracy" else f", accuracy {with_ends(accuracy)}"
        lines.append(f"{task} per {name}: {said}{more}, test part: {rows_words(found, unit=name)}")
    result = metrics["units"][unit]
    lines.append(f"{lower(CLASS_NAMES['majority_accuracy'])} ({result['majority']}): {_majority(result)}")
    if result["collapse"]:
        lines.append(f"{group_words(result['collapse'])} per {unit}: {_group_numbers(result['collapse'])}")
    lines += [
        f"{lower(SHORT[first])} {class_lead_words(baseline, unit=unit, metric=first)}"
        for baseline in metrics["baselines"]
    ]
    lines += [seal["sentence"] for seal in metrics.get("sealed", [])]
    return lines + [f"warning: {text}" for text in metrics["warnings"]]


def class_paragraph(metrics: Facts) -> str:
    """The result of several classes in one paragraph of plain words, for the head of a report."""
    unit, level, first = metrics["headline"], percent(metrics["confidence"]), metrics["primary"]
    result = metrics["units"][unit]
    test = result["test"]
    accuracy, found = test["accuracy"], test[first]
    right = sum(result["confusion"][place][place] for place in range(len(metrics["classes"])))
    ends = interval(accuracy)
    said = [
        f"On the test part ({rows_words(accuracy, unit=unit)}) the model names the right one of "
        f"{len(metrics['classes'])} classes of {label_words(metrics['task'])} for {right:,} of {accuracy['n']:,} "
        f"{PLURAL[unit]}: accuracy {number(accuracy['value'])}"
        + (f" ({level} interval {ends}, patients resampled)." if ends else f" ({accuracy['reason']}).")
    ]
    if first != "accuracy":
        what = "Beyond chance, its agreement with the label is a" if first == "kappa_quadratic" else "Its"
        said.append(f"{what} {lower(SHORT[first])} {_of(first)}{with_ends(found)}.")
    said.append(f"Always saying {result['majority']}, the commonest class, would be right for {_majority(result)}.")
    if result["collapse"]:
        said.append(f"{group_words(result['collapse'])}: {_group_numbers(result['collapse'])}.")
    leads = [class_lead_words(baseline, unit=unit, metric=first) for baseline in metrics["baselines"]]
    if leads:
        joined = f"{', '.join(leads[:-1])}{' and ' if len(leads) > 1 else ''}{leads[-1]}"
        said.append(f"By {lower(SHORT[first])} it is {joined}.")
    return " ".join(said)


def group_words(collapse: Facts) -> str:
    """Which classes stand against which.

    Example:
        >>> group_words({"positive": ["C", "D"]})
        'C or D against the others'
    """
    return f"{' or '.join(collapse['positive'])} against the others"


def _group_numbers(collapse: Facts) -> str:
    names = [name for name in ("auc", "sensitivity", "specificity") if name in collapse["test"]]
    return ", ".join(f"{lower(METRIC_NAMES[name])} {with_ends(collapse['test'][name])}" for name in names)


def _majority(result: Facts) -> str:
    found: dict[str, Any] = result["test"]["majority_accuracy"]
    return with_ends(found)


def _of(metric: str) -> str:
    return "of " if metric == "kappa_quadratic" else "is "


def lower(text: str) -> str:
    """First letter small, unless the word is an abbreviation.

    Example:
        >>> lower("Quadratic kappa"), lower("ROC AUC")
        ('quadratic kappa', 'ROC AUC')
    """
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
