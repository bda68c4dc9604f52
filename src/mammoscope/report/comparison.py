"""Several runs on the same test patients, side by side in one HTML file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.evaluation import Aggregation, Contender, Leaderboard, Measured, measure, sample_of, unit_rows
from mammoscope.report.class_places import ClassContest, class_comparison
from mammoscope.report.class_words import is_classes
from mammoscope.report.drawing import MOST, MUTED, Drawing, draw, line_style, unit_square
from mammoscope.report.folder import MADE_BY, Missing, RunFiles, read_run
from mammoscope.report.page import inline, rendered, usable_metrics
from mammoscope.report.places import (
    Pair,
    board,
    board_block,
    board_words,
    headings,
    metric_pairs,
    paired,
    places_figure,
)
from mammoscope.report.sections import number_table, settings
from mammoscope.report.tables import as_csv
from mammoscope.report.words import interval, number, size_words
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
        out: HTML file to write; beside it `<name>-roc-<unit>.svg`, `<name>-differences.csv` and `<name>-places.csv`.

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
    if is_classes(named[0].metrics):
        return _write_classes(named, out=out)
    units = [unit for unit in named[0].metrics["units"] if all(unit in run.metrics["units"] for run in named)]
    measured = {unit: [_measured(run, unit) for run in named] for unit in units}
    drawings = {unit: _roc(named, unit) for unit in _shown(named, units)}
    for unit, drawing in drawings.items():
        if drawing is not None:
            write_text(out.parent / f"{out.stem}-roc-{unit}.svg", drawing.svg)
    first, called = named[0].metrics, [run.name for run in named]
    pairs = {unit: paired(called, found, confidence=first["confidence"]) for unit, found in measured.items()}
    ranked = board([Contender(name=run.name, rows=run.test) for run in named], first)
    rows = [{"unit": unit, **asdict(pair)} for unit, found in pairs.items() for pair in found]
    write_text(out.parent / f"{out.stem}-differences.csv", as_csv(rows))
    side_by_side = places_figure(ranked, called)
    if side_by_side is not None:
        write_text(out.parent / f"{out.stem}-places.svg", side_by_side.svg)
    if ranked is not None:
        write_text(out.parent / f"{out.stem}-places.csv", as_csv(_places(ranked)))
    page = rendered(
        "comparison.html.j2",
        title=_title(named),
        runs=[_head(run, place, out) for place, run in enumerate(named)],
        summary=_summary(pairs[first["headline"]], unit=first["headline"]) if len(named) == 2 else board_words(ranked),
        board=board_block(ranked),
        places_figure=inline(side_by_side),
        places_caption=side_by_side.alt if side_by_side else None,
        fingerprint=named[0].fingerprint,
        confidence=first["confidence"],
        replicates=first["replicates"],
        seed=first["seed"],
        size=size_words(first["units"][first["headline"]]["test"]["auc"], unit=first["headline"]),
        tables=[_table(named, unit) for unit in units],
        differences=[{"unit": unit, "rows": [pair.cells for pair in pairs[unit]]} for unit in units],
        others={
            "unit": first["headline"],
            "heads": headings(),
            "rows": metric_pairs(called, measured[first["headline"]], confidence=first["confidence"]),
        },
        figures={unit: inline(drawing) for unit, drawing in drawings.items()},
        captions={unit: drawing.alt for unit, drawing in drawings.items() if drawing is not None},
        warnings=[(run.name, text) for run in named for text in run.metrics["warnings"]],
    )
    write_text(out, page)
    return out


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


def _write_classes(named: Sequence[_Run], *, out: Path) -> Path:
    contests = [ClassContest(name=run.name, metrics=run.metrics, test=run.test) for run in named]
    found = class_comparison(contests)
    for name, rows in found.tables.items():
        write_text(out.parent / f"{out.stem}-{name}.csv", as_csv(rows))
    for drawing in found.drawings.values():
        write_text(out.parent / f"{out.stem}-{drawing.name}.svg", drawing.svg)
    page = rendered(
        "class_comparison.html.j2",
        title=_title(named),
        runs=[_head(run, place, out) for place, run in enumerate(named)],
        fingerprint=named[0].fingerprint,
        figures={key: inline(drawing) for key, drawing in found.drawings.items()},
        captions={key: drawing.alt for key, drawing in found.drawings.items()},
        warnings=[(run.name, text) for run in named for text in run.metrics["warnings"]],
        **found.context,
    )
    write_text(out, page)
    return out


def _title(named: Sequence[_Run]) -> str:
    return " against ".join(run.name for run in named) if len(named) == 2 else f"{len(named)} runs compared"


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


def _measured(run: _Run, unit: Any) -> Measured:
    metrics = run.metrics
    sample = sample_of(unit_rows(run.test, unit=unit, aggregation=Aggregation(**metrics.get("aggregation", {}))))
    threshold = metrics["units"][unit]["threshold"]["value"]
    return measure(sample, threshold=threshold, replicates=metrics["replicates"], seed=metrics["seed"], curves=False)


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
    return f"By ROC AUC per {unit}, on the same test patients: {'; '.join(said)}."


def _places(ranked: Leaderboard) -> list[dict[str, Any]]:
    return [
        {
            **{key: getattr(line, key) for key in ("place", "name", "p_value", "p_adjusted", "distinguishable")},
            **{key: getattr(line.auc, key) for key in ("value", "low", "high", "n", "positives", "patients")},
            "behind": None if line.behind is None else line.behind.value,
        }
        for line in ranked.standings
    ]


def _only(run: _Run, unit: str) -> dict[str, Any]:
    return {"units": {unit: run.metrics["units"][unit]}, "targets": run.metrics.get("targets")}


def _table(named: Sequence[_Run], unit: str) -> dict[str, Any]:
    columns = [number_table(_only(run, unit), part="test") for run in named]
    rows = [
        {"name": row["name"], "key": row["key"], "cells": [column["rows"][place]["cells"][0] for column in columns]}
        for place, row in enumerate(columns[0]["rows"])
    ]
    return {
        "unit": unit,
        "aggregation": columns[0]["units"][0]["aggregation"],
        "size": size_words(columns[0]["units"][0]["size"], unit=unit),
        "rows": rows,
        "thresholds": [number(column["units"][0]["threshold"]["value"]) for column in columns],
    }


def _head(run: _Run, place: int, out: Path) -> dict[str, Any]:
    report = run.files.folder / "report.html"
    link = None
    if report.is_file() and report.resolve().is_relative_to(out.resolve().parent):
        link = report.resolve().relative_to(out.resolve().parent).as_posix()
    model = run.files.recipe.get("model") if isinstance(run.files.recipe, dict) else None
    colours = ("blue", "rust", "green", "purple", "ochre", "teal")
    dash = "solid" if place < len(colours) else "dashed"
    return {
        "name": run.name,
        "colour": colours[place % len(colours)],
        "dash": dash,
        "link": link,
        "model": _model_words(model),
    }


def _model_words(model: Any) -> str | None:
    if not isinstance(model, dict):
        return None
    said = [(name, value) for _, rows in settings({"model": model}) for name, value in rows if value != "none"]
    return ", ".join(f"{name} {value}" for name, value in said)


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
