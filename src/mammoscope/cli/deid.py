"""`mammoscope deid`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import AsJson, Workers
from mammoscope.cli.progress import counted
from mammoscope.deid.settings import Dates, Retain

if TYPE_CHECKING:
    from mammoscope.deid import Report

SHOWN = 10


def deid(
    inputs: Annotated[list[Path], typer.Argument(help="DICOM files, and folders of them", metavar="IN...")],
    *,
    out: Annotated[Path, typer.Option("--out", help="folder to write to, outside of IN")],
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="file with the secret behind the pseudonyms; written if missing [default: drawn and forgotten]",
        ),
    ] = None,
    dates: Annotated[
        Dates, typer.Option("--dates", help="shift: by the same days for all files of a patient")
    ] = Dates.SHIFT,
    retain: Annotated[
        str, typer.Option("--retain", help="keep more, with commas between: uids, device, patient-characteristics")
    ] = "",
    table: Annotated[
        Path | None,
        typer.Option("--map", help="write which file and patient became which, for your eyes only", metavar="FILE.csv"),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """De-identify DICOM pictures by the basic profile of DICOM PS3.15, and report what was removed.

    The originals are only read. Pixels stay byte by byte: burned-in text is flagged, not removed.
    Exit 1 if a file was refused or flagged.
    """
    from mammoscope.deid import Settings, deidentify, drawn_key, key_of
    from mammoscope.errors import RecipeError
    from mammoscope.report import write_deidentification

    if key is not None and key.resolve().is_relative_to(out.resolve()):
        raise RecipeError(f"{key.name}: would lie in the folder that is given away. Choose a place outside it")
    settings = Settings(dates=dates, retain=_retained(retain))
    secret = drawn_key() if key is None else key_of(key)
    with counted("de-identifying") as progress:
        report = deidentify(
            inputs, out=out, key=secret, settings=settings, table=table, workers=workers, progress=progress
        )
    page = write_deidentification(report, out=out)
    typer.echo(json.dumps(report.as_json(), indent=2) if as_json else _told(report, page))
    raise typer.Exit(1 if report.refused or report.flagged else 0)


def _retained(text: str) -> frozenset[Retain]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        return frozenset(Retain(word) for word in words)
    except ValueError:
        allowed = ", ".join(Retain)
        raise typer.BadParameter(
            f"{text!r} is not made of {allowed}, with commas between", param_hint="--retain"
        ) from None


def _told(report: "Report", page: Path) -> str:
    answer = report.as_json()
    lines = [f"{answer['written']} of {answer['inputs']} files written, {answer['patients']} patients: {page.name}"]
    if answer["copies"]:
        lines.append(f"copies   {answer['copies']:6}  equal to a file that was written already")
    lines += [f"refused  {row['count']:6}  {row['code']}: {row['meaning']}" for row in answer["refused"]["codes"]]
    lines += [
        f"    input {row['input']}: {row['code']}" + (f", {row['detail']}" if row["detail"] else "")
        for row in answer["refused"]["inputs"][:SHOWN]
    ]
    if answer["refused"]["count"]:
        lines.append("    --map FILE.csv says which file an input is; names of files may be names of patients")
    lines += [f"flagged  {row['count']:6}  {row['flag']}: {row['meaning']}" for row in answer["flagged"]["flags"]]
    if answer["flagged"]["count"]:
        lines.append("    look at the pixels of these files before you give them away")
    return "\n".join(lines)
