"""Run folder to one HTML file that needs nothing else: no script, no font, no network."""

from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mammoscope import __version__
from mammoscope.errors import SourceError
from mammoscope.report import beside, figures, measured, measured_figures, sections
from mammoscope.report.augmentations import augmentation_figure
from mammoscope.report.cases import case_groups
from mammoscope.report.class_page import ANCHORS as CLASS_ANCHORS
from mammoscope.report.class_page import class_context, class_drawings
from mammoscope.report.class_report import class_report_table
from mammoscope.report.class_words import is_classes
from mammoscope.report.drawing import Drawing
from mammoscope.report.folder import Missing, RunFiles, missing, read_run
from mammoscope.report.importance_block import importance_block
from mammoscope.report.importance_figures import fall_figure
from mammoscope.report.tables import run_tables
from mammoscope.report.words import number, paragraph, percent
from mammoscope.storage import write_text

METRICS_SCHEMA = "1"
BINARY_ANCHORS = (
    *(("numbers", "Numbers"), ("baselines", "Baselines"), ("curves", "Curves"), ("calibration", "Calibration")),
    *(("clinic", "In a thousand women"), ("subgroups", "Subgroups"), ("robustness", "Robustness")),
)
ANCHORS = (
    *(("sealed", "Sealed test"), ("errors", "Hardest errors"), ("overlays", "Overlays"), ("training", "Training")),
    *(("cohort", "Cohort"), ("audit", "Audit"), ("recipe", "Recipe"), ("environment", "Environment")),
    ("reproduce", "Reproduce"),
)
"""Sections of the page: anchor and name; between the two lists stand members and other tasks."""
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("summary", "hardest", "wrong_classes", "class_parts", "members")),
    "glance": [],
    "seals": [],
    "tasks": [],
    "several": False,
}


def write_report(run: Path) -> Path:
    """Write the report of a run into its folder: `report.html`, with `figures/*.svg` and `tables/*.csv` beside it.

    Every number comes from the files of the folder. What is not there is named in its place, with the command that
    makes it.

    Args:
        run: The run folder.

    Returns:
        Path of the HTML file.

    Raises:
        SourceError: There is no such folder.
        StorageError: The folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_report(Path(folder)).name
        'report.html'
    """
    if not run.is_dir():
        raise SourceError(
            f"{run.name}: no such run folder. Make one with: mammoscope run RECIPE --data FOLDER --out RUN"
        )
    files = read_run(run)
    drawn = run_figures(files)
    for drawing in drawn.values():
        write_text(run / "figures" / f"{drawing.name}.svg", drawing.svg)
    context = _context(files, drawn)
    tables = run_tables(
        _known(context["metrics"]),
        hardest=context["wrong_classes"] if context["several"] else context["hardest"],
        history=[] if isinstance(files.history, Missing) else files.history,
        parts=[] if isinstance(files.cohort, Missing) else context["cohort"],
        flow=context["flow"],
    )
    for name, text in tables.items():
        write_text(run / "tables" / f"{name}.csv", text)
    page = rendered("report.html.j2", tables=sorted(tables), **context)
    write_text(run / "report.html", page)
    return run / "report.html"


def rendered(template: str, **context: Any) -> str:
    """Fill a template of this package; every value is escaped unless it is markup of our own."""
    environment = Environment(
        loader=PackageLoader("mammoscope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = percent
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    style = environment.get_template("style.css").render()
    return environment.get_template(template).render(style=Markup(style), version=__version__, **context)  # noqa: S704


def inline(drawing: Drawing | None) -> Markup | None:
    """A drawing as markup for a page: it was made here, its texts are escaped by matplotlib."""
    return None if drawing is None else Markup(drawing.inline)  # noqa: S704


def usable_metrics(files: RunFiles) -> dict[str, Any] | Missing:
    """The metrics if this version can read them."""
    if isinstance(files.metrics, Missing):
        return files.metrics
    if not isinstance(files.metrics, dict) or files.metrics.get("schema") != METRICS_SCHEMA:
        return missing("metrics.json", "written by another version")
    return files.metrics


def run_figures(files: RunFiles) -> dict[str, Drawing]:
    """Every figure that the files of a run allow, by name."""
    metrics = usable_metrics(files)
    found: list[Drawing | None] = []
    several = isinstance(metrics, dict) and is_classes(metrics)
    if isinstance(metrics, dict):
        found += class_drawings(files, metrics) if several else _drawings(metrics)
        found.append(beside.members_figure(metrics))
    if not several and (scored := _scored(files)) is not None:
        found.append(figures.score_figure(scored, threshold=_row_threshold(metrics)))
    if not isinstance(files.history, Missing):
        found.append(figures.training_figure(files.history, events=_events(files) or ()))
    found.append(augmentation_figure(files.folder))
    if isinstance(files.robustness, dict):
        found.append(measured_figures.robustness_figure(files.robustness))
    if isinstance(files.importance, dict) and files.importance.get("permutation"):
        found.append(fall_figure(files.importance))
    if isinstance(files.cohort, pl.DataFrame) and not several:
        found.append(figures.cohort_figure(files.cohort))
    return {drawing.name: drawing for drawing in found if drawing is not None}


def _drawings(metrics: dict[str, Any]) -> list[Drawing | None]:
    """The figures of yes or no."""
    confidence = metrics["confidence"]
    found: list[Drawing | None] = [figures.lead_figure(metrics)]
    for unit in shown_units(metrics):
        result = metrics["units"][unit]
        found.append(figures.roc_figure(result, confidence=confidence))
        found.append(figures.precision_recall_figure(result, confidence=confidence))
        found.append(figures.confusion_figure(result))
        found.append(measured_figures.calibration_figure(result))
    headline = metrics["units"][metrics["headline"]]
    if (largest := measured.decision_unit(metrics)) is not None:
        found.append(measured_figures.decision_figure(metrics["units"][largest]))
    if metrics.get("subgroups"):
        found.append(measured_figures.forest_figure(metrics["subgroups"], whole=headline["test"]))
    return found


def _scored(files: RunFiles) -> pl.DataFrame | None:
    """Predictions of yes or no."""
    found = files.predictions
    return found if isinstance(found, pl.DataFrame) and "score" in found.columns else None


def _row_threshold(metrics: dict[str, Any] | Missing) -> float | None:
    """The threshold of what a row of the predictions stands for."""
    if isinstance(metrics, Missing):
        return None
    row = metrics.get("aggregation", {}).get("row", "image")
    found: float | None = metrics["units"].get(row, {}).get("threshold", {}).get("value")
    return found


def _events(files: RunFiles) -> list[dict[str, Any]] | None:
    return None if isinstance(files.events, Missing) else files.events


def shown_units(metrics: dict[str, Any]) -> list[str]:
    """The headline's unit first, then image and breast where they have a result: these get curves."""
    wanted = [metrics["headline"], "image", "breast"]
    return list(dict.fromkeys(unit for unit in wanted if unit in metrics["units"]))


def _context(files: RunFiles, drawn: dict[str, Drawing]) -> dict[str, Any]:
    metrics, recipe = usable_metrics(files), files.recipe
    name = recipe.get("name") if isinstance(recipe, dict) else None
    shown = files.explanations
    context = {
        "title": str(name or files.folder.resolve().name),
        "run": files.folder.name or "RUN",
        "metrics": metrics,
        "figures": {key: inline(drawing) for key, drawing in drawn.items()},
        "captions": {key: drawing.alt for key, drawing in drawn.items()},
        "recipe": recipe if isinstance(recipe, Missing) else sections.settings(_mapping(recipe)),
        "source": recipe.get("source") if isinstance(recipe, dict) else None,
        "environment": files.environment
        if isinstance(files.environment, Missing)
        else sections.settings(_mapping(files.environment)),
        "code": sections.picked(_known(files.environment), "mammoscope", "commit"),
        "audit": files.audit if isinstance(files.audit, Missing) else sections.findings(_mapping(files.audit)),
        "split": files.split
        if isinstance(files.split, Missing)
        else sections.picked(_known(files.split), "kind", "seed", "fingerprint", "notes"),
        "failures": files.prepare if isinstance(files.prepare, Missing) else sections.failures(_mapping(files.prepare)),
        "history": files.history,
        "events": beside.events_block(_events(files)),
        "cohort": files.cohort if isinstance(files.cohort, Missing) else sections.part_table(files.cohort),
        "predictions": files.predictions if isinstance(files.predictions, Missing) else True,
        "flow_file": files.flow if isinstance(files.flow, Missing) else None,
        "flow": sections.flow(
            files.flow if isinstance(files.flow, list) else None,
            _known(files.prepare),
            None if isinstance(files.predictions, Missing) else files.predictions,
        ),
        "gallery": shown
        if isinstance(shown, Missing)
        else case_groups([row for row in shown if isinstance(row, dict)], run=files.folder),
    }
    context["importance"] = importance_block(files.importance) if isinstance(files.importance, dict) else None
    tested = files.robustness
    context["robustness"] = tested if not isinstance(tested, dict) else measured.robustness_block(tested)
    return context | _results(metrics, files)


def _results(metrics: dict[str, Any] | Missing, files: RunFiles) -> dict[str, Any]:
    if isinstance(metrics, Missing):
        return {**_NOTHING, "anchors": [*BINARY_ANCHORS, *ANCHORS]}
    besides = {
        "members": beside.members_block(metrics),
        "tasks": beside.tasks_block(metrics),
        "seals": measured.seal_block(metrics.get("sealed", [])),
    }
    more = [
        *((("members", "Members"),) if besides["members"] else ()),
        *((("tasks", "Tasks"),) if besides["tasks"] else ()),
    ]
    glance = [*measured.glance(metrics, _known(files.robustness)), *beside.beside_glance(metrics, _events(files))]
    if is_classes(metrics):
        found = _NOTHING | class_context(files, metrics) | besides
        return found | {"several": True, "glance": glance, "anchors": [*CLASS_ANCHORS, *more, *ANCHORS]}
    anchors = [*BINARY_ANCHORS, *more, *ANCHORS]
    return _NOTHING | _yes_or_no(metrics, files, glance) | besides | {"anchors": anchors}


def _yes_or_no(metrics: dict[str, Any], files: RunFiles, glance: list[tuple[str, str]]) -> dict[str, Any]:
    threshold, scored = _row_threshold(metrics), _scored(files)
    intervals = None if scored is None else measured.interval_table(metrics, scored)
    wrong = None if scored is None or threshold is None else sections.hardest(scored, threshold=threshold)
    return {
        "summary": paragraph(metrics),
        "glance": glance,
        "test_table": sections.number_table(metrics, part="test"),
        "tune_table": sections.number_table(metrics, part="tune"),
        "baseline_rows": sections.baseline_table(metrics),
        "units": shown_units(metrics),
        "confusions": [sections.confusion_table(metrics["units"][unit]) for unit in shown_units(metrics)],
        "class_reports": [class_report_table(metrics["units"][unit]) for unit in shown_units(metrics)],
        "hardest": wrong,
        "intervals": intervals,
        "calibrations": [measured.calibration_block(metrics["units"][unit]) for unit in shown_units(metrics)],
        "decision_unit": measured.decision_unit(metrics),
        "thousand": measured.thousand_block(metrics),
        "subgroups": measured.subgroup_block(metrics),
    }


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _known(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
