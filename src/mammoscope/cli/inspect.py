"""`mammoscope inspect`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson


def inspect(
    files: Annotated[list[Path], typer.Argument(help="mammograms", metavar="FILE...")],
    *,
    size: Annotated[int, typer.Option(min=32, help="rows and columns of the picture")] = 512,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for the pictures as the network would see them")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what was decided on the way from each file to the network's input, and why. Exit 1 if one is unreadable."""
    from mammoscope.errors import ImageError
    from mammoscope.images import Preprocess, read_mammogram, write_png

    answers: list[dict[str, Any]] = []
    failed = False
    for file in files:
        try:
            mammogram = read_mammogram(file, preprocess=Preprocess(rows=size, cols=size))
        except ImageError as error:
            failed = True
            answers.append({"file": file.name, "code": error.code, "message": str(error)})
            continue
        steps = [asdict(step) for step in mammogram.trail]
        answers.append({"file": file.name, "laterality": mammogram.laterality, "view": mammogram.view, "trail": steps})
        if out is not None:
            write_png(mammogram, out / f"{file.stem}.png")
    typer.echo(json.dumps(answers, indent=2, default=str) if as_json else "\n\n".join(_told(a) for a in answers))
    raise typer.Exit(1 if failed else 0)


def _told(answer: dict[str, Any]) -> str:
    if "code" in answer:
        return f"{answer['file']}\n  {answer['code']}: {answer['message']}"
    lines = [f"{answer['file']}  {answer['laterality'] or '?'} {answer['view'] or '?'}"]
    lines += [
        f"  {step['name']:14} {step['detail']}" + (f"  [{step['cause']}]" if step["cause"] else "")
        for step in answer["trail"]
    ]
    return "\n".join(lines)
