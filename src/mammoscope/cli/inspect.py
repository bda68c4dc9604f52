"""`mammoscope inspect`."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from mammoscope.cli.options import AsJson, Slices, Workers

if TYPE_CHECKING:
    from mammoscope.images import Preprocess
    from mammoscope.images.inspection import Inspected
    from mammoscope.report.inspection import ContactSheets

SCHEMA = "1"  # of --json; the keys are described in docs/how-to/inspect.md
USUAL = "512"
FEW = 4  # files that are told in words; more are a table
MANY = 100  # files of which each gets its own picture unless it is asked for


def inspect(
    files: Annotated[list[Path], typer.Argument(help="mammograms, or folders of them", metavar="FILE...")],
    *,
    size: Annotated[
        str | None, typer.Option(metavar="ROWS[xCOLS]", help="of the input, in pixels [default: 512]")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="read as this recipe does: a name, or a TOML file")] = None,
    bundle: Annotated[Path | None, typer.Option(help="read as this trained bundle does")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for pictures, and for a contact sheet of many files")] = None,
    pictures: Annotated[
        bool | None,
        typer.Option(help=f"with --out: a picture of each file [default: of at most {MANY} files]"),
    ] = None,
    slab: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST-LAST",
            help="read these slices of volumes as one: their mean, or as the recipe has it",
        ),
    ] = None,
    slices: Slices = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Say what was decided on the way from each file to the network's input, and why; show it with --out.

    One to four files are told in words, more are a table. Exit 1 if a file cannot be read.
    """
    from mammoscope.cli.inspection_text import print_table, print_trail, table_row
    from mammoscope.cli.progress import counted
    from mammoscope.images.folder import find_pictures
    from mammoscope.images.inspection import inspect_files
    from mammoscope.images.volumes import find_slices

    preprocess, source = _settings(size, recipe, bundle)
    if slab is not None:
        preprocess = _of_slab(preprocess, slab, slices=slices)
    found = find_pictures(files, leave_out=out)
    if slices:
        found = find_slices(found, preprocess=preprocess, workers=workers)
    many = len(found) > FEW or any(file.is_dir() for file in files)
    drawn = out if out is not None and (len(found) <= MANY if pictures is None else pictures) else None
    sheets = None
    if many and out is not None:
        from mammoscope.report.inspection import ContactSheets

        title = files[0].resolve().name if len(files) == 1 else f"{len(found):,} files"
        sheets = ContactSheets(out, title=title, settings=preprocess, source=source, expected=len(found))
    codes: Counter[str] = Counter()
    rows: list[tuple[str, ...]] = []
    plain = sys.stdout  # while the bar of a terminal is shown, printing goes above it
    with counted("looking") if many else nullcontext() as progress:
        results = inspect_files(
            found,
            preprocess=preprocess,
            pictures=drawn,
            thumbs=sheets is not None,
            workers=workers,
            progress=progress,
        )
        results = _noted(results, codes, sheets)
        if as_json:
            _print_json(results, preprocess, codes, stream=plain)
        elif many:
            rows = [table_row(one) for one in results]
        else:
            for one in results:
                print_trail(one)
    if many and not as_json:
        print_table(rows)
    if sheets is not None:
        page = sheets.finish()
        typer.echo(str(page), err=as_json)
    raise typer.Exit(1 if codes else 0)


def _noted(
    results: "Iterator[Inspected]", codes: Counter[str], sheets: "ContactSheets | None"
) -> "Iterator[Inspected]":
    """Count failures and fill the contact sheet on the way."""
    for one in results:
        if one.code is not None:
            codes[one.code] += 1
        if sheets is not None:
            sheets.add(one)
        yield one


def _print_json(
    results: "Iterator[Inspected]", preprocess: "Preprocess", codes: Counter[str], *, stream: TextIO
) -> None:
    """A line a file, written while the files are looked into."""
    stream.write(f'{{"schema": "{SCHEMA}", "preprocess": {preprocess.model_dump_json()}, "files": [')
    number = 0
    for number, one in enumerate(results, start=1):
        stream.write(("," if number > 1 else "") + "\n" + json.dumps(one.as_json()))
    counts = {"files": number, "failed": codes.total(), "codes": codes}
    stream.write(f'\n], "counts": {json.dumps(counts)}}}\n')


def _of_slab(preprocess: "Preprocess", slab: str, *, slices: bool) -> "Preprocess":
    if slices:
        raise typer.BadParameter("choose one of them", param_hint="--slab, --slices")
    words = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", slab)
    first, last = (int(words[1]), int(words[2] or words[1])) if words else (0, 0)
    if not 1 <= first <= last:
        said = f"{slab!r} is neither a slice nor a first and a last one, such as 12 or 20-29; slices count from 1"
        raise typer.BadParameter(said, param_hint="--slab")
    return preprocess.model_copy(update={"slab": (first, last)})


def _settings(size: str | None, recipe: str | None, bundle: Path | None) -> "tuple[Preprocess, str]":
    """How to read, and who says so."""
    from pydantic import ValidationError

    from mammoscope.images import Preprocess

    if sum(one is not None for one in (size, recipe, bundle)) > 1:
        raise typer.BadParameter("choose one of them", param_hint="--size, --recipe, --bundle")
    if recipe is not None:
        from mammoscope.training import find_recipe

        return find_recipe(recipe).preprocess, f"recipe {Path(recipe).name}"
    if bundle is not None:
        from mammoscope.models import Bundle

        manifest = Bundle.from_pretrained(bundle).manifest
        return manifest.preprocess, f"bundle {manifest.name}"
    words = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", size or USUAL)
    if words is None:
        raise typer.BadParameter(f"{size!r} is not a number of pixels, such as 512 or 1152x896", param_hint="--size")
    try:
        settings = Preprocess(rows=int(words[1]), cols=int(words[2] or words[1]))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise typer.BadParameter(f"{size}: {wrong['loc'][0]}: {wrong['msg']}", param_hint="--size") from None
    return settings, f"--size {size or USUAL}"
