"""Several runs on the same test patients, side by side in one HTML file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.evaluation import (
    Aggregation,
    Contender,
    Leaderboard,
    class_sample,
    measure,
    measure_classes,
    sample_of,
    unit_rows,
)
from mammoscope.evaluation.comparison import AnyMeasured
from mammoscope.report.class_sections import matrix
from mammoscope.report.class_words import SHORT, class_metrics, is_classes, label_words, lower, rows_words
from mammoscope.report.differences import recipe_words, setting_table
from mammoscope.report.drawing import MOST, MUTED, Drawing, draw, line_style, unit_square
from mammoscope.report.folder import MADE_BY, Missing, RunFiles, read_run
from mammoscope.report.page import inline, rendered, usable_metrics
from mammoscope.report.places import (
    PAIRED,
    PAIRED_CLASSES,
    Pair,
    board,
    board_block,
    board_words,
    metric_pairs,
    paired,
    places_figure,
)
from mammoscope.report.sections import estimate_cell, number_table
from mammoscope.report.tables import as_csv
from mammoscope.report.words import NONE, interval, number, size_words
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any


FEW = 6  # runs whose bands and pairs can be shown one over another
SHORT_NAME = 24  # letters of a name that fits into a figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    name: str
    files: RunFiles
    metrics: dict[str, Any]
    test: pl.DataFrame
    fingerprint: str | None


def write_comparison(runs: Sequence[Path], *, out: Path) -> Path:
    """Compare runs on the same test images: intervals, paired differences, curves, verdicts.

    Args:
        runs: Two to twelve run folders, each measured, all of yes or no or all of the same classes.
        out: HTML file to write; beside it `<name>-places.svg`, of yes or no `<name>-roc-<unit>.svg`, and
            `<name>-differences.csv` and `<name>-places.csv`.

    Returns:
        `out`.

    Raises:
        SourceError: Fewer than two runs; a run has no metrics or predictions; or the runs differ in split, test images,
            labels or how they were measured. The text says in what.
        StorageError: The file cannot be written.
    """
    if not 2 <= len(runs) <= MOST:
        raise SourceError(f"comparison: {len(runs)} run folders given, 2 to {MOST} are allowed")
    opened = [_opened(run) for run in runs]
    named = [_Run(name=name, **_rest(run)) for name, run in zip(_names(opened), opened, strict=True)]
    for other in named[1:]:
        _refuse_other_question(named[0], other)
        _refuse_other_test_part(named[0], other)
    first, called = named[0].metrics, [run.name for run in named]
    several, metric, unit = is_classes(first), first.get("primary", "auc"), first["headline"]
    units = [one for one in first["units"] if all(one in run.metrics["units"] for run in named)]
    measured = {one: [_measured(run, one) for run in named] for one in units}
    level = first["confidence"]
    pairs = {one: paired(called, found, metric=metric, confidence=level) for one, found in measured.items()}
    ranked = board([_contender(run) for run in named], first)
    curves = {} if several else {one: _roc(named, one) for one in _shown(named, units)}
    side_by_side = places_figure(ranked, called)
    _write_beside(out, pairs=pairs, ranked=ranked, drawings=[side_by_side, *curves.values()])
    others = [name for name in _others(first) if all(name in one.values for one in measured[unit])]
    page = rendered(
        "comparison.html.j2",
        title=" against ".join(called) if len(named) == 2 else f"{len(named)} runs compared",
        runs=_heads(named, out),
        settings=setting_table([_recipe(run) for run in named]),
        question=f"{label_words(first['task'])}: {', '.join(first['classes'])}" if several else None,
        metric=SHORT[metric],
        summary=_summary(pairs[unit], unit=unit) if len(named) == 2 else board_words(ranked),
        board=board_block(ranked),
        places_figure=inline(side_by_side),
        places_caption=side_by_side.alt if side_by_side else None,
        fingerprint=named[0].fingerprint,
        confidence=level,
        replicates=first["replicates"],
        seed=first["seed"],
        size=_size(first, unit),
        tables=[_class_table(named, one) if several else _table(named, one) for one in units],
        differences=[{"unit": one, "rows": [pair.cells for pair in pairs[one]]} for one in units],
        others={
            "unit": unit,
            "heads": [SHORT[name] for name in others],
            "rows": metric_pairs(called, measured[unit], metrics=others, confidence=level),
        },
        figures={one: inline(drawing) for one, drawing in curves.items()},
        captions={one: drawing.alt for one, drawing in curves.items() if drawing is not None},
        matrices=[{"name": run.name, **matrix(run.metrics["units"][unit])} for run in named] if several else [],
        warnings=_warnings(named),
    )
    write_text(out, page)
    return out


def _write_beside(
    out: Path, *, pairs: dict[str, list[Pair]], ranked: Leaderboard | None, drawings: Sequence[Drawing | None]
) -> None:
    """Figures and tables beside the page, named after it."""
    for drawing in drawings:
        if drawing is not None:
            write_text(out.parent / f"{out.stem}-{drawing.name}.svg", drawing.svg)
    rows = [{"unit": unit, **asdict(pair)} for unit, found in pairs.items() for pair in found]
    write_text(out.parent / f"{out.stem}-differences.csv", as_csv(rows))
    if ranked is not None:
        write_text(out.parent / f"{out.stem}-places.csv", as_csv(_places(ranked)))


def _warnings(named: Sequence[_Run]) -> list[tuple[str, str]]:
    """Each warning once, with the runs that it is of."""
    texts = dict.fromkeys(text for run in named for text in run.metrics["warnings"])
    found = {text: [run.name for run in named if text in run.metrics["warnings"]] for text in texts}
    return [("All runs" if len(who) == len(named) else ", ".join(who), text) for text, who in found.items()]


def _opened(run: Path) -> _Run:
    if not run.is_dir():
        raise SourceError(
            f"{run.name}: no such run folder. Make one with: mammoscope run RECIPE --data FOLDER --out RUN"
        )
    files = read_run(run)
    metrics, predictions = usable_metrics(files), files.predictions
    for file in (metrics, predictions):
        if isinstance(file, Missing):
            name = file.file
            raise SourceError(f"{run.name}: {name} is {file.why}. Make it with: {MADE_BY[name]}")
    if not isinstance(metrics, dict) or not isinstance(
        predictions, pl.DataFrame
    ):  # for the type checker: refused above
        raise SourceError(f"{run.name}: not a measured run")
    recipe = files.recipe if isinstance(files.recipe, dict) else {}
    split = files.split if isinstance(files.split, dict) else {}
    return _Run(
        name=str(recipe.get("name") or run.resolve().name),
        files=files,
        metrics=metrics,
        test=predictions.filter(pl.col("part") == Part.TEST.value),
        fingerprint=split.get("fingerprint"),
    )


def _rest(run: _Run) -> dict[str, Any]:
    return {"files": run.files, "metrics": run.metrics, "test": run.test, "fingerprint": run.fingerprint}


def _names(runs: Sequence[_Run]) -> list[str]:
    """Recipe names where they differ, else with the folder's name, else numbered."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [f"{run.name} ({run.files.folder.resolve().name})" for run in runs]
    if len(set(names)) < len(names):
        names = [f"{place}: {name}" for place, name in enumerate(names, start=1)]
    return names


def _refuse_other_question(first: _Run, other: _Run) -> None:
    both = f"comparison: {first.name} and {other.name}"
    asked = [
        f"among {', '.join(run.metrics['classes'])} ({run.metrics['task']})"
        if is_classes(run.metrics)
        else "of yes or no"
        for run in (first, other)
    ]
    if asked[0] != asked[1]:
        raise SourceError(
            f"{both} answer different questions: the first {asked[0]}, the second {asked[1]}. Compare them apart"
        )
    targets = [run.files.recipe.get("target") if isinstance(run.files.recipe, dict) else None for run in (first, other)]
    if all(targets) and targets[0] != targets[1]:
        raise SourceError(f"{both} answer different questions: {targets[0]} and {targets[1]}. Compare them apart")


def _refuse_other_test_part(first: _Run, other: _Run) -> None:
    both = f"comparison: {first.name} and {other.name}"
    label = pl.col("label").cast(pl.String if is_classes(first.metrics) else pl.Int64)
    keys = [name for name in ("source", "image_id") if name in first.test.columns and name in other.test.columns]
    columns = [*keys, "patient_id", label]
    ours, theirs = first.test.select(columns), other.test.select(columns)
    images = (ours.select(keys), theirs.select(keys))
    only = [a.join(b, on=keys, how="anti").height for a, b in (images, images[::-1])]
    if any(only):
        raise SourceError(
            f"{both} have different test images ({only[0]} only in the first, {only[1]} only in the second). "
            "Give both recipes the same [select], [split] and seed"
        )
    if not ours.sort(keys).equals(theirs.sort(keys)):
        raise SourceError(
            f"{both} have the same test images with other labels or patients. Train both on the same index"
        )
    if first.fingerprint != other.fingerprint:
        raise SourceError(
            f"{both} have different splits (fingerprints {str(first.fingerprint)[:12]} and "
            f"{str(other.fingerprint)[:12]}). Give both recipes the same [split] and seed"
        )
    for setting in (
        "headline",
        "row",
        "rule",
        "at_least",
        "aggregation",
        "targets",
        "replicates",
        "confidence",
        "seed",
    ):
        found = (first.metrics.get(setting), other.metrics.get(setting))
        if found[0] != found[1]:
            raise SourceError(
                f"{both} were measured with other settings ({setting} {found[0]!r} and {found[1]!r}). "
                "Evaluate both with the same"
            )


def _measured(run: _Run, unit: Any) -> AnyMeasured:
    metrics = run.metrics
    drawn = {"replicates": metrics["replicates"], "seed": metrics["seed"]}
    if is_classes(metrics):
        rows = run.test.sort([name for name in ("source", "patient_id", "image_id") if name in run.test.columns])
        at: Any = "image" if unit == metrics["row"] else unit
        return measure_classes(class_sample(rows, classes=metrics["classes"], unit=at), **drawn)
    sample = sample_of(unit_rows(run.test, unit=unit, aggregation=Aggregation(**metrics.get("aggregation", {}))))
    return measure(sample, threshold=metrics["units"][unit]["threshold"]["value"], curves=False, **drawn)


def _contender(run: _Run) -> Contender:
    metrics = run.metrics
    row = metrics.get("row") or metrics.get("aggregation", {}).get("row")
    return Contender(name=run.name, rows=run.test, task=metrics.get("task"), row=row)


def _others(metrics: dict[str, Any]) -> list[str]:
    """Metrics whose differences stand beside that of what is quoted first."""
    if is_classes(metrics):
        return [name for name in PAIRED_CLASSES if name in class_metrics(metrics)]
    return list(PAIRED)


def _size(metrics: dict[str, Any], unit: str) -> str:
    test = metrics["units"][unit]["test"]
    if is_classes(metrics):
        return rows_words(test["accuracy"], unit=unit)
    return size_words(test["auc"], unit=unit)


def _recipe(run: _Run) -> dict[str, Any]:
    return run.files.recipe if isinstance(run.files.recipe, dict) else {}


def _summary(pairs: Sequence[Pair], *, unit: str) -> str:
    said = []
    for row in (pair.cells for pair in pairs):
        what = row["reason"] if row["verdict"] is None else f"difference {row['value']}, {row['ends']}"
        if row["verdict"] == "not distinguishable":
            said.append(f"{row['first']} and {row['second']} are not distinguishable ({what})")
        elif row["verdict"] is None:
            said.append(f"{row['first']} and {row['second']} cannot be compared ({what})")
        else:
            said.append(f"{row['first']} is {row['verdict']} {row['second']} ({what})")
    name = lower(SHORT[pairs[0].metric])
    return f"By {name} per {unit}, on the same test patients: {'; '.join(said)}."


def _places(ranked: Leaderboard) -> list[dict[str, Any]]:
    return [
        {
            "metric": ranked.metric,
            **{key: getattr(line, key) for key in ("place", "name", "p_value", "p_adjusted", "distinguishable")},
            **{key: getattr(line.result, key) for key in ("value", "low", "high", "n", "positives", "patients")},
            "behind": None if line.behind is None else line.behind.value,
        }
        for line in ranked.standings
    ]


def _only(run: _Run, unit: str) -> dict[str, Any]:
    return {"units": {unit: run.metrics["units"][unit]}, "targets": run.metrics.get("targets")}


def _table(named: Sequence[_Run], unit: str) -> dict[str, Any]:
    columns = [number_table(_only(run, unit), part="test") for run in named]
    rows = [
        {
            "name": row["name"],
            "first": row["key"] == "auc",
            "cells": [column["rows"][place]["cells"][0] for column in columns],
        }
        for place, row in enumerate(columns[0]["rows"])
        if any(column["rows"][place]["cells"][0]["value"] != NONE for column in columns)
    ]
    return {
        "unit": unit,
        "aggregation": columns[0]["units"][0]["aggregation"],
        "size": _size(named[0].metrics, unit),
        "rows": rows,
        "thresholds": [number(column["units"][0]["threshold"]["value"]) for column in columns],
    }


def _class_table(named: Sequence[_Run], unit: str) -> dict[str, Any]:
    first = named[0].metrics
    tests = [run.metrics["units"][unit]["test"] for run in named]
    rows = [
        {"name": name, "first": key == first["primary"], "cells": [estimate_cell(test.get(key)) for test in tests]}
        for key, name in class_metrics(first).items()
    ]
    rule = first["units"][unit]["aggregation"]
    return {"unit": unit, "aggregation": rule, "size": _size(first, unit), "rows": rows, "thresholds": []}


_DASHES = {"-": "solid", ":": "dotted"}
"""Of a line in a figure to that of its key at the head; others are dashed."""


def _heads(named: Sequence[_Run], out: Path) -> list[dict[str, Any]]:
    """Each run with its colour, its report, and what its recipe does otherwise than the others'."""
    colours = ("blue", "rust", "green", "purple", "ochre", "teal")
    words = recipe_words([_recipe(run) for run in named])
    rows = []
    for place, (run, said) in enumerate(zip(named, words, strict=True)):
        report = run.files.folder / "report.html"
        link = None
        if report.is_file() and report.resolve().is_relative_to(out.resolve().parent):
            link = report.resolve().relative_to(out.resolve().parent).as_posix()
        dash = _DASHES.get(str(line_style(place)["linestyle"]), "dashed")
        colour = colours[place % len(colours)]
        rows.append({"name": run.name, "colour": colour, "dash": dash, "link": link, "words": said})
    return rows


def _shown(named: Sequence[_Run], units: Sequence[str]) -> list[str]:
    wanted = (named[0].metrics["headline"], "image", "breast")
    return list(dict.fromkeys(unit for unit in wanted if unit in units))


def _roc(named: Sequence[_Run], unit: str) -> Drawing | None:
    results = [run.metrics["units"][unit] for run in named]
    if not all(result["roc"] for result in results):
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        unit_square(axes, x="1 \N{MINUS SIGN} specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for place, (run, result) in enumerate(zip(named, results, strict=True)):
            roc, label = result["roc"], f"{run.name}: {number(result['test']['auc']['value'])}"
            style = line_style(place)
            if len(named) <= FEW:
                axes.fill_between(roc["grid"], roc["low"], roc["high"], color=style["color"], alpha=0.09, linewidth=0)
            axes.plot(roc["x"], roc["y"], **style, label=label)
        if len(named) <= FEW and max(len(run.name) for run in named) <= SHORT_NAME:
            axes.legend(loc="lower right", fontsize=8.5)
        else:
            figure.legend(loc="outside lower center", ncols=1, fontsize=8.5, borderpad=1.2)

    said = "; ".join(
        f"{run.name} AUC {number(r['test']['auc']['value'])}, {interval(r['test']['auc'])}"
        for run, r in zip(named, results, strict=True)
    )
    return draw(
        f"roc-{unit}",
        title=f"ROC per {unit}",
        alt=f"{said}.{' Shaded: pointwise bands.' if len(named) <= FEW else ''}",
        size=(4.4, 4.3 + (0.0 if len(named) <= FEW else 0.19 * len(named))),
        paint=paint,
    )
