"""What a run's network says of its own train and tune samples, computed once and kept in the run folder."""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from mammoscope.errors import BundleError, RecipeError, SourceError, nearest
from mammoscope.pipeline.folder import read_json, read_table, write_table
from mammoscope.pipeline.machine import device_named
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.batches import Samples
    from mammoscope.models import Bundle
    from mammoscope.training import Recipe

FOLDER = "embeddings"
KEPT = ("part", "source", "patient_id", "image_id", "laterality", "view")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """Train and tune samples as a layer sees them. There is no test sample here.

    Attributes:
        bundle: Of the run.
        layer: That was asked.
        table: One row a sample: `part`, `source`, `patient_id`, `image_id`, `laterality`, `view`, `class` (None where
            the data set does not say), `files` (of its pictures, in the cache).
        vectors: What the layer says of each.
        chances: Probability of each class of the main task, as the run's bundle gives it.
    """

    bundle: "Bundle"
    layer: str
    table: pl.DataFrame
    vectors: Float[np.ndarray, "samples values"]
    chances: Float[np.ndarray, "samples classes"]

    @property
    def patients(self) -> Int[np.ndarray, " samples"]:
        """Number of each sample's patient."""
        numbers = self.table.select(pl.struct("source", "patient_id").rank("dense").alias("n"))["n"]
        return numbers.to_numpy().astype(np.int64)

    def of_part(self, part: Part) -> Int[np.ndarray, " rows"]:
        """Row numbers of one part."""
        return np.flatnonzero((self.table["part"].cast(pl.String) == part.value).to_numpy())


def embed_run(run: Path, *, cache: Path, layer: str = "pooled", device: str = "auto") -> Embedded:
    """Embed the train and tune samples of a run; leaves `embeddings/LAYER-KEY.parquet`.

    The key is made of the weights, the reading of pictures, the layer and the samples: a file of other weights is
    never taken for this one's.

    Args:
        run: A trained run folder.
        cache: Folder of its prepared pictures.
        layer: As `Classifier.embedding` takes it.
        device: cpu, cuda, mps or auto.

    Raises:
        SourceError: The run is not complete, or its pictures are not in the cache.
        BundleError: The bundle is of several networks, or of another split than the one in the folder.
        RecipeError: There is no such layer.
    """
    from mammoscope.training import read_recipe, samples_of

    bundle = _own_bundle(run)
    _refuse_unknown(bundle, layer)
    recipe = read_recipe(run / "recipe.json")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    if "file" not in cohort.columns:
        raise SourceError(f"{run.name}: its pictures were never prepared. Make them with: mammoscope train")
    rows = cohort.filter(pl.col("file").is_not_null() & (pl.col("part").cast(pl.String) != Part.TEST.value))
    samples, table = samples_of(rows, recipe=recipe, cache=cache, clinical=bundle.manifest.clinical)
    told = _told(table, samples, rows=rows, bundle=bundle)
    file = run / FOLDER / f"{re.sub(r'[^A-Za-z0-9]+', '-', layer)}-{_key(bundle, told, layer=layer)}.parquet"
    if not file.is_file():
        vectors, chances = _computed(bundle, samples, recipe=recipe, run=run, layer=layer, device=device)
        kept = told.select("source", "image_id").with_columns(
            pl.Series("vector", vectors), pl.Series("chances", chances)
        )
        write_table(kept, file)
    found = read_table(run, f"{FOLDER}/{file.name}", made_by="mammoscope similar")
    return Embedded(
        bundle=bundle,
        layer=layer,
        table=told,
        vectors=found["vector"].to_numpy().astype(np.float32),
        chances=found["chances"].to_numpy().astype(np.float64),
    )


def _own_bundle(run: Path) -> "Bundle":
    from mammoscope.models import Bundle

    if (run / "bundle" / "ensemble.json").is_file():
        raise BundleError(
            f"{run.name}: several networks answer together, and each has embeddings of its own. Name the run of one"
        )
    split = read_json(run, "split.json", made_by="mammoscope split")
    bundle = Bundle.from_pretrained(run / "bundle")
    if bundle.manifest.data.get("split") != split.get("fingerprint"):
        raise BundleError(
            f"{run.name}: its bundle was trained on another split than the one in the folder, so whom it has seen is "
            "not known. Take the run folder that the bundle comes from, or train again"
        )
    return bundle


def _refuse_unknown(bundle: "Bundle", layer: str) -> None:
    names = ["pooled", "hidden", *(name for name, _ in bundle.network.named_modules() if name)]
    if layer not in names:
        raise RecipeError(
            f"layer {layer!r}: the network has no such layer{nearest(layer, names)}. 'pooled' is the vector of a "
            "sample, 'hidden' what its last layer reads"
        )


def _told(table: pl.DataFrame, samples: "Samples", *, rows: pl.DataFrame, bundle: "Bundle") -> pl.DataFrame:
    """What is shown of each sample."""
    classes, names = bundle.manifest.tasks[0].classes, rows["file"].to_list()
    bags = [[at] for at in range(len(names))] if samples.bags is None else samples.bags
    return table.select(pl.col(*KEPT).cast(pl.String)).with_columns(
        pl.Series("class", [None if code < 0 else classes[code] for code in samples.main], dtype=pl.String),
        pl.Series("files", [[names[at] for at in bag] for bag in bags], dtype=pl.List(pl.String)),
    )


def _key(bundle: "Bundle", told: pl.DataFrame, *, layer: str) -> str:
    manifest = bundle.manifest
    about: dict[str, Any] = {
        "weights": manifest.weights_sha256,
        "reading": manifest.model_dump(mode="json", include={"preprocess", "pixels_version", "clinical", "unit"}),
        "scoring": manifest.model_dump(mode="json", include={"precision", "turns"}),
        "layer": layer,
        "samples": told.select("source", "image_id", "files").rows(),
    }
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _computed(
    bundle: "Bundle", samples: "Samples", *, recipe: "Recipe", run: Path, layer: str, device: str
) -> tuple[np.ndarray, np.ndarray]:
    from mammoscope.training import embeddings_of, scores_of

    missing = [file.name for file in samples.files if not file.is_file()]
    if missing:
        raise SourceError(
            f"{run.name}: {len(missing)} of {len(samples.files)} prepared pictures of its train and tune part are not "
            "in the cache. Name the right one with --cache, or prepare them again: mammoscope prepare"
        )
    bundle.network.to(device_named(device))
    how: dict[str, Any] = {"batch_size": recipe.training.batch_size, "precision": bundle.manifest.precision}
    vectors = embeddings_of(bundle.network, samples, layer=layer, **how)
    return vectors, scores_of(bundle.network, samples, turns=bundle.manifest.turns, **how)[0]
