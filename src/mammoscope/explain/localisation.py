"""Whether the maps of a model point at lesions: the table, always beside maps that no network made."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32

from mammoscope.errors import SourceError
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.resampled import Weights, resampled
from mammoscope.evaluation.samples import Sample, sample_of
from mammoscope.explain.baselines import breast_map, breast_of, brightness_map, ceiling_map, centre_map
from mammoscope.explain.located import Located, Picture, inputs_in, pictures_in
from mammoscope.explain.looking import view_weights
from mammoscope.explain.maps import Maps, MapSettings, explain_inputs
from mammoscope.explain.scores import MEASURES, localisation_scores
from mammoscope.models import Classifier, Inputs, build

GROUPS = ("size", "kind", "label", "view")
ABOUT = ("image_id", "patient_id", "source", "size", "kind", "label", "sample_id")
UNTRAINED = ", random weights"
SAME = 1e-6  # weights of views that differ by less are equal
FEW = 10  # pictures below which an interval is not to be trusted


def score_maps(
    network: Classifier,
    samples: Iterable[Located],
    *,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | int | None = None,
    settings: MapSettings | None = None,
    random_seeds: Sequence[int] = (0,),
) -> pl.DataFrame:
    """Score the maps of every method on every picture, and the baselines on the same pictures.

    Of a sample of several pictures every one with a located lesion is scored by its own map, which is made with all
    the others in place; a map has no scale, so what a picture weighs among the others does not enter its scores. It
    stands beside them, as `view_weight`.

    Args:
        network: Whose maps.
        samples: Pictures with known lesions; of a network that reads several together, lists of them.
        methods: Some of `METHODS`.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: the called one, of two classes the positive one.
        settings: Of the methods.
        random_seeds: A network with the same design and random weights for each of them.

    Returns:
        One row a picture and map: `map` (a method; `METHOD, random weights`; `centre`, `brightness`, `breast mask`, of
        crops `area`; `ceiling R x C`, the lesions on the grid of a method), `defined`, one column a measure,
        `image_id`, `patient_id`, `source`, `size`, `kind`, `label`, and of several pictures `sample_id`, `pictures` (in
        the sample), `view_weight` and `view` (`weighed most` or `weighed less`; None where all weigh the same). Of
        several random networks the mean of each measure.

    Raises:
        SourceError: There is no picture with a lesion.
        BundleError: A method is not defined for this network.
    """
    randoms = [build(network.design, seed=seed, fetch=False).eval() for seed in random_seeds]
    told = {"task": task, "of": of, "settings": settings}
    rows: list[dict[str, Any]] = []
    for sample in samples:
        shown, inputs = pictures_in(sample), inputs_in(sample)
        made = _made(network, randoms, inputs, methods=methods, layer=layer, told=told)
        weights = None if inputs.present is None else view_weights(network, inputs)[0].tolist()
        for at, picture in enumerate(shown):
            if picture.truth is not None:
                beside = _weighed(weights, at)
                rows += [{**row, **beside} for row in _rows(picture, made, at=at, truth=picture.truth)]
    if not rows:
        raise SourceError("no picture with a known lesion: there is nothing to score against")
    return pl.DataFrame(rows, infer_schema_length=None)


def _made(
    network: Classifier,
    randoms: Sequence[Classifier],
    inputs: Inputs,
    *,
    methods: Sequence[str],
    layer: str | None,
    told: dict[str, Any],
) -> list[tuple[str, list[Maps]]]:
    """Of each method the maps of the network, and those of the random networks."""
    found: list[tuple[str, list[Maps]]] = []
    for method in methods:
        how = {"method": method, "layer": layer if method.endswith(("cam", "cam++")) else None, **told}
        found.append((method, [explain_inputs(network, inputs, **how)]))
        if randoms:
            others = [explain_inputs(one, inputs, **how) for one in randoms]
            found.append((f"{method}{UNTRAINED}", others))
    return found


def _weighed(weights: list[float] | None, at: int) -> dict[str, Any]:
    """What a picture counts among those of its sample."""
    if weights is None:
        return {"view_weight": None, "pictures": None, "view": None}
    most = None if max(weights) - min(weights) < SAME else weights[at] == max(weights)
    view = None if most is None else "weighed most" if most else "weighed less"
    return {"view_weight": weights[at], "pictures": len(weights), "view": view}


Heats = tuple[str, list[Float32[np.ndarray, "rows cols"] | None]]
"""Name of a map, and the maps of that name: several of random networks, None where one is not defined."""


def _rows(picture: Picture, made: list[tuple[str, list[Maps]]], *, at: int, truth: np.ndarray) -> list[dict[str, Any]]:
    about = {name: getattr(picture, name) for name in ABOUT}
    breast = breast_of(picture.pixels)
    heats: list[Heats] = [(name, [maps.heat(at) for maps in several]) for name, several in made]
    plain = [("centre", centre_map(breast)), ("brightness", brightness_map(picture.pixels))]
    plain.append(("breast mask", breast_map(breast)))
    plain += [("area", np.ones(truth.shape, dtype=np.float32))] if picture.is_crop else []
    grids = sorted({maps.grid for _, several in made for maps in several})
    plain += [(f"ceiling {rows} x {cols}", ceiling_map(truth, grid=(rows, cols))) for rows, cols in grids]
    rows = []
    heats += [(name, [heat]) for name, heat in plain]
    for name, found in heats:
        scored = [localisation_scores(heat, truth=truth, breast=breast) for heat in found]
        means = {measure: float(np.mean([one[measure] for one in scored])) for measure in MEASURES}
        rows.append({**about, "map": name, "defined": float(np.mean([heat is not None for heat in found])), **means})
    return rows


def localisation_table(
    scores: pl.DataFrame,
    *,
    against: str = "brightness",
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Means with intervals over patients, of all pictures and by size, kind, label and weight among the views.

    Args:
        scores: What `score_maps` gave.
        against: Baseline that every map is compared with, picture by picture.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        One row a map, group and measure: `map`, `group`, `measure`, `n`, `patients`, `defined` (share of its maps),
        `mean` (an `Estimate` as a dictionary) and, over all pictures, `difference` to the baseline on the same ones;
        of a method also `learned`, the difference to the same method with random weights. None where there is none.

    Source:
        Field and Welsh, J. R. Stat. Soc. B 69 (2007): the cluster bootstrap.
    """
    how: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed}
    paired = _beside(scores, against=against)
    rows: list[dict[str, Any]] = []
    for group, of_group in _groups(paired):
        for name in of_group["map"].unique(maintain_order=True):
            these = of_group.filter(pl.col("map") == name)
            columns = {one: these[one].to_numpy() for one in MEASURES}
            if group == "all":
                columns |= _differences(these, name=name, against=against)
            found = clustered_means(these, columns, **how)
            about = {"map": name, "group": group, "defined": float(these["defined"].mean())}  # type: ignore[arg-type]
            for one in MEASURES:
                row = about | {"measure": one, "n": these.height, "patients": found[one].patients}
                apart = {key: found.get(f"{one} {key}") for key in ("difference", "learned")}
                told = {key: None if value is None else asdict(value) for key, value in apart.items()}
                rows.append(row | {"mean": asdict(found[one]), **told})
    return rows


def _beside(scores: pl.DataFrame, *, against: str) -> pl.DataFrame:
    """Each score with that of the baseline, and that of the same method with random weights, on the same picture."""
    one_picture = ["source", "image_id"]
    base = scores.filter(pl.col("map") == against).select(*one_picture, *MEASURES)
    chance = scores.filter(pl.col("map").str.ends_with(UNTRAINED)).with_columns(
        pl.col("map").str.strip_suffix(UNTRAINED)
    )
    return scores.join(base, on=one_picture, how="left", suffix="_base", maintain_order="left").join(
        chance.select(*one_picture, "map", *MEASURES),
        on=[*one_picture, "map"],
        how="left",
        suffix="_untrained",
        maintain_order="left",
    )


def _differences(these: pl.DataFrame, *, name: str, against: str) -> dict[str, np.ndarray]:
    found = {}
    for one in MEASURES:
        if name != against:
            found[f"{one} difference"] = (these[one] - these[f"{one}_base"]).to_numpy()
        if not these[f"{one}_untrained"].is_null().any():
            found[f"{one} learned"] = (these[one] - these[f"{one}_untrained"]).to_numpy()
    return found


def _groups(scores: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    found = [("all", scores)]
    for column in GROUPS:
        values = sorted(scores[column].drop_nulls().unique().to_list())
        found += [(f"{column}: {value}", scores.filter(pl.col(column) == value)) for value in values]
    return found


def clustered_means(
    rows: pl.DataFrame, columns: dict[str, np.ndarray], *, replicates: int, confidence: float, seed: int
) -> dict[str, Estimate]:
    """Mean of each column with its interval over patients; NaN in a column is left out of its mean.

    Args:
        rows: `source` and `patient_id` of each value.
        columns: Values by name, one a row.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.
    """
    sample: Sample = sample_of(rows.with_columns(label=pl.lit(1), score=pl.lit(0.0)))
    count, sums = sample.patient_count, {}
    for name, values in columns.items():
        known = np.isfinite(values)
        each = (np.where(known, values, 0.0), known.astype(np.float64))
        sums[name] = [np.bincount(sample.patients, weights=one, minlength=count) for one in each]

    def statistic(weights: Weights) -> dict[str, np.ndarray]:
        return {name: share(total @ weights, defined @ weights) for name, (total, defined) in sums.items()}

    found = resampled(sample, statistic, replicates=replicates, confidence=confidence, seed=seed)
    few = f"{len(rows)} pictures; with fewer than {FEW} an interval is not to be trusted"
    return {name: one if len(rows) >= FEW else replace(one, reason=one.reason or few) for name, one in found.items()}


def table_text(rows: Sequence[dict[str, Any]], *, group: str = "all") -> str:
    """The table of one group in Markdown: mean (low to high) of every map and measure.

    Args:
        rows: What `localisation_table` gave.
        group: One of its groups.
    """
    here = [row for row in rows if row["group"] == group]
    lines = ["| map | defined | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    for name in dict.fromkeys(row["map"] for row in here):
        cells = {row["measure"]: row for row in here if row["map"] == name}
        told = [_cell(cells[measure]["mean"]) for measure in MEASURES]
        lines.append(f"| {name} | {cells[MEASURES[0]]['defined']:.2f} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def _cell(mean: dict[str, Any]) -> str:
    if mean["low"] is None:
        return f"{mean['value']:.3f}"
    return f"{mean['value']:.3f} ({mean['low']:.3f} to {mean['high']:.3f})"
