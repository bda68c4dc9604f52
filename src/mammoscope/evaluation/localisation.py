"""Whether marks lie on lesions: FROC and the pointing game, from tables, with intervals over patients."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import sparse

from mammoscope.errors import RecipeError
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.hits import CENTRE_IN_BOX, Hit, Places, placed
from mammoscope.evaluation.ranking import Ranking, counted, ranked
from mammoscope.evaluation.resampled import Statistic, resampled
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.values import Curve

PER_IMAGE = (0.25, 0.5, 1.0, 2.0, 4.0)
"""False positives per image at which sensitivity is stated."""

ROUNDING = 1e-9  # marks
MAX_POINTS = 1500  # of a drawn curve
FEW = 10  # lesions below which an interval is not to be trusted

Denominator = Literal["all images", "images without lesion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Localisation:
    """How well marks find lesions.

    Attributes:
        hit: When a mark counts as on a lesion, in words.
        lesion: Whether a lesion counts once per image it is seen on, or once over all views of the patient.
        denominator: Images that false positives are counted on and divided by.
        images: Images that were searched.
        images_without_lesion: Those without any lesion.
        lesions: To be found.
        marks: Made on these images.
        false_positives: Marks on no lesion, on the images of the denominator.
        froc: False positives per image, as text, to the sensitivity that is reached with at most so many; `mean` is
            their mean. `n` are images, `positives` lesions.
        pointing: Share of images with a lesion whose highest mark is on one. `n` and `positives` are such images.
        curve: Sensitivity against false positives per image, without the band; None where nothing was found or marked.
        warnings: What a reader should know before quoting a number.
    """

    hit: str
    lesion: str
    denominator: Denominator
    images: int
    images_without_lesion: int
    lesions: int
    marks: int
    false_positives: int
    froc: dict[str, Estimate]
    pointing: Estimate
    curve: Curve | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def evaluate_marks(
    marks: pl.DataFrame,
    *,
    lesions: pl.DataFrame,
    images: pl.DataFrame,
    hit: Hit = CENTRE_IN_BOX,
    per_image: Sequence[float] = PER_IMAGE,
    either_view: bool = False,
    denominator: Denominator = "all images",
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Localisation:
    """Measure marks against lesions.

    A lesion is found at the highest score of any mark on it; further marks on it are neither right nor wrong. A mark on
    no lesion is a false positive.

    Args:
        marks: `image_id`, `score`, and `x`, `y` or a box (`x_min`, `y_min`, `x_max`, `y_max`), in pixels of the image.
            Higher scores are more suspicious; only their order matters.
        lesions: `image_id` and a box in the same pixels; `lesion_id` where `either_view`.
        images: Every image that was searched, marked or not: `image_id` and `patient_id`.
        hit: When a mark is on a lesion.
        per_image: False positives per image at which sensitivity is stated.
        either_view: A lesion (`lesion_id` within the patient) is found if it is on any of its images.
        denominator: Whether marks beside a lesion on an image with one count as false positives, too.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        FROC and pointing game.

    Raises:
        SourceError: A column is missing, a cell is not allowed, an image is not among `images`, or a lesion stands
            twice; the text names the row.
        RecipeError: `per_image` is empty or not above 0.

    Source:
        Bunch et al., A free response approach to the measurement and characterization of radiographic observer
        performance, Proc. SPIE 127 (1977), for FROC; Chakraborty and Berbaum, Medical Physics 31 (2004), for the
        highest rating of a lesion; Zhang et al., Top-down neural attention by excitation backprop, IJCV 126 (2018), for
        the pointing game.

    Example:
        >>> images = pl.DataFrame({"image_id": ["a", "b"], "patient_id": ["1", "2"]})
        >>> lesions = pl.DataFrame({"image_id": ["a"], "x_min": [10], "y_min": [10], "x_max": [20], "y_max": [20]})
        >>> marks = pl.DataFrame({"image_id": ["a", "b"], "x": [15, 5], "y": [12, 5], "score": [0.6, 0.9]})
        >>> found = evaluate_marks(marks, lesions=lesions, images=images, replicates=50)
        >>> found.froc["0.25"].value, found.froc["1"].value, found.pointing.value
        (0.0, 1.0, 1.0)
    """
    if not per_image or any(not rate > 0.0 for rate in per_image):
        raise RecipeError(f"per_image must be numbers above 0, got {', '.join(map(str, per_image)) or 'none'}")
    free = denominator == "images without lesion"
    places = placed(marks, lesions=lesions, images=images, hit=hit, either_view=either_view)
    scored, searched = _scored(places, free=free), ~places.diseased if free else np.ones_like(places.diseased)
    totals = np.stack([_per_patient(places, searched), _sums(places, places.lesion_patients), *_pointing(places)])
    sized = Sample(
        labels=np.ones(len(places.patients), dtype=np.bool_),
        scores=np.zeros(len(places.patients)),
        patients=places.patients,
        patient_count=places.patient_count,
    )
    found = resampled(
        sized,
        _statistic(ranked(scored), sparse.csr_matrix(totals), per_image=tuple(per_image)),
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons=_reasons(places, free=free, per_image=per_image),
    )
    pointing, diseased = found.pop("pointing"), int(places.diseased.sum())
    return Localisation(
        hit=hit.words,
        lesion="once, found on any image of the patient" if either_view else "once per image it is seen on",
        denominator=denominator,
        images=len(places.patients),
        images_without_lesion=int((~places.diseased).sum()),
        lesions=len(places.lesion_patients),
        marks=places.mark_count,
        false_positives=int((~scored.labels).sum()),
        froc={name: replace(e, positives=len(places.lesion_patients)) for name, e in found.items()},
        pointing=replace(pointing, n=diseased, positives=diseased),
        curve=_curve(scored, images=int(searched.sum()), lesions=len(places.lesion_patients)),
        warnings=tuple(_warnings(places)),
    )


def _scored(places: Places, *, free: bool) -> Sample:
    """Found lesions as positive rows, false positives as negative ones."""
    found = np.isfinite(places.lesion_scores)
    wrong = ~places.diseased[places.false_images] if free else np.ones(len(places.false_images), dtype=np.bool_)
    return Sample(
        labels=np.concatenate([np.ones(int(found.sum()), np.bool_), np.zeros(int(wrong.sum()), np.bool_)]),
        scores=np.concatenate([places.lesion_scores[found], places.false_scores[wrong]]),
        patients=np.concatenate([places.lesion_patients[found], places.patients[places.false_images][wrong]]),
        patient_count=places.patient_count,
    )


def _statistic(ranking: Ranking, totals: Any, *, per_image: tuple[float, ...]) -> Statistic:
    def of(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        counts = counted(ranking, weights=weights)
        images, lesions, pointed, pointable = totals @ weights
        false = counts.above + counts.tied
        found = {
            f"{rate:g}": np.where(
                images > 0,
                share((counts.positive * (false <= rate * images + ROUNDING)).sum(axis=0), lesions),
                np.nan,
            )
            for rate in per_image
        }
        mean = np.mean(list(found.values()), axis=0)
        return {**found, "mean": mean, "pointing": share(pointed, pointable)}

    return of


def _pointing(places: Places) -> tuple[Float[np.ndarray, " patients"], Float[np.ndarray, " patients"]]:
    """Images with a lesion whose highest mark is on it (of equal ones, their share), and images with a lesion."""
    return _per_patient(places, places.pointed * places.diseased), _per_patient(places, places.diseased)


def _per_patient(places: Places, values: np.ndarray) -> Float[np.ndarray, " patients"]:
    sums = np.bincount(places.patients, weights=values.astype(np.float64), minlength=places.patient_count)
    return sums.astype(np.float64)


def _sums(places: Places, patients: np.ndarray) -> Float[np.ndarray, " patients"]:
    return np.bincount(patients, minlength=places.patient_count).astype(np.float64)


def _curve(scored: Sample, *, images: int, lesions: int) -> Curve | None:
    if not images or not lesions or not len(scored.labels):
        return None
    cuts = np.unique(scored.scores)[::-1]
    if len(cuts) > MAX_POINTS:
        cuts = cuts[np.linspace(0, len(cuts) - 1, MAX_POINTS).round().astype(np.int64)]
    true, false = (np.sort(scored.scores[labels]) for labels in (scored.labels, ~scored.labels))
    hit, wrong = (len(side) - np.searchsorted(side, cuts, side="left") for side in (true, false))
    return Curve(
        x=(0.0, *(float(value) for value in np.round(wrong / images, 6))),
        y=(0.0, *(float(value) for value in np.round(hit / lesions, 6))),
    )


def _reasons(places: Places, *, free: bool, per_image: Sequence[float]) -> dict[str, str]:
    none = "no lesion" if not len(places.lesion_patients) else "no image without lesion" if free else "no image"
    return {**{f"{rate:g}": none for rate in per_image}, "mean": none, "pointing": "no image with a lesion"}


def _warnings(places: Places) -> list[str]:
    found = []
    if len(places.lesion_patients) < FEW:
        found.append(f"{len(places.lesion_patients)} lesions; with fewer than {FEW} intervals are not to be trusted")
    if not places.mark_count:
        found.append("no mark at all: nothing was found")
    elif places.constant and places.mark_count > 1:
        found.append("every mark has the same score: there is one operating point, not a curve")
    return found
