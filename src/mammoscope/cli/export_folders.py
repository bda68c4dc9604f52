"""`mammoscope export-folders`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammoscope.cli.options import AsJson, Cache, IndexFile, Root, Workers

if TYPE_CHECKING:
    from mammoscope.batches import Export, Exported


def export_folders(
    index: IndexFile,
    *,
    out: Annotated[Path, typer.Option("--out", help="folder to make, or to go on with")],
    ratio: Annotated[str, typer.Option("--ratio", help="shares of the patients in the three folders")] = "70/20/10",
    names: Annotated[str, typer.Option("--names", help="names of the three folders")] = "train/test/hold-out",
    views: Annotated[str | None, typer.Option("--views", help="only these views, as CC or CC,MLO")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="only images with such a finding, as mass")] = None,
    by: Annotated[str, typer.Option("--by", help="class folders: malignant or density")] = "malignant",
    size: Annotated[int, typer.Option("--size", min=16, help="rows and columns of a picture")] = 224,
    whole: Annotated[bool, typer.Option("--whole", help="keep the whole picture instead of the breast")] = False,
    bits: Annotated[int, typer.Option("--bits", help="of a pixel: 8 or 16")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the split")] = 0,
    root: Root = None,
    cache: Cache = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Write pictures as PNG in class folders, divided by patient, for other programs. Exit 1 if some cannot be read.

    Run the same command again after an interruption: it goes on where it stopped.
    """
    from mammoscope.batches import export_folders as exported
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import opened

    chosen = _settings(
        {
            "ratio": _ratio(ratio),
            "names": names.split("/"),
            "views": None if views is None else views.split(","),
            "kind": kind,
            "by": by,
            "preprocess": {"rows": size, "cols": size, "region": "whole" if whole else "breast"},
            "bits": bits,
            "seed": seed,
        }
    )
    found = opened(index, root=root)
    with counted("preparing") as progress:
        done = exported(
            found, out=out, cache=cache or out.parent / "cache", export=chosen, workers=workers, progress=progress
        )
    for row in done.failed:
        typer.echo(f"{row['code']:12} {row['source']}/{row['image_id']}  {row['message']}", err=True)
    typer.echo(json.dumps(asdict(done), indent=2) if as_json else _table(done))
    raise typer.Exit(1 if done.failed else 0)


def _ratio(text: str) -> dict[str, float]:
    """Shares out of numbers in any unit: 70/20/10 is 0.7/0.2/0.1."""
    try:
        shares = [float(number) for number in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) != 3 or min(shares) <= 0:
        raise typer.BadParameter(
            f"{text!r} is not three numbers above 0 with / between, as 70/20/10", param_hint="--ratio"
        )
    return {name: share / sum(shares) for name, share in zip(("train", "tune", "test"), shares, strict=True)}


def _settings(values: dict[str, Any]) -> "Export":
    from pydantic import ValidationError

    from mammoscope.batches import Export

    try:
        return Export.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "names"
        option = {"preprocess": "size"}.get(where, where)
        found = f"{first['input']!r}: " if first["loc"] else ""
        raise typer.BadParameter(f"{found}{first['msg']}", param_hint=f"--{option}") from None


def _table(done: "Exported") -> str:
    classes = list(next(iter(done.counts.values())))
    lines = ["{:12} {}  {:>9}".format("", "  ".join(f"{name:>15}" for name in classes), "patients")]
    for part, counts in done.counts.items():
        lines.append(f"{part:12} {'  '.join(f'{counts[name]:>15}' for name in classes)}  {done.patients[part]:>9}")
    lines += [f"left out: {count} images {why}" for why, count in done.left_out.items() if count]
    lines += [f"note: {note}" for note in done.notes]
    lines.append(f"fingerprint {done.fingerprint}" + (f", {len(done.failed)} failed" if done.failed else ""))
    return "\n".join(lines)
