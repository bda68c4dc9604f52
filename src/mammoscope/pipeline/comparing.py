"""Runs held against each other: on a sealed test set each of them is looked at once more, and counted."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammoscope.errors import RecipeError
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.pipeline.sealing import NOTE, Looking, counted_look

if TYPE_CHECKING:
    from mammoscope.evaluation import Leaderboard
    from mammoscope.evaluation.values import Unit


def compare_runs(runs: Sequence[Path], *, out: Path, break_seal: bool = False) -> Path:
    """Compare runs in one HTML file; counted as a look at each of them where their test set is sealed.

    Args:
        runs: Run folders, each measured, on the same test patients.
        out: HTML file to write.
        break_seal: Go beyond the budget of a sealed test set; its ledger says so.

    Returns:
        `out`.

    Raises:
        SourceError: The runs cannot be compared; the text says why.
        SealError: A budget is spent, or a ledger is not whole.
    """
    from mammoscope.report import write_comparison

    with counted_looks(runs, what="compare", break_seal=break_seal) as looks:
        written = write_comparison(runs, out=out)
        for run, looking in looks.items():
            looking.result = _measured(run)
    return written


def rank_runs(
    paths: Sequence[Path],
    *,
    unit: "Unit | None" = None,
    alpha: float = 0.05,
    break_seal: bool = False,
    **options: Any,
) -> "Leaderboard":
    """Rank runs; counted as a look at each of them where their test set is sealed.

    Args:
        paths: Run folders, or tables of predictions.
        unit: As in `leaderboard`.
        alpha: As in `leaderboard`.
        break_seal: Go beyond the budget of a sealed test set; its ledger says so.
        options: Passed on to `leaderboard`.

    Returns:
        The board.

    Raises:
        SourceError: The runs cannot be ranked; the text says why.
        SealError: A budget is spent, or a ledger is not whole.
    """
    from mammoscope.evaluation import leaderboard, read_contender

    with counted_looks(paths, what="leaderboard", break_seal=break_seal) as looks:
        contenders = {path: read_contender(path) for path in paths}
        board = leaderboard(list(contenders.values()), unit=unit, alpha=alpha, **options)
        found = {line.name: line.result for line in board.standings}
        for path, looking in looks.items():
            one = found[contenders[path].name]
            looking.result = {board.metric: one.value, "low": one.low, "high": one.high}
    return board


@contextmanager
def counted_looks(paths: Sequence[Path], *, what: str, break_seal: bool = False) -> Iterator[dict[Path, Looking]]:
    """Count one look at each run folder, and at each table that lies in one; other tables belong to no seal.

    Args:
        paths: Run folders and tables.
        what: Kind of evaluation.
        break_seal: Go beyond a budget.

    Returns:
        A context manager of the looks by path; whoever looks fills in their results.

    Raises:
        RecipeError: A run is a control, trained on labels that were exchanged between patients.
        SealError: A budget is spent, or a ledger is not whole: then nothing is shown.
    """
    with ExitStack() as stack:
        looks: dict[Path, Looking] = {}
        for path in dict.fromkeys(paths):
            run = _run_of(path)
            if run is None:
                continue
            _refuse_control(run)
            file = Path("predictions.parquet") if path == run else path.resolve().relative_to(run.resolve())
            if file.suffix != ".parquet" or not (run / file).is_file():  # refused by whoever reads it
                continue
            table = read_table(run, str(file), made_by="mammoscope train")
            if not {"source", "patient_id"} <= set(table.columns):
                continue
            look = counted_look(run, what=what, predictions=table, model=_named(run), break_seal=break_seal)
            looks[path] = stack.enter_context(look)
        yield looks


def _refuse_control(run: Path) -> None:
    recipe = read_json(run, "recipe.json", made_by="mammoscope split") if (run / "recipe.json").is_file() else {}
    if recipe.get("permute_labels") is not None:
        raise RecipeError(
            f"{run.resolve().name}: is a control, trained on labels that were exchanged between patients. "
            "Leave it out; its maps are compared with: mammoscope explain --run RUN --against CONTROL"
        )


def _run_of(path: Path) -> Path | None:
    """The run folder itself, or that which a table lies in: at its top, or in one of its folders."""
    if path.is_dir():
        return path
    above = path.resolve().parents[:2]
    return next((one for one in above if (one / "recipe.json").is_file() or (one / NOTE).is_file()), None)


def _named(run: Path) -> str:
    if not (run / "recipe.json").is_file():
        return run.resolve().name
    return str(read_json(run, "recipe.json", made_by="mammoscope split")["name"])


def _measured(run: Path) -> dict[str, Any]:
    """The headline that a run was compared with."""
    facts = read_json(run, "metrics.json", made_by="mammoscope evaluate")
    first = facts.get("primary", "auc")
    found = facts["units"][facts["headline"]]["test"][first]
    return {first: found["value"], "low": found["low"], "high": found["high"]}
