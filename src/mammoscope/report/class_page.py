"""The page of a run of several classes: its figures, its plain values, its tables."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from mammoscope.report import class_figures, class_probabilities, class_sections, measured, measured_figures
from mammoscope.report.class_words import class_paragraph
from mammoscope.report.drawing import Drawing
from mammoscope.report.folder import RunFiles

Facts = Mapping[str, Any]
Row = dict[str, Any]

ANCHORS = (
    ("numbers", "Numbers"),
    ("baselines", "Baselines"),
    ("curves", "Calls and curves"),
    ("calibration", "Calibration"),
    ("subgroups", "Subgroups"),
    ("robustness", "Robustness"),
)


def class_drawings(files: RunFiles, metrics: Facts) -> list[Drawing | None]:
    """Every figure of several classes that the files of a run allow."""
    found: list[Drawing | None] = [class_figures.class_lead_figure(metrics)]
    for unit, result in metrics["units"].items():
        found.append(class_figures.class_confusion_figure(result))
        found.append(class_figures.class_roc_figure(result, metrics["curves"].get(unit, {})))
    if (scored := _scored(files, metrics)) is not None:
        found.append(class_figures.chance_figure(scored, classes=metrics["classes"], unit=metrics["row"]))
    found.append(class_figures.class_parts_figure(_parts(files, metrics)))
    found.append(class_probabilities.class_calibration_figure(metrics["units"][metrics["headline"]]))
    if metrics.get("subgroups"):
        whole = metrics["units"][metrics["headline"]]["test"]
        found.append(measured_figures.forest_figure(metrics["subgroups"], whole=whole))
    return found


def class_context(files: RunFiles, metrics: Facts) -> Row:
    """What the sections of several classes show."""
    first = metrics["headline"]
    units = [first, *(unit for unit in metrics["units"] if unit != first)]
    scored = _scored(files, metrics)
    wrong = None
    if scored is not None:
        wrong = class_sections.hardest_classes(scored, classes=metrics["classes"], ordered=metrics["ordered"])
    return {
        "summary": class_paragraph(metrics),
        "class_numbers": class_sections.class_number_table(metrics),
        "class_baselines": class_sections.class_baseline_table(metrics),
        "class_units": [_unit(metrics["units"][unit]) for unit in units],
        "class_parts": _parts(files, metrics),
        "wrong_classes": wrong,
        "subgroups": measured.subgroup_block(metrics),
        "class_calibration": class_probabilities.class_calibration_block(metrics["units"][first]),
        "class_conformal": class_probabilities.class_conformal_block(metrics["units"][first]),
    }


def class_tables(metrics: Facts) -> dict[str, list[Row]]:
    """The tables of several classes, for CSV: values are not rounded."""
    units = metrics["units"]
    return {
        "metrics": [
            {"unit": unit, "group": group, "metric": key, **_number(found)}
            for unit, result in units.items()
            for group, test in _groups(result)
            for key, found in test.items()
        ],
        "confusion": [
            {"unit": unit, "label": label, "called": called, "count": count, "share_of_label": share}
            for unit, result in units.items()
            for label, counts, shares in zip(
                result["classes"], result["confusion"], result["confusion_normalised"], strict=True
            )
            for called, count, share in zip(result["classes"], counts, shares, strict=True)
        ],
        "curves": [
            {"unit": unit, "class": name, "x": x, "y": y}
            for unit, curves in metrics["curves"].items()
            for name, curve in curves.items()
            for x, y in zip(curve["x"], curve["y"], strict=True)
        ],
        "baselines": [
            {"baseline": baseline["name"], "unit": unit, "metric": key, **_number(found)}
            for baseline in metrics["baselines"]
            for unit, result in baseline["units"].items()
            for key, found in (
                *result["test"].items(),
                *(
                    (f"{name}, model minus baseline", told["difference"])
                    for name, told in result["differences"].items()
                ),
            )
        ],
    }


def _unit(result: Facts) -> Row:
    return {
        "unit": result["unit"],
        "classes": class_sections.per_class_table(result),
        "group": class_sections.group_table(result),
    }


def _groups(result: Facts) -> list[tuple[str, Facts]]:
    found = [("all", result["test"]), *result["per_class"].items()]
    return (
        [*found, ("+".join(result["collapse"]["positive"]), result["collapse"]["test"])]
        if result["collapse"]
        else found
    )


def _number(found: Facts) -> Row:
    names = ("value", "low", "high", "n", "positives", "patients", "undefined", "method", "reason")
    return {name: found.get(name) for name in names}


def _scored(files: RunFiles, metrics: Facts) -> pl.DataFrame | None:
    """The predictions, if they hold a score of each class."""
    if not isinstance(files.predictions, pl.DataFrame):
        return None
    needed = {f"score_{name}" for name in metrics["classes"]}
    return files.predictions if needed <= set(files.predictions.columns) else None


def _parts(files: RunFiles, metrics: Facts) -> Row | None:
    if not isinstance(files.cohort, pl.DataFrame):
        return None
    return class_sections.class_part_table(files.cohort, task=metrics["task"], classes=metrics["classes"])
