"""How patients are divided, as a recipe states it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(gt=0, lt=1)]
Tune = Annotated[Fraction, Field(description="share of the train patients on whom checkpoint and threshold are chosen")]
TUNE = 0.15


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RatioSplit(_Settings):
    """Patients are drawn at random into three parts, alike in label and density."""

    kind: Literal["ratio"] = Field(default="ratio", description="which way of dividing")
    train: Fraction = Field(default=0.7, description="share of the patients on whom weights are fitted")
    tune: Fraction = Field(default=TUNE, description="share on whom checkpoint and threshold are chosen")
    test: Fraction = Field(default=0.15, description="share kept for the final evaluation; the three add up to 1")

    @model_validator(mode="after")
    def _whole(self) -> "RatioSplit":
        total = self.train + self.tune + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, tune and test must add up to 1, got {total:g}")
        return self


class KFoldSplit(_Settings):
    """Patients are drawn into equal folds; one is the test, `tune` of the others' patients choose the checkpoint."""

    kind: Literal["kfold"] = Field(default="kfold", description="which way of dividing")
    folds: int = Field(default=5, ge=2, description="number of folds")
    fold: int = Field(default=0, ge=0, description="which fold is the test, from 0")
    tune: Tune = TUNE

    @model_validator(mode="after")
    def _inside(self) -> "KFoldSplit":
        if self.fold >= self.folds:
            raise ValueError(f"fold must be 0 to {self.folds - 1} with {self.folds} folds, got {self.fold}")
        return self


class OfficialSplit(_Settings):
    """The data set's own test set, `tune` of its train patients; refused if a patient is on both sides."""

    kind: Literal["official"] = Field(default="official", description="which way of dividing")
    tune: Tune = TUNE


class OfficialRepairedSplit(_Settings):
    """The data set's own test set; patients on both sides leave train."""

    kind: Literal["official-repaired"] = Field(default="official-repaired", description="which way of dividing")
    tune: Tune = TUNE


class OfficialStrictSplit(_Settings):
    """The data set's own split without the patients on both sides: they leave train and test."""

    kind: Literal["official-strict"] = Field(default="official-strict", description="which way of dividing")
    tune: Tune = TUNE


class OfficialRawSplit(_Settings):
    """The data set's own split with its leak, which the split's notes state: only to compare with such results."""

    kind: Literal["official-raw"] = Field(default="official-raw", description="which way of dividing")
    tune: Tune = TUNE


class LeaveOutSplit(_Settings):
    """One site or one machine is the test; no patient of it is in train or tune, wherever else she was seen."""

    kind: Literal["leave-out"] = Field(default="leave-out", description="which way of dividing")
    column: Literal["site_id", "machine_id"] = Field(description="leave out by site, or by machine")
    value: str = Field(min_length=1, description="the site or machine that is the test, as the index names it")
    tune: Tune = TUNE


class FileSplit(_Settings):
    """A table of the user's own: patient_id,part or image_id,part, with a column source where several are merged."""

    kind: Literal["file"] = Field(default="file", description="which way of dividing")
    path: Path = Field(description="CSV; a leak in it is refused, whoever it does not name is left out")


SplitSettings = Annotated[
    RatioSplit
    | KFoldSplit
    | OfficialSplit
    | OfficialRepairedSplit
    | OfficialStrictSplit
    | OfficialRawSplit
    | LeaveOutSplit
    | FileSplit,
    Field(discriminator="kind"),
]
"""Any of the settings above; `kind` says which."""
