"""Every picture of a run's clearest hits and errors on one page, `gallery.html`."""

import json
from pathlib import Path
from typing import Any

from mammoscope.errors import SourceError
from mammoscope.report.cases import case_groups
from mammoscope.report.page import rendered
from mammoscope.storage import write_text


def write_gallery(run: Path) -> Path:
    """Write the gallery of a run into its folder, one HTML file that needs nothing else.

    Args:
        run: A run folder with `explanations.json`.

    Returns:
        Path of the HTML file.

    Raises:
        SourceError: The run was not explained, or the file is damaged.
        StorageError: The folder cannot be written.
    """
    rows = _rows(run)
    groups = case_groups(rows, run=run)
    context = {
        "title": _name(run),
        "run": run.name or "RUN",
        "groups": groups,
        "methods": list(dict.fromkeys(str(row.get("method")) for row in rows)),
        "cards": sum(len(group["cards"]) for group in groups),
        "threshold": next((row["threshold"] for row in rows if row.get("threshold") is not None), None),
        "lesions": any("known lesion outlined" in str(row.get("note")) for row in rows),
        "sheets": any(row.get("pictures") for row in rows),
    }
    write_text(run / "gallery.html", rendered("gallery.html.j2", **context))
    return run / "gallery.html"


def _rows(run: Path) -> list[dict[str, Any]]:
    file = run / "explanations.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{run.name}: has no {file.name}. Make it with: mammoscope explain") from None
    except ValueError as error:
        raise SourceError(
            f"{run.name}/{file.name}: is damaged ({error}). Make it again with: mammoscope explain"
        ) from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise SourceError(f"{run.name}/{file.name}: is damaged. Make it again with: mammoscope explain")
    return found


def _name(run: Path) -> str:
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        recipe = {}
    name = recipe.get("name") if isinstance(recipe, dict) else None
    return str(name or run.resolve().name)
