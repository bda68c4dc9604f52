"""`mammoscope leaderboard`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mammoscope.cli.options import AsJson, BreakSeal

UnitName = Literal["image", "breast", "exam", "patient"]

if TYPE_CHECKING:
    from mammoscope.evaluation import Estimate, Leaderboard, Standing


def leaderboard(
    runs: Annotated[
        list[Path], typer.Argument(help="run folders, or CSV or Parquet tables of predictions", metavar="RUN...")
    ],
    *,
    unit: Annotated[
        UnitName | None,
        typer.Option(
            "--unit",
            help="image, breast, exam or patient [default: what the runs quote first]",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="level of all tests together")] = 0.05,
    interval: Annotated[
        Literal["delong-logit", "delong", "percentile", "bca"],
        typer.Option("--interval", help="how the interval of each AUC is made; several classes: percentile"),
    ] = "delong-logit",
    replicates: Annotated[
        int, typer.Option("--replicates", min=1, help="of percentile and bca, and of the test of several classes")
    ] = 2000,
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Rank runs on the same test patients; say which are not distinguishable from the best.

    By ROC AUC; answers among several classes by quadratic kappa where these stand in an order, else by the macro AUC.

    On a sealed test set that is a look at each of them.
    """
    from mammoscope.pipeline import rank_runs

    board = rank_runs(runs, unit=unit, alpha=alpha, interval=interval, replicates=replicates, break_seal=break_seal)
    typer.echo(json.dumps(board.to_json(), indent=1) if as_json else "\n".join(_lines(board)))


def _lines(board: "Leaderboard") -> list[str]:
    from mammoscope.report.class_words import SHORT

    name = "AUC" if board.metric == "auc" else SHORT[board.metric]
    head = ("", name, f"{board.confidence:.0%} interval", "behind the best", "p (Holm)", "")
    cells = [head, *(_cells(line) for line in board.standings)]
    names = ["run", *(line.name for line in board.standings)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    longest = max(len(name) for name in names)
    table = [
        "  ".join(
            [row[0].rjust(widths[0]), name.ljust(longest), *(row[at].ljust(widths[at]) for at in range(1, len(head)))]
        ).rstrip()
        for name, row in zip(names, cells, strict=True)
    ]
    tied = board.not_distinguishable
    said = (
        f"{tied[0]} is shown to be better than every other."
        if len(tied) == 1
        else f"Not distinguishable: {', '.join(tied)}."
    )
    what = f"among {', '.join(board.classes)}" if board.classes else f"{board.positives} positive"
    rows = f"{board.n} rows, {what}, {board.patients} patients"
    size = f"Per {board.unit}: {rows} ({board.aggregation})."
    return [*table, "", said, size, *(f"- {note}" for note in board.notes)]


def _cells(line: "Standing") -> tuple[str, ...]:
    if line.behind is None:
        return (f"{line.place}.", _number(line.result.value), _ends(line.result), "", "", "")
    verdict = {True: "worse", False: "not distinguishable", None: "not compared"}[line.distinguishable]
    behind = f"{_number(line.behind.value)} ({_ends(line.behind)})"
    return (f"{line.place}.", _number(line.result.value), _ends(line.result), behind, _p(line.p_adjusted), verdict)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ends(found: "Estimate") -> str:
    return "-" if found.low is None else f"{_number(found.low)} to {_number(found.high)}"


def _p(value: float | None) -> str:
    return "-" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
