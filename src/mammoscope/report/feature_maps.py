"""Pages of what a network's layers see: contact sheets of files, and what excites its channels most."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammoscope.images.captions import printable
from mammoscope.report.page import rendered
from mammoscope.storage import write_text

Facts = Mapping[str, Any]


def write_feature_maps(facts: Facts, *, folder: Path) -> Path:
    """Write `feature-maps.html`: the first kernels, and the layers' maps of each file.

    Args:
        facts: `title`, `scale`, `kernels`, `files` (as `mammoscope.pipeline.draw_feature_maps` makes them) and `rows`.
        folder: To write to.

    Returns:
        Path of the page.

    Raises:
        StorageError: It cannot be written.
    """
    failed = [row for row in facts["rows"] if row["code"]]
    page = rendered(
        "feature_maps.html.j2",
        title=printable(str(facts["title"])),
        kernels=facts["kernels"],
        files=[{**one, "file": printable(one["file"])} for one in facts["files"]],
        failed=[{**row, "file": printable(row["file"]), "note": printable(row["note"])} for row in failed],
        more=len(facts["rows"]) - len(failed) - len(facts["files"]),
        scale=facts["scale"],
    )
    write_text(folder / "feature-maps.html", page)
    return folder / "feature-maps.html"


def write_activations(facts: Facts, *, run: Path) -> Path:
    """Write `activations.html`: of each channel the pictures that excite it most.

    Args:
        facts: What `activations.json` holds, with the pictures, and `title`.
        run: The run folder.

    Returns:
        Path of the page.

    Raises:
        StorageError: It cannot be written.
    """
    page = rendered("activations.html.j2", **{**facts, "title": printable(str(facts["title"]))})
    write_text(run / "activations.html", page)
    return run / "activations.html"
