"""How patients are divided, as a recipe states it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(gt=0, lt=1)]
TUNE = 0.15


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RatioSplit(_Settings):
    """Patients are drawn at random into three parts, alike in label and density."""

    kind: Literal["ratio"] = "ratio"
    train: Fraction = 0.7
    tune: Fraction = TUNE
    test: Fraction = 0.15

    @model_validator(mode="after")
    def _whole(self) -> "RatioSplit":
        total = self.train + self.tune + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, tune and test must add up to 1, got {total:g}")
        return self


class KFoldSplit(_Settings):
    """Patients are drawn into equal folds; one is the test, `tune` of the others' patients choose the checkpoint."""

    kind: Literal["kfold"] = "kfold"
    folds: int = Field(default=5, ge=2)
    fold: int = Field(default=0, ge=0)  # which fold is the test, from 0
    tune: Fraction = TUNE

    @model_validator(mode="after")
    def _inside(self) -> "KFoldSplit":
        if self.fold >= self.folds:
            raise ValueError(f"fold must be 0 to {self.folds - 1} with {self.folds} folds, got {self.fold}")
        return self


class OfficialSplit(_Settings):
    """The data set's own test set, `tune` of its train patients; refused if a patient is on both sides."""

    kind: Literal["official"] = "official"
    tune: Fraction = TUNE


class OfficialRepairedSplit(_Settings):
    """The data set's own test set; patients on both sides leave train."""

    kind: Literal["official-repaired"] = "official-repaired"
    tune: Fraction = TUNE


class OfficialRawSplit(_Settings):
    """The data set's own split with its leak, which the split's notes state: only to compare with such results."""

    kind: Literal["official-raw"] = "official-raw"
    tune: Fraction = TUNE


class FileSplit(_Settings):
    """A table of the user's own: patient_id,part or image_id,part, with a column source where several are merged."""

    kind: Literal["file"] = "file"
    path: Path


SplitSettings = Annotated[
    RatioSplit | KFoldSplit | OfficialSplit | OfficialRepairedSplit | OfficialRawSplit | FileSplit,
    Field(discriminator="kind"),
]
"""Any of the settings above; `kind` says which."""
