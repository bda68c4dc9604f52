"""How a run is measured: the part of a recipe that describes it."""

from typing import Literal

from pydantic import Field, model_validator

from mammoscope.models import Turn
from mammoscope.training.stages import Strict


class Measure(Strict):
    """How the run is measured."""

    threshold: Literal["youden", "sensitivity", "specificity", "recall_rate", "cost"] = Field(
        default="youden", description="rule, on tune"
    )
    at_least: float = Field(default=0.9, gt=0, lt=1, description="the sensitivity or specificity asked for")
    at_most: float = Field(default=0.1, gt=0, lt=1, description="the recall_rate asked for")
    miss_cost: float | None = Field(default=None, gt=0, description="of one miss in false recalls, for cost")
    prevalence: float | None = Field(
        default=None, gt=0, lt=1, description="share of positives where it shall be used, for clinical numbers"
    )
    calibration: Literal["none", "temperature", "platt", "isotonic", "beta"] = Field(
        default="none", description="from scores to probabilities, on tune"
    )
    calibration_bins: int = Field(default=10, ge=2, description="of the calibration curve and errors")
    coverage: float | None = Field(
        default=None, gt=0, lt=1, description="share of women whose answers, which may be 'refer', shall hold the truth"
    )
    gate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of new women, a picture of each, that may be marked as unlike the training",
    )
    wished_width: float | None = Field(
        default=None, gt=0, lt=1, description="of the AUC's interval, end to end: tells how many patients it takes"
    )
    specificity: float = Field(default=0.9, ge=0, le=1, description="at which sensitivity is told, too")
    sensitivity: float = Field(default=0.9, gt=0, le=1, description="at which specificity is told, too")
    partial_axis: Literal["sensitivity", "specificity"] = Field(
        default="sensitivity", description="what partial_range is a range of"
    )
    partial_range: tuple[float, float] = Field(default=(0.8, 1.0), description="of the partial AUC")
    views: Literal["mean", "max"] = Field(default="mean", description="how the images of a breast become one score")
    breasts: Literal["mean", "max"] = Field(default="max", description="how breasts become one of an exam or patient")
    turns: tuple[Turn, ...] = Field(
        default=(), description="test-time augmentation: the mean over the pictures as they are and so turned"
    )
    replicates: int = Field(default=2000, ge=100, description="bootstrap replicates over patients")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="level of the intervals")

    @model_validator(mode="after")
    def _complete(self) -> "Measure":
        missing = [name for name in ("miss_cost", "prevalence") if getattr(self, name) is None]
        if self.threshold == "cost" and missing:
            raise ValueError(f"threshold 'cost' needs {' and '.join(missing)}. Add them to [measure]")
        low, high = self.partial_range
        if not 0 <= low < high <= 1:
            raise ValueError(f"partial_range must be two rising numbers in [0, 1], got {low:g} and {high:g}")
        return self
