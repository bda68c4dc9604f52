"""`mammoscope evaluate`."""

import json
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mammoscope.cli.options import AsJson

Target = Annotated[
    Path,
    typer.Argument(
        help="run folder, as `mammoscope train` or `run` makes it, or anybody's table of scores (CSV, Parquet)",
        metavar="RUN|TABLE",
    ),
]
UnitName = Literal["image", "breast", "exam", "patient"]


def _column(name: str, said: str) -> Any:
    return typer.Option(f"--{name}", help=said, metavar="COLUMN")


def evaluate(
    target: Target,
    *,
    score: Annotated[str | None, _column("score", "score in [0, 1], higher is more suspicious [score]")] = None,
    label: Annotated[str | None, _column("label", "0 or 1, or words of which some are --positive [label]")] = None,
    patient: Annotated[str | None, _column("patient", "patient: what is resampled [patient_id]")] = None,
    image: Annotated[str | None, _column("image", "image: must not repeat [image_id]")] = None,
    breast: Annotated[str | None, _column("breast", "breast within the patient, such as L and R [breast_id]")] = None,
    exam: Annotated[str | None, _column("exam", "exam within the patient [exam_id]")] = None,
    part: Annotated[str | None, _column("part", "train, tune (or val), test [part; all rows are test]")] = None,
    source: Annotated[str | None, _column("source", "data set, where several are merged [source]")] = None,
    positive: Annotated[list[str] | None, typer.Option(help="word of the label that is positive; repeatable")] = None,
    row: Annotated[UnitName, typer.Option(help="what one row of the table stands for")] = "image",
    views: Annotated[Literal["mean", "max"], typer.Option(help="how images become a breast")] = "mean",
    breasts: Annotated[Literal["mean", "max"], typer.Option(help="how breasts become an exam or patient")] = "max",
    headline: Annotated[UnitName | None, typer.Option(help="unit that is printed in full [what a row is]")] = None,
    threshold: Annotated[float | None, typer.Option(help="positive from this score on, fixed beforehand")] = None,
    rule: Annotated[
        Literal["youden", "sensitivity", "specificity", "recall_rate", "cost"],
        typer.Option(help="how a threshold is chosen on the tune part"),
    ] = "youden",
    at_least: Annotated[float | None, typer.Option(help="the bound of --rule sensitivity or specificity")] = None,
    at_most: Annotated[float | None, typer.Option(help="the bound of --rule recall_rate")] = None,
    miss_cost: Annotated[float | None, typer.Option(help="of --rule cost: false recalls as bad as one miss")] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="share of positives that PPV, NPV, net benefit and 1,000 women are stated at")
    ] = None,
    calibration: Annotated[
        Literal["none", "temperature", "platt", "isotonic", "beta"],
        typer.Option(help="how scores become probabilities, fitted on the tune part; classes: temperature"),
    ] = "none",
    calibration_bins: Annotated[int, typer.Option(help="of the calibration errors")] = 10,
    coverage: Annotated[
        float | None, typer.Option(help="share of women whose answers hold the truth, some being `refer`; cuts by tune")
    ] = None,
    wished_width: Annotated[
        float | None, typer.Option(help="of the interval of AUC, end to end: how many patients does it take?")
    ] = None,
    specificity: Annotated[float, typer.Option(help="at which sensitivity is stated")] = 0.9,
    sensitivity: Annotated[float, typer.Option(help="at which specificity is stated")] = 0.9,
    partial: Annotated[tuple[float, float], typer.Option(help="range of the partial AUC")] = (0.8, 1.0),
    partial_axis: Annotated[
        Literal["sensitivity", "specificity"], typer.Option(help="what that is a range of")
    ] = "sensitivity",
    replicates: Annotated[int, typer.Option(help="of the bootstrap over patients")] = 2000,
    confidence: Annotated[float, typer.Option(help="level of the intervals")] = 0.95,
    seed: Annotated[int, typer.Option(help="of the replicates")] = 0,
    classes: Annotated[
        str | None, typer.Option(help="several classes in their order, such as A,B,C,D; --score is then score_{}")
    ] = None,
    prediction: Annotated[str | None, _column("prediction", "called class, with --classes [prediction]")] = None,
    lesions: Annotated[Path | None, typer.Option(help="the table is one of marks, to be found on these boxes")] = None,
    images: Annotated[Path | None, typer.Option(help="with --lesions: every image that was searched")] = None,
    iou: Annotated[float | None, typer.Option(help="overlap of a hit [the mark's centre in the lesion's box]")] = None,
    either_view: Annotated[bool, typer.Option("--either-view", help="a lesion is found on any of its views")] = False,
    out: Annotated[Path | None, typer.Option(help="folder for metrics.json and CSV tables")] = None,
    break_seal: Annotated[
        bool, typer.Option("--break-seal", help="of a run: go beyond the budget of a sealed test set; it is recorded")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a run again from its predictions, or anybody's table of scores: every number with its interval.

    A run is measured as its recipe says, so it takes no option but --json and --break-seal. Nothing is chosen on test
    rows: a table without a tune part has no threshold, unless --threshold states one that was fixed on other data.
    With --classes the table holds several classes (--positive C --positive D also puts them into two groups); with
    --lesions and --images it holds marks (image_id, x, y or a box, score).
    """
    options = dict(locals())
    from mammoscope import evaluation
    from mammoscope.cli.evaluation_kinds import found_classes, found_marks
    from mammoscope.evaluation import Aggregation, Columns, Targets, read_own_table, write_evaluation

    columns = Columns(
        score=score, label=label, patient=patient, image=image, breast=breast, exam=exam, part=part, source=source
    )
    if not _is_table(target):
        _refuse_options(options)
        _of_a_run(target, break_seal=break_seal, as_json=as_json)
        return
    _count_if_in_a_run(target, break_seal=break_seal)
    how = {"replicates": replicates, "confidence": confidence, "seed": seed}
    if lesions is not None or images is not None:
        found_marks(
            target, lesions=lesions, images=images, iou=iou, either_view=either_view, out=out, as_json=as_json, how=how
        )
        return
    if classes is not None:
        found_classes(
            target,
            classes=classes.split(","),
            columns=columns,
            prediction=prediction,
            positive=positive or [],
            unit=headline or "image",
            out=out,
            as_json=as_json,
            how=how | {"calibration": calibration, "calibration_bins": calibration_bins, "coverage": coverage},
        )
        return
    table = read_own_table(target, columns=columns, positive=positive or [], row=row)
    found = evaluation.evaluate(
        table.rows,
        headline=headline or row,
        rule=rule,
        at_least=at_least,
        at_most=at_most,
        miss_cost=miss_cost,
        calibration=calibration,
        calibration_bins=calibration_bins,
        coverage=coverage,
        wished_width=wished_width,
        threshold=threshold,
        targets=Targets(
            specificity=specificity,
            sensitivity=sensitivity,
            partial_axis=partial_axis,
            partial_range=partial,
            prevalence=prevalence,
        ),
        aggregation=Aggregation(row=row, views=views, breasts=breasts),
        replicates=replicates,
        confidence=confidence,
        seed=seed,
    )
    found = replace(found, warnings=(*table.notes, *found.warnings))
    if out is not None:
        write_evaluation(found, out)
    facts = found.to_json()
    told = [baseline for baseline in facts["baselines"] if baseline["units"]]  # without a cohort most have no result
    _print(facts if as_json else {**facts, "baselines": told}, as_json=as_json)


def _is_table(target: Path) -> bool:
    from mammoscope.evaluation.own_table import SUFFIXES

    return target.is_file() or (target.suffix.lower() in SUFFIXES and not target.is_dir())


def _count_if_in_a_run(table: Path, *, break_seal: bool) -> None:
    """A table in a run folder whose test set is sealed is a look at it."""
    from mammoscope.pipeline import counted_looks

    with counted_looks([table], what="evaluate", break_seal=break_seal):
        pass


def _refuse_options(options: dict[str, Any]) -> None:
    """A run is measured as its recipe says."""
    usual = {name: parameter.default for name, parameter in signature(evaluate).parameters.items()}
    of_runs = {"target", "as_json", "break_seal"}
    given = [name for name, value in options.items() if name not in of_runs and value != usual[name]]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise typer.BadParameter(f"a run folder is measured as its recipe says: {option} is for a table (CSV, Parquet)")


def _of_a_run(run: Path, *, break_seal: bool, as_json: bool) -> None:
    from mammoscope.pipeline import measure

    _print(measure(run, break_seal=break_seal), as_json=as_json)


def _print(facts: dict[str, Any], *, as_json: bool) -> None:
    from mammoscope.cli.evaluation_text import print_evaluation, print_task
    from mammoscope.report import subgroup_lines, summary_lines

    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    if facts.get("kind") == "classes":
        print_task(facts)
    else:
        print_evaluation(facts)
    typer.echo("")
    typer.echo("\n".join(summary_lines(facts)))
    if "subgroups" in facts:
        typer.echo("\n".join(["", "subgroups of the test part", *subgroup_lines(facts["subgroups"])]))
