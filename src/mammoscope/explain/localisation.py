"""Whether the maps of a model point at lesions: the table, always beside maps that no network made."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Float32

from mammoscope.errors import SourceError
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.resampled import Weights, resampled
from mammoscope.evaluation.samples import Sample, sample_of
from mammoscope.explain.baselines import breast_map, breast_of, brightness_map, ceiling_map, centre_map
from mammoscope.explain.maps import MapSettings, explain_inputs
from mammoscope.explain.scores import MEASURES, localisation_scores
from mammoscope.images.grey import Grey, full_scale
from mammoscope.models import Classifier, Inputs, build

BASELINES = ("centre", "brightness", "breast mask")
EDGES_MM = (10.0, 20.0)  # of T1a and T1b against T1c against T2 and above, AJCC
GROUPS = ("size", "kind", "label")
FEW = 10  # pictures below which an interval is not to be trusted


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A picture with known lesions.

    Attributes:
        image_id: Of the picture.
        patient_id: Its patient, who is resampled.
        source: Data set.
        grey: What the network sees.
        truth: Pixels of lesions.
        label: Class, in words.
        kind: Of the lesions; None: the data set does not say.
        diameter_mm: Of a circle of their area; None where the spacing is unknown.
        clinical: Encoded clinical columns, where the network reads some.
    """

    image_id: str
    patient_id: str
    source: str
    grey: Grey
    truth: Bool[np.ndarray, "rows cols"]
    label: str | None = None
    kind: str | None = None
    diameter_mm: float | None = None
    clinical: Float32[np.ndarray, "1 columns"] | None = None

    @property
    def size(self) -> str | None:
        """Its class of size."""
        if self.diameter_mm is None:
            return None
        low, high = EDGES_MM
        if self.diameter_mm > high:
            return f"above {high:g} mm"
        return f"{low:g} to {high:g} mm" if self.diameter_mm > low else f"to {low:g} mm"

    @property
    def inputs(self) -> Inputs:
        """As the network reads it."""
        pixels = torch.from_numpy(self.grey.astype(np.float32) / full_scale(self.grey))[None, None]
        return Inputs(pixels, clinical=None if self.clinical is None else torch.from_numpy(self.clinical))


def score_maps(
    network: Classifier,
    pictures: Iterable[Picture],
    *,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | int | None = None,
    settings: MapSettings | None = None,
    random_seeds: Sequence[int] = (0,),
) -> pl.DataFrame:
    """Score the maps of every method on every picture, and the baselines on the same pictures.

    Args:
        network: Whose maps.
        pictures: With known lesions.
        methods: Some of `METHODS`.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: the called one, of two classes the positive one.
        settings: Of the methods.
        random_seeds: A network with the same design and random weights for each of them.

    Returns:
        One row a picture and map: `map` (a method; `METHOD, random weights`; `centre`, `brightness`, `breast mask`;
        `ceiling R x C`, the lesions on the grid of a method), `defined`, one column a measure, `image_id`,
        `patient_id`, `source`, `size`, `kind`, `label`. Of several random networks the mean of each measure.

    Raises:
        SourceError: There is no picture.
        BundleError: A method is not defined for this network.
    """
    randoms = [build(network.design, seed=seed, fetch=False).eval() for seed in random_seeds]
    told = {"task": task, "of": of, "settings": settings}
    rows: list[dict[str, Any]] = []
    for picture in pictures:
        about = {name: getattr(picture, name) for name in ("image_id", "patient_id", "source", *GROUPS)}
        for name, found in _of_picture(network, randoms, picture, methods=methods, layer=layer, told=told):
            defined = np.mean([heat is not None for heat in found])
            scored = [localisation_scores(heat, truth=picture.truth, breast=_breast(picture)) for heat in found]
            means = {measure: float(np.mean([one[measure] for one in scored])) for measure in MEASURES}
            rows.append({**about, "map": name, "defined": float(defined), **means})
    if not rows:
        raise SourceError("no picture with a known lesion: there is nothing to score against")
    return pl.DataFrame(rows, infer_schema_length=None)


def _breast(picture: Picture) -> np.ndarray:
    return breast_of(picture.inputs.pixels[0, 0].numpy())


def _of_picture(
    network: Classifier,
    randoms: Sequence[Classifier],
    picture: Picture,
    *,
    methods: Sequence[str],
    layer: str | None,
    told: dict[str, Any],
) -> list[tuple[str, list[Float32[np.ndarray, "rows cols"] | None]]]:
    inputs = picture.inputs
    pixels, grids = inputs.pixels[0, 0].numpy(), set()
    found: list[tuple[str, list[np.ndarray | None]]] = []
    for method in methods:
        at = layer if method.endswith(("cam", "cam++")) else None
        maps = explain_inputs(network, inputs, method=method, layer=at, **told)
        grids.add(maps.grid)
        found.append((method, [maps.heat(0)]))
        if randoms:
            others = [explain_inputs(one, inputs, method=method, layer=at, **told).heat(0) for one in randoms]
            found.append((f"{method}, random weights", others))
    breast = breast_of(pixels)
    plain = (centre_map(breast), brightness_map(pixels), breast_map(breast))
    found += [(name, [heat]) for name, heat in zip(BASELINES, plain, strict=True)]
    found += [(f"ceiling {r} x {c}", [ceiling_map(picture.truth, grid=(r, c))]) for r, c in sorted(grids)]
    return found


def localisation_table(
    scores: pl.DataFrame,
    *,
    against: str = "brightness",
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Means with intervals over patients, of all pictures and by size, kind and label.

    Args:
        scores: What `score_maps` gave.
        against: Baseline that every map is compared with, picture by picture.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        One row a map, group and measure: `map`, `group`, `measure`, `n`, `patients`, `defined` (share of its maps),
        `mean` (an `Estimate` as a dictionary) and, over all pictures, `difference` to the baseline on the same ones.

    Source:
        Field and Welsh, J. R. Stat. Soc. B 69 (2007): the cluster bootstrap.
    """
    how = {"replicates": replicates, "confidence": confidence, "seed": seed}
    base = scores.filter(pl.col("map") == against).select("source", "image_id", *MEASURES)
    paired = scores.join(base, on=["source", "image_id"], how="left", suffix="_base", maintain_order="left")
    rows: list[dict[str, Any]] = []
    for group, of_group in _groups(paired):
        for name in of_group["map"].unique(maintain_order=True):
            these = of_group.filter(pl.col("map") == name)
            columns = {one: these[one].to_numpy() for one in MEASURES}
            if group == "all" and name != against:
                columns |= {f"{one} difference": (these[one] - these[f"{one}_base"]).to_numpy() for one in MEASURES}
            found = _means(these, columns, how=how)
            about = {"map": name, "group": group, "defined": float(these["defined"].mean())}  # type: ignore[arg-type]
            for one in MEASURES:
                apart = found.get(f"{one} difference")
                row = about | {"measure": one, "n": these.height, "patients": found[one].patients}
                rows.append(row | {"mean": asdict(found[one]), "difference": None if apart is None else asdict(apart)})
    return rows


def _groups(scores: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    found = [("all", scores)]
    for column in GROUPS:
        values = sorted(scores[column].drop_nulls().unique().to_list())
        found += [(f"{column}: {value}", scores.filter(pl.col(column) == value)) for value in values]
    return found


def _means(rows: pl.DataFrame, columns: dict[str, np.ndarray], *, how: dict[str, Any]) -> dict[str, Estimate]:
    sample: Sample = sample_of(rows.with_columns(label=pl.lit(1), score=pl.lit(0.0)))
    count = sample.patient_count
    sums = {name: np.bincount(sample.patients, weights=values, minlength=count) for name, values in columns.items()}
    pictures = np.bincount(sample.patients, minlength=count).astype(np.float64)

    def statistic(weights: Weights) -> dict[str, np.ndarray]:
        return {name: share(one @ weights, pictures @ weights) for name, one in sums.items()}

    found = resampled(sample, statistic, **how)
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
