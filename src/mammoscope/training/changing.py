"""A batch as training sees it: augmented, and mixed."""

from dataclasses import dataclass

from torch import Tensor

from mammoscope.batches import Batch, apply, draw, mixed
from mammoscope.models import Inputs
from mammoscope.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changed:
    """What the network is shown.

    Attributes:
        inputs: The batch.
        partners: Which sample each is mixed with; None where nothing is mixed.
        share: Of the sample itself in the mix.
    """

    inputs: Inputs
    partners: Tensor | None = None
    share: float = 1.0


def changed(batch: Batch, *, recipe: Recipe, epoch: int, step: int, encoded: bool = False) -> Changed:
    """Augment a batch as the epoch says; what a frozen encoder said of pictures stays as it is."""
    inputs = Inputs(batch.pixels, batch.present, batch.codes, batch.clinical)
    if encoded:
        return Changed(inputs=inputs)
    pixels = batch.pixels if batch.present is None else batch.pixels[batch.present]
    moved = augmented(pixels, recipe=recipe, epoch=epoch, numbers=batch.pictures)
    if batch.present is not None:
        whole = batch.pixels.clone()
        whole[batch.present] = moved
        return Changed(inputs=inputs._replace(pixels=whole))
    if not recipe.augment.mixup:
        return Changed(inputs=inputs._replace(pixels=moved))
    mix = mixed(moved, alpha=recipe.augment.mixup, seed=recipe.seed, epoch=epoch, step=step)
    columns = batch.clinical
    if columns is not None:
        columns = mix.share * columns + (1 - mix.share) * columns[mix.partners]
    shown = inputs._replace(pixels=mix.pixels, clinical=columns)
    return Changed(inputs=shown, partners=mix.partners, share=mix.share)


def augmented(pixels: Tensor, *, recipe: Recipe, epoch: int, numbers: object) -> Tensor:
    """Pictures as the epoch changes them, by their numbers."""
    parameters = draw(recipe.augment, seed=recipe.seed, epoch=epoch, samples=numbers)  # type: ignore[arg-type]
    return apply(pixels, parameters, augment=recipe.augment)
