"""Whether a network of several pictures gives its weight to those with the lesion."""

from dataclasses import asdict
from typing import Any

import polars as pl

from mammoscope.explain.localisation import clustered_means

SAMPLE = ("source", "patient_id", "sample_id")


def weight_on_lesions(
    scores: pl.DataFrame, *, replicates: int = 2000, confidence: float = 0.95, seed: int = 0
) -> dict[str, Any] | None:
    """Sum of the view weights of the pictures with a located lesion, beside what equal weights would give them.

    Only samples count in which some pictures have a located lesion and others have not: in the rest the sum is 1
    whatever the network does.

    Args:
        scores: What `score_maps` gave.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        `samples` that count, and of them `weight`, `equal` and `difference` as dictionaries of an `Estimate`; None
        where no sample counts, or a sample is one picture.

    Source:
        Ilse, Tomczak, Welling, ICML 2018, section 4.3: weights beside known instances.
    """
    if "view_weight" not in scores.columns or scores["view_weight"].is_null().all():
        return None
    one_map = scores.filter(pl.col("map") == scores["map"][0])
    bags = one_map.group_by(SAMPLE, maintain_order=True).agg(
        pl.col("view_weight").sum().alias("weight"), (pl.len() / pl.col("pictures").first()).alias("equal")
    )
    told = bags.filter(pl.col("equal") < 1)
    if told.is_empty():
        return None
    columns = {name: told[name].to_numpy() for name in ("weight", "equal")}
    columns["difference"] = columns["weight"] - columns["equal"]
    found = clustered_means(told, columns, replicates=replicates, confidence=confidence, seed=seed)
    return {"samples": told.height, **{name: asdict(one) for name, one in found.items()}}
