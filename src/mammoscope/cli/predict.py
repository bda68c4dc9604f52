"""`mammoscope predict`."""

import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson, Slices, Workers


def predict(
    bundle: Annotated[Path, typer.Argument(help="bundle folder, such as RUN/bundle", metavar="BUNDLE")],
    files: Annotated[list[Path], typer.Argument(help="mammograms, or folders of them", metavar="FILE...")],
    *,
    clinical: Annotated[
        Path | None,
        typer.Option("--clinical", help="CSV with a column file, for a bundle that reads clinical columns"),
    ] = None,
    slices: Slices = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Score mammograms with a trained bundle. Exit 1 if a file could not be read; it is listed with a code.

    Where the recipe asked for a coverage, the answer after the call is the one class that is possible, or refer. Where
    it asked for a gate, a file unlike the training pictures is marked, and referred, and its score stands.

    With --slices each slice of a volume is scored, and the highest is named. It is higher than the score of one picture
    by its making: threshold, probability and limits of a bundle hold for single pictures, not for it.
    """
    from mammoscope.cli.progress import counted
    from mammoscope.images.captions import printable
    from mammoscope.images.folder import labelled
    from mammoscope.models import keep_memory, load_bundle, predict_files, read_clinical

    keep_memory()
    loaded = load_bundle(bundle)
    table = None if clinical is None else read_clinical(clinical)
    with counted("scoring") as progress:
        rows = predict_files(loaded, files, clinical=table, slices=slices, workers=workers, progress=progress)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            name = printable(labelled(row["file"], row["slice"]))
            if row["code"]:
                typer.echo(f"{row['code']:10} {name}  {printable(row['message'])}", err=True)
            else:
                typer.echo(_line(row, name))
        for line in _highest(rows):
            typer.echo(line, err=True)
        for condition in sorted({row["coverage"]["condition"] for row in rows if row["coverage"]}):
            typer.echo(f"answers after the call, where refer is for a reader: {condition}", err=True)
    raise typer.Exit(1 if any(row["code"] for row in rows) else 0)


def _highest(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Of each volume the slice that scores highest; of more than two classes none, as a score is that of the call."""
    from mammoscope.images.captions import printable

    for volume in _volumes(rows):
        scored = [row for row in volume if not row["code"] and "classes" not in row]
        if scored:
            first = max(scored, key=itemgetter("score"))
            found = f"highest {first['score']:.4f}, slice {first['slice']} of {len(scored)} that were scored"
            yield (
                f"{printable(first['file'])}: {found}. Threshold and probability hold for single pictures, not for the "
                "highest of many"
            )


def _volumes(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of slices, volume by volume: the first of each has number 1."""
    volumes: list[list[dict[str, Any]]] = []
    for row in rows:
        if row["slice"] == 1:
            volumes.append([])
        if row["slice"] is not None:
            volumes[-1].append(row)
    return volumes


def _line(row: dict[str, Any], name: str) -> str:
    """Score, probability, call, answer, what it is, and what sets it apart."""
    traits = "".join(f"  [{trait}]" for trait in row["traits"])
    if (unlike := row["unlike"]) and unlike["code"]:
        traits += f"  [{unlike['code']}: {unlike['distance']:.3g} away, limit {unlike['limit']:.3g}]"
    chance = "" if row["probability"] is None else f"  {row['probability']:.4f}"
    answer = "" if row["answer"] is None else f"  {row['answer']:8}"
    view = f"{row['laterality'] or '?'}{row['view'] or '?'}"
    return f"{row['score']:.4f}{chance}  {row['call'] or '':8}{answer}  {view:5} {name}{traits}"
