"""A page, and lines for a terminal: what the answers of a run hang on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammoscope.images.captions import printable
from mammoscope.report.importance_block import fall_tables
from mammoscope.report.importance_figures import importance_figures
from mammoscope.report.page import inline, rendered
from mammoscope.report.words import percent
from mammoscope.storage import write_text

Facts = Mapping[str, Any]


def write_importance(facts: Facts, *, run: Path) -> Path:
    """Write `importance.html`: tables and figures of what `importance.json` holds.

    Args:
        facts: What `importance.json` holds.
        run: The run folder.

    Returns:
        Path of the page.

    Raises:
        StorageError: It cannot be written.
    """
    drawings = importance_figures(facts)
    page = rendered(
        "importance.html.j2",
        facts={"impurity": None, "coefficients": None, "shap": None, **facts},
        title=printable(str(facts["name"])),
        tables=fall_tables(facts),
        figures={name: inline(drawing) for name, drawing in drawings.items()},
        captions={name: (drawing.title, drawing.alt) for name, drawing in drawings.items()},
    )
    write_text(run / "importance.html", page)
    return run / "importance.html"


def importance_lines(facts: Facts) -> list[str]:
    """What a run's answers hang on, in lines.

    Args:
        facts: What `importance.json` holds.

    Returns:
        Lines; `*` marks an input whose interval lies above 0.
    """
    lines = [f"{facts['name']}: {facts['rows']} rows of the {facts['part']} part"]
    for table in fall_tables(facts):
        found = facts["permutation"]
        level = percent(found["confidence"])
        lines.append(f"{table['title']}, input of other patients ({level} over patients; before {table['before']})")
        lines += [
            f"  {row['name']:22} {row['value']:>7} ({row['ends']}) {'*' if row['sure'] else ' '} "
            f"exchanges +- {row['spread']}"
            for row in table["rows"]
        ]
    for name, words in (("impurity", "share of"), ("coefficients", "coefficients,"), ("shap", "mean |SHAP|,")):
        block = facts.get(name)
        if block is None:
            continue
        lines.append(f"{words} {block.get('what') or block['unit']}: of {block['read']} values the largest")
        key = "mean_abs" if name == "shap" else "values"
        named = [(row, "  (all its values)") for row in block["inputs"]]
        for row, more in [*named, *((row, "") for row in block["values"][:10])]:
            cells = "  ".join(
                f"{output + ' ' if output else ''}{value:.4g}"
                for output, value in zip(block["outputs"], row[key], strict=True)
            )
            lines.append(f"  {row['name']:22} {cells}{more}")
    return [*lines, *facts["sealed"], *(f"note: {text}" for text in facts["notes"])]
