"""What `mammoscope evaluate` does with a table of several classes, or of marks."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mammoscope.cli.evaluation_text import asked_lines, print_estimates
from mammoscope.report.words import METRIC_NAMES
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.evaluation import ClassEvaluation, Columns, Localisation
    from mammoscope.evaluation.values import Unit

CLASS_NAMES = {
    "macro_auc": "ROC AUC, one against the rest, mean of classes",
    "kappa": "Kappa",
    "kappa_linear": "Kappa, linear weights",
    "kappa_quadratic": "Kappa, quadratic weights",
    "macro_f1": "F1 score, mean of classes",
    "majority_accuracy": "Accuracy of always the commonest class",
}


def found_classes(
    file: Path,
    *,
    classes: list[str],
    columns: "Columns",
    prediction: str | None,
    positive: list[str],
    unit: "Unit",
    out: Path | None,
    as_json: bool,
    how: dict[str, Any],
) -> None:
    """Measure and print a table of several classes."""
    from mammoscope.evaluation import evaluate_classes, read_class_table, write_class_evaluation

    table = read_class_table(file, classes=classes, columns=columns, prediction=prediction)
    found = evaluate_classes(table.rows, classes=classes, positive=positive, unit=unit, **how)
    found = replace(found, warnings=(*table.notes, *found.warnings))
    if out is not None:
        write_class_evaluation(found, out)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        _print_classes(found)


def found_marks(
    file: Path,
    *,
    lesions: Path | None,
    images: Path | None,
    iou: float | None,
    either_view: bool,
    out: Path | None,
    as_json: bool,
    how: dict[str, Any],
) -> None:
    """Measure and print a table of marks."""
    from mammoscope.evaluation import Hit, evaluate_marks, read_any_table

    if lesions is None or images is None:
        raise typer.BadParameter("a table of marks needs both --lesions and --images: images without any count, too")
    found = evaluate_marks(
        read_any_table(file),
        lesions=read_any_table(lesions),
        images=read_any_table(images),
        hit=Hit(iou=iou),
        either_view=either_view,
        **how,
    )
    text = json.dumps(found.to_json(), indent=2)
    if out is not None:
        write_text(out / "localisation.json", text + "\n")
    if as_json:
        typer.echo(text)
    else:
        _print_marks(found, confidence=how["confidence"])


def _print_classes(found: "ClassEvaluation") -> None:
    def named(group: str, test: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        said = {name: CLASS_NAMES.get(name, METRIC_NAMES.get(name, name)) for name in test}
        return [(f"{group}{said[name]}", asdict(estimate)) for name, estimate in test.items()]

    rows = named("", found.test)
    for name, test in found.per_class.items():
        rows += named(f"{name}: ", test)
    if found.collapse is not None:
        rows += named(f"{'+'.join(found.collapse.positive)}: ", found.collapse.test)
    print_estimates(rows, title=f"per {found.unit}: {found.aggregation}", confidence=found.confidence)
    typer.echo("\nlabel (rows) by call (columns)")
    width = max(6, *(len(name) + 2 for name in found.classes))
    typer.echo("".join(text.rjust(width) for text in ("", *found.classes)))
    for name, counts in zip(found.classes, found.confusion, strict=True):
        typer.echo("".join(str(text).rjust(width) for text in (name, *counts)))
    for line in asked_lines(found.to_json()):
        typer.echo(f"\n{line}")
    _warn(found.warnings)


def _print_marks(found: "Localisation", *, confidence: float) -> None:
    rows = [(f"Sensitivity at {name} false positives per image", asdict(found.froc[name])) for name in found.froc]
    rows[-1] = ("Mean of these sensitivities", rows[-1][1])
    title = (
        f"a hit: {found.hit}. A lesion counts {found.lesion}. {found.lesions} lesions, {found.marks} marks, "
        f"{found.images} images, {found.images_without_lesion} without lesion"
    )
    print_estimates([*rows, ("Pointing game", asdict(found.pointing))], title=title, confidence=confidence)
    _warn(found.warnings)


def _warn(warnings: tuple[str, ...]) -> None:
    typer.echo("".join(f"\nwarning: {text}" for text in warnings))
