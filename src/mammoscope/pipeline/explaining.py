"""Whether the maps of a run point at lesions."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mammoscope.pipeline.folder import opened, read_json, read_table
from mammoscope.pipeline.sealing import counted_look
from mammoscope.storage import write_text


def score_run(
    run: Path,
    *,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    random_seeds: Sequence[int] = (0,),
    images: int | None = None,
    root: Path | None = None,
    break_seal: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the maps of every test sample with a located lesion, beside baselines; leaves `localisation.json`.

    Args:
        run: A trained run folder.
        methods: Some of `mammoscope.explain.METHODS`.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        random_seeds: Of networks with random weights.
        images: Take this many samples; all if None.
        root: Folder of the data set, if it has moved.
        break_seal: Look at a sealed test set whose budget is spent; the ledger says so.
        progress: Called with (samples done, samples in all).

    Returns:
        What `score_predictions` gives, and how it was asked.

    Raises:
        SourceError: The folder has no predictions, or no test picture has a located lesion.
        RecipeError: There is no such method, or a sample is a crop that the data set has cut itself.
        BundleError: A method is not defined for the network.
        SealError: The test set is sealed and may not be looked at.
    """
    from mammoscope.explain import score_predictions
    from mammoscope.models import Bundle

    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    recipe = read_json(run, "recipe.json", made_by="mammoscope split")
    name, bags = str(recipe["name"]), (recipe.get("input") or {}).get("unit") in {"breast", "exam"}
    look = counted_look(run, what="explain --score", predictions=predictions, model=name, break_seal=break_seal)
    with look as looking:
        found = score_predictions(
            predictions,
            bundle=Bundle.from_pretrained(run / "bundle"),
            index=opened(run / "index.parquet", root=root),
            pictures=read_table(run, "cohort.parquet", made_by="mammoscope train") if bags else None,
            methods=methods,
            layer=layer,
            task=task,
            of=of,
            random_seeds=random_seeds,
            most=images,
            progress=progress,
        )
        rows = [row for row in found["table"] if row["group"] == "all" and row["measure"] == "pointing"]
        looking.result = {row["map"]: row["mean"]["value"] for row in rows if row["map"] in methods}
    asked = {"methods": list(methods), "layer": layer, "task": task, "of": of, "random_seeds": list(random_seeds)}
    facts = {"asked": asked, **found}
    write_text(run / "localisation.json", json.dumps(facts, indent=2, allow_nan=False))
    return facts
