"""What the verbs that train a recipe several times share: where the work is done, and how the answer is told."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mammoscope.pipeline import Work
    from mammoscope.training import Recipe


def work_of(recipe: "Recipe", *, data: Path, out: Path, cache: Path | None, workers: int | None, device: str) -> "Work":
    """The data set of a recipe, and the machine it is trained on; what happens is told on stderr."""
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import Work
    from mammoscope.sources import build_index, source_named

    return Work(
        index=build_index(source_named(recipe.source), data),
        cache=cache or out.parent / "cache",
        workers=workers,
        device=device,
        say=lambda line: typer.echo(line, err=True),
        counted=counted,
        epochs=epochs,
    )


def told(facts: dict[str, Any], *, lines: Sequence[str], page: Path, as_json: bool) -> None:
    """Print the answer: as JSON, or in lines with the path of its page last."""
    typer.echo(json.dumps(facts, indent=1) if as_json else "\n".join([*lines, str(page)]))
