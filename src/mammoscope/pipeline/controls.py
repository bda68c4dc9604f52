"""Whether a run's maps hang on what it has learned: held against those of a control, picture by picture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.errors import BundleError
from mammoscope.pipeline.folder import opened, read_json, read_table
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.models import Manifest

RANDOM = "random weights"
APART = ("name", "seed", "split_seed", "permute_labels", "measure")
"""Keys of a recipe in which a control may differ from its run."""


def compare_maps(
    run: Path,
    *,
    against: Path,
    method: str = "grad-cam",
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    images: int | None = None,
    root: Path | None = None,
    random_seed: int = 0,
    replicates: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Hold the maps of a run against those of another on its tune part; leaves `likeness-NAME.json`.

    Made for a control: the same recipe, trained on labels that were exchanged between patients (`--permute-labels`).
    No label and no test picture is looked at, so no look at a sealed test set is spent.

    Args:
        run: A trained run folder.
        against: Another, of the same split and reading of pictures.
        method: One of `mammoscope.explain.METHODS`.
        layer: For a class activation map.
        task: Whose class; the main task's if None.
        of: Name of the class; None: that which the run calls, of two classes the positive one.
        images: Take this many samples, spread evenly over the tune part; all if None.
        root: Folder of the data set, if it has moved.
        random_seed: Of a network with random weights, which is held against the run, too.
        replicates: Of the bootstrap over patients.
        progress: Called with (samples done, samples in all).

    Returns:
        `against`, `control` (whether it is one) and its seed `permute_labels`, `recipes_differ` (in what besides),
        `asked`, `samples`, `left_out`, and `table`: what `likeness_table` gives.

    Raises:
        SourceError: A folder has no predictions, or no picture can be read.
        BundleError: The two read pictures differently, answer other questions, or were split differently; or the
            method is not defined for one of them.
        RecipeError: There is no such method.
    """
    from mammoscope.explain import likeness_table, map_likeness, reader_of, spread
    from mammoscope.models import Bundle, build

    bundle, other = (Bundle.from_pretrained(one / "bundle") for one in (run, against))
    _refuse_unlike(bundle.manifest, other.manifest)
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    rows = spread(predictions.filter(pl.col("part").cast(pl.String) == Part.TUNE.value), images)
    reader = reader_of(
        bundle,
        index=opened(run / "index.parquet", root=root),
        pictures=read_table(run, "cohort.parquet", made_by="mammoscope train"),
        lesions=False,
    )
    left_out: list[dict[str, str]] = []
    random = build(bundle.manifest.design, seed=random_seed, fetch=False).eval()
    name = against.resolve().name
    found = map_likeness(
        bundle.network,
        reader.read(rows, left_out=left_out, progress=progress),
        others={name: other.network, RANDOM: random},
        method=method,
        layer=layer,
        task=task,
        of=of,
    )
    recipes = [read_json(one, "recipe.json", made_by="mammoscope train") for one in (run, against)]
    facts = {
        "against": name,
        "control": other.manifest.is_control,
        "permute_labels": recipes[1].get("permute_labels"),
        "recipes_differ": sorted(
            key for key in recipes[0] if key not in APART and recipes[0][key] != recipes[1].get(key)
        ),
        "asked": {"method": method, "layer": layer, "task": task, "of": of, "random_seed": random_seed},
        "samples": rows.height,
        "left_out": left_out,
        "table": likeness_table(found, replicates=replicates),
    }
    write_text(run / f"likeness-{name}.json", json.dumps(facts, indent=2, allow_nan=False))
    return facts


def _refuse_unlike(one: "Manifest", other: "Manifest") -> None:
    for what in ("preprocess", "unit", "tasks"):
        if getattr(one, what) != getattr(other, what):
            raise BundleError(
                f"{other.name}: differs from {one.name} in {what}, so their maps are not of the same pictures and "
                "question. Train both with the same recipe"
            )
    if one.data.get("split") != other.data.get("split"):
        raise BundleError(
            f"{other.name}: was split differently from {one.name}, so pictures new to one may have trained the "
            "other. Train both with the same [split], seed and data"
        )


def likeness_lines(facts: dict[str, Any]) -> list[str]:
    """The table as lines for a terminal."""
    what = "a control, labels exchanged" if facts["control"] else "not a control: trained on true labels"
    lines = [f"{facts['asked']['method']} of the run against {facts['against']} ({what}), tune part"]
    if facts["recipes_differ"]:
        lines.append(f"the recipes differ in {', '.join(facts['recipes_differ'])}: likeness is of them, too")
    lines += ["", "| map | pictures | defined | rank correlation | SSIM |", "|---|---|---|---|---|"]
    for row in facts["table"]:
        cells = [_cell(row[one]) for one in ("rank", "ssim")]
        lines.append(f"| {row['against']} | {row['pictures']} | {row['defined']} | {' | '.join(cells)} |")
    lines += [f"left out: {one['image_id']}: {one['why']}" for one in facts["left_out"]]
    return lines


def _cell(mean: dict[str, Any]) -> str:
    if mean["value"] is None:
        return "not defined"
    ends = "" if mean["low"] is None else f" ({mean['low']:.3f} to {mean['high']:.3f})"
    return f"{mean['value']:.3f}{ends}"
