"""`mammoscope predict`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson, Workers


def predict(
    bundle: Annotated[Path, typer.Argument(help="bundle folder, such as RUN/bundle", metavar="BUNDLE")],
    files: Annotated[list[Path], typer.Argument(help="mammograms, or folders of them", metavar="FILE...")],
    *,
    clinical: Annotated[
        Path | None,
        typer.Option("--clinical", help="CSV with a column file, for a bundle that reads clinical columns"),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Score mammograms with a trained bundle. Exit 1 if a file could not be read; it is listed with a code.

    Where the recipe asked for a coverage, the answer after the call is the one class that is possible, or refer. Where
    it asked for a gate, a file unlike the training pictures is marked, and referred, and its score stands.
    """
    from mammoscope.cli.progress import counted
    from mammoscope.models import keep_memory, load_bundle, predict_files, read_clinical

    keep_memory()
    loaded = load_bundle(bundle)
    table = None if clinical is None else read_clinical(clinical)
    with counted("scoring") as progress:
        rows = predict_files(loaded, files, clinical=table, workers=workers, progress=progress)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            if row["code"]:
                typer.echo(f"{row['code']:10} {row['file']}  {row['message']}", err=True)
            else:
                typer.echo(_line(row))
        for condition in sorted({row["coverage"]["condition"] for row in rows if row["coverage"]}):
            typer.echo(f"answers after the call, where refer is for a reader: {condition}", err=True)
    raise typer.Exit(1 if any(row["code"] for row in rows) else 0)


def _line(row: dict[str, Any]) -> str:
    """Score, probability, call, answer, what it is, and what sets it apart."""
    traits = "".join(f"  [{trait}]" for trait in row["traits"])
    if (unlike := row["unlike"]) and unlike["code"]:
        traits += f"  [{unlike['code']}: {unlike['distance']:.3g} away, limit {unlike['limit']:.3g}]"
    chance = "" if row["probability"] is None else f"  {row['probability']:.4f}"
    answer = "" if row["answer"] is None else f"  {row['answer']:8}"
    view = f"{row['laterality'] or '?'}{row['view'] or '?'}"
    return f"{row['score']:.4f}{chance}  {row['call'] or '':8}{answer}  {view:5} {row['file']}{traits}"
