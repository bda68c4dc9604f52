"""`mammoscope seal`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, RunFolder


def seal(
    run: RunFolder,
    *,
    budget: Annotated[
        int | None, typer.Option("--budget", min=1, help="different predictions that may be evaluated [default: any]")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="file that counts [default: sealed-....jsonl beside the run folder]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Seal the test patients of a run, or tell who has looked at them: each evaluation on them is counted."""
    from mammoscope.pipeline import seal_run
    from mammoscope.report.measured import look_words

    file, found = seal_run(run, budget=budget, ledger=ledger)
    if as_json:
        typer.echo(json.dumps({"ledger": file.name, **found.to_json()}, indent=2))
        return
    typer.echo(f"{file.name}: {found.sentence}")
    for look in found.looks:
        shown = "cut short" if look.result is None else look_words(look.result)
        marks = ("" if look.new else "  same predictions as before") + ("  SEAL BROKEN" if look.broke_seal else "")
        typer.echo(f"{look.number:4}  {look.at}  {look.what:10}  {look.model}  {shown}{marks}")
