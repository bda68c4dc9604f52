"""What each section of a report of several classes shows: plain values for the template."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mammoscope.report.class_words import CLASS_NAMES, SHORT, class_lead_words, class_metrics, group_words, label_words
from mammoscope.report.sections import estimate_cell
from mammoscope.report.words import METRIC_NAMES, PLURAL
from mammoscope.vocabulary import Part

Facts = Mapping[str, Any]
Row = dict[str, Any]

PER_CLASS = ("auc", "sensitivity", "ppv", "f1")
OF_GROUP = ("auc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "balanced_accuracy", "mcc", "kappa")


def class_number_table(metrics: Facts) -> Row:
    """Metrics over all classes by unit, and on the tune part for reference.

    Args:
        metrics: What `metrics.json` holds.

    Returns:
        `units` (heads of the columns), `rows` of cells, `tune` rows with a single cell each.
    """
    units, names = metrics["units"], class_metrics(metrics)
    heads = [
        {"unit": unit, "plural": PLURAL[unit], "size": found["test"]["accuracy"], "aggregation": found["aggregation"]}
        for unit, found in units.items()
    ]
    rows = [
        {
            "key": key,
            "name": name,
            "first": key == metrics["primary"],
            "cells": [estimate_cell(found["test"].get(key)) for found in units.values()],
        }
        for key, name in names.items()
        if any(key in found["test"] for found in units.values())
    ]
    tune = [
        {"name": name, "cell": estimate_cell(metrics["tune"][key])}
        for key, name in names.items()
        if key in metrics["tune"]
    ]
    return {"units": heads, "rows": rows, "tune": tune}


def per_class_table(result: Facts) -> Row:
    """Each class of one unit: how many rows, found, rightly called, told from the rest."""
    keys = [key for key in PER_CLASS if any(key in found for found in result["per_class"].values())]
    rows = [
        {
            "name": name,
            "n": sum(counts),
            "called": sum(row[at] for row in result["confusion"]),
            "cells": [estimate_cell(result["per_class"][name].get(key)) for key in keys],
        }
        for at, (name, counts) in enumerate(zip(result["classes"], result["confusion"], strict=True))
    ]
    return {"unit": result["unit"], "heads": [METRIC_NAMES[key] for key in keys], "rows": rows}


def group_table(result: Facts) -> Row | None:
    """The classes in two groups; None without."""
    collapse = result["collapse"]
    if not collapse:
        return None
    names = {**METRIC_NAMES, "kappa": CLASS_NAMES["kappa"]}
    rows = [
        {"name": names[key], "cell": estimate_cell(collapse["test"][key])}
        for key in OF_GROUP
        if key in collapse["test"]
    ]
    return {"words": group_words(collapse), "rows": rows}


def matrix(result: Facts) -> Row:
    """Counts and shares of each true class, for a table."""
    rows = [
        {"truth": name, "total": sum(counts), "cells": list(zip(counts, shares, strict=True))}
        for name, counts, shares in zip(
            result["classes"], result["confusion"], result["confusion_normalised"], strict=True
        )
    ]
    return {"classes": result["classes"], "rows": rows, "plural": PLURAL[result["unit"]], "unit": result["unit"]}


def class_baseline_table(metrics: Facts) -> Row:
    """One row a baseline, at the headline's unit, with the model's lead over it in what is quoted first."""
    unit, first = metrics["headline"], metrics["primary"]
    shown = [key for key in ("accuracy", "balanced_accuracy", "macro_auc", first) if key in class_metrics(metrics)]
    keys = list(dict.fromkeys(shown))
    rows = []
    for baseline in metrics["baselines"]:
        found = baseline["units"].get(unit)
        told = found["differences"].get(first) if found else None
        rows.append(
            {
                **{key: baseline[key] for key in ("name", "what", "used", "dropped", "reason")},
                "cells": [estimate_cell(found["test"].get(key)) for key in keys] if found else None,
                "difference": estimate_cell(told["difference"]) if told else None,
                "verdict": told["verdict"] if told else None,
                "words": class_lead_words(baseline, unit=unit, metric=first),
            }
        )
    own = [estimate_cell(metrics["units"][unit]["test"].get(key)) for key in keys]
    return {"heads": [SHORT[key] for key in keys], "first": SHORT[first], "own": own, "rows": rows}


def hardest_classes(predictions: pl.DataFrame, *, classes: Sequence[str], ordered: bool, each: int = 12) -> list[Row]:
    """Test rows called farthest from their label, and of these the ones whose label was given the least chance.

    Args:
        predictions: The run's predictions.
        classes: In their order.
        ordered: Whether the distance of two classes means something.
        each: Rows.

    Returns:
        Rows with `image_id`, `patient_id`, `label`, `call`, `chance` of the label.

    Example:
        >>> table = pl.DataFrame({"part": "test", "image_id": ["a", "b"], "patient_id": ["x", "y"],
        ...     "label": ["A", "A"], "score_A": [0.1, 0.3], "score_B": [0.6, 0.2], "score_C": [0.3, 0.5]})
        >>> [row["image_id"] for row in hardest_classes(table, classes="ABC", ordered=True)]
        ['b', 'a']
    """
    rows = []
    for row in predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value).to_dicts():
        chances = [row[f"score_{name}"] for name in classes]
        called = row.get("prediction") or classes[max(range(len(classes)), key=lambda at: chances[at])]
        label = str(row["label"])
        if called == label:
            continue
        apart = abs(classes.index(called) - classes.index(label)) if ordered else 1
        about = {key: row.get(key) for key in ("image_id", "patient_id", "laterality", "view")}
        rows.append({**about, "label": label, "call": called, "apart": apart, "chance": chances[classes.index(label)]})
    return sorted(rows, key=lambda row: (-row["apart"], row["chance"], row["image_id"]))[:each]


def class_part_table(cohort: pl.DataFrame, *, task: str, classes: Sequence[str]) -> Row | None:
    """Patients and images by part, and images of each class; None where the cohort has no such label."""
    if task not in cohort.columns:
        return None
    keys = [name for name in ("source", "patient_id") if name in cohort.columns]
    groups = [*((part.value, cohort.filter(pl.col("part") == part.value)) for part in Part), ("all", cohort)]
    rows = []
    for name, rows_of in groups:
        label = rows_of[task].cast(pl.String)
        counts = [int((label == one).sum()) for one in classes]
        patients = rows_of.select(keys).n_unique()
        rows.append({"part": name, "patients": patients, "images": rows_of.height, "counts": counts})
    return {"task": label_words(task), "classes": list(classes), "rows": rows}
