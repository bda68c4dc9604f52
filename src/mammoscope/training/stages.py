"""How weights are fitted: what holds in every stage, and what a stage is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mammoscope.models import Precision


class Strict(BaseModel):
    """Frozen; unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Training(Strict):
    """How weights are fitted, in every stage."""

    batch_size: int = Field(default=32, ge=1, description="samples in a step, of all processes together")
    accumulate: int = Field(default=1, ge=1, description="parts that a step is computed in, one after the other")
    loss: Literal["cross-entropy", "focal"] = Field(
        default="cross-entropy", description="binary where there are two classes; focal: Lin et al. 2017"
    )
    focal_gamma: float = Field(default=2.0, ge=0, description="how little focal counts what is right already")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of each label spread over all classes")
    class_weight: Literal["none", "balanced"] = Field(
        default="none", description="balanced: each class counts alike; of two, negatives / positives on the positive"
    )
    sampling: Literal["natural", "balanced", "patient", "balanced-patient"] = Field(
        default="natural",
        description="balanced: each class equally often; patient: each patient; balanced-patient: both",
    )
    precision: Precision = Field(default="float32", description="of the arithmetic, by autocast")
    clip_norm: float | None = Field(default=None, gt=0, description="limit of the gradient's norm")
    ema: float | None = Field(
        default=None, gt=0, lt=1, description="moving average of the weights by this share a step: measured and kept"
    )
    patience: int | None = Field(
        default=None, ge=1, description="end a stage after so many of its epochs without a better one, as `select` says"
    )
    select: Literal["auc", "loss"] = Field(default="auc", description="the best epoch has the best of it on tune")
    frozen_views: int = Field(
        default=1, ge=1, description="augmented views of each picture kept while the whole backbone is frozen"
    )
    least_sensitivity: float | None = Field(
        default=None, gt=0, lt=1, description="tune sensitivity at a score of 0.5 below which an event is noted"
    )
    recoveries: int = Field(
        default=3, ge=0, description="returns to the last good epoch, at half the rate, when the loss explodes"
    )
    compiled: bool = Field(default=False, description="let torch.compile fuse the network; numbers move by rounding")


class Stage(Strict):
    """A stretch of training with one optimiser; stages follow each other on the same weights."""

    epochs: int = Field(default=10, ge=1, description="passes over the train part")
    on: Literal["samples", "patches"] = Field(
        default="samples", description="patches: pieces around lesions and of background, for patch-to-whole"
    )
    freeze: Literal["nothing", "backbone"] = Field(
        default="nothing", description="backbone: only what follows the encoder learns, and `unfreeze`"
    )
    unfreeze: int = Field(
        default=0,
        ge=0,
        description="last blocks of a frozen backbone that learn all the same; on patches the last is their own layer",
    )
    optimizer: Literal["adamw", "adam", "sgd"] = Field(default="adamw", description="sgd: with momentum 0.9")
    lr: float = Field(default=3e-4, gt=0, description="highest learning rate")
    lr_decay: float = Field(
        default=1.0, gt=0, le=1, description="factor on the rate of each block further from the head"
    )
    weight_decay: float = Field(default=1e-2, ge=0, description="decoupled in adamw, in the gradient otherwise")
    schedule: Literal["constant", "cosine", "one-cycle", "plateau"] = Field(
        default="cosine", description="after the warm-up; plateau: a tenth each time the tune loss stops falling"
    )
    plateau_epochs: int = Field(default=3, ge=1, description="epochs without a lower tune loss that are a plateau")
    warmup_epochs: float = Field(default=0.0, ge=0, description="linear rise to lr")

    @model_validator(mode="after")
    def _sound(self) -> "Stage":
        if self.unfreeze and self.freeze == "nothing":
            raise ValueError("unfreeze needs freeze = 'backbone'. Add it, or leave unfreeze out")
        if self.on == "patches" and self.freeze == "backbone" and not self.unfreeze:
            raise ValueError("on patches nothing follows the backbone: frozen whole, nothing learns. Set unfreeze")
        if self.warmup_epochs > self.epochs:
            raise ValueError(f"warmup_epochs must be at most epochs = {self.epochs}, got {self.warmup_epochs:g}")
        return self

    @property
    def features_stay(self) -> bool:
        """Whether the encoder says the same of a picture in every epoch."""
        return self.freeze == "backbone" and not self.unfreeze and self.on == "samples"
