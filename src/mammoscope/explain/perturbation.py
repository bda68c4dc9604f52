"""Maps from what a network answers when parts of the picture are hidden; any network, whatever is inside."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mammoscope.errors import BundleError
from mammoscope.explain.layers import evaluating, no_gradients
from mammoscope.explain.question import Question
from mammoscope.models import Classifier, Inputs

AT_ONCE = 32  # pictures in one pass


def occlusion(
    network: Classifier, inputs: Inputs, *, question: Question, window_px: int, stride_px: int
) -> Float[Tensor, "batch rows cols"]:
    """How much of the evidence is lost when a black square covers a place.

    Args:
        network: Left in the mode it was in. Its estimator answers where it has one.
        inputs: A batch of single pictures.
        question: Which class.
        window_px: Side of the square; at the lower and right rim a part of it.
        stride_px: Steps it is moved by, at most its side.

    Returns:
        Evidence of the picture less that of the covered one, for each pixel the mean over the squares that cover it.

    Raises:
        BundleError: A sample is several pictures.

    Source:
        Zeiler and Fergus, ECCV 2014, section 4.2, with black, the background of a mammogram, in place of grey.
    """
    _refuse_bags(inputs, what="occlusion")
    rows, cols = inputs.pixels.shape[-2:]
    windows = [
        (slice(y, y + window_px), slice(x, x + window_px))
        for y in _starts(rows, window_px=window_px, stride_px=stride_px)
        for x in _starts(cols, window_px=window_px, stride_px=stride_px)
    ]
    kept = torch.ones(len(windows), rows, cols)
    for at, (down, across) in enumerate(windows):
        kept[at, down, across] = 0
    with evaluating(network):
        logits = no_gradients(network, inputs)
        numbers = question.numbers(logits)
        whole = question.evidence(logits, numbers)
        total = torch.zeros(len(inputs.pixels), rows, cols, device=inputs.pixels.device)
        for masks, answers, repeated in _masked(network, inputs, kept=kept, numbers=numbers):
            lost = whole.unsqueeze(1) - question.evidence(answers, repeated).view(len(whole), -1)
            total += torch.einsum("bm,mrc->brc", lost, 1 - masks)
    return total / (1 - kept).sum(dim=0).to(total.device)


def rise(
    network: Classifier,
    inputs: Inputs,
    *,
    question: Question,
    masks: int = 512,
    cells: int = 7,
    keep: float = 0.5,
    seed: int = 0,
) -> Float[Tensor, "batch rows cols"]:
    """Which places raise the probability of a class when they are shown, from random masks.

    Args:
        network: Left in the mode it was in. Its estimator answers where it has one.
        inputs: A batch of single pictures.
        question: Which class.
        masks: How many; the noise of the map falls with their root.
        cells: Of a mask along each side, smoothed and shifted at random.
        keep: Share of cells that are shown.
        seed: Of the masks, which are the same for every picture: what a map is does not hang on its batch.

    Returns:
        The paper's map less that of a network which answers its mean over these masks whatever it is shown: positive
        where showing the place raises the probability.

    Raises:
        BundleError: A sample is several pictures.

    Source:
        Petsiuk, Das, Saenko, RISE, BMVC 2018, equation 6 and section 3.2.
    """
    _refuse_bags(inputs, what="rise")
    rows, cols = inputs.pixels.shape[-2:]
    drawn = random_masks(masks, shape=(rows, cols), cells=cells, keep=keep, seed=seed)
    with evaluating(network):
        numbers = question.numbers(no_gradients(network, inputs))
        chances = [
            question.chance(answers, repeated).view(len(numbers), -1)
            for _, answers, repeated in _masked(network, inputs, kept=drawn, numbers=numbers)
        ]
    said = torch.cat(chances, dim=1)
    raised = said - said.mean(dim=1, keepdim=True)
    return torch.einsum("bm,mrc->brc", raised, drawn.to(raised.device)) / (masks * keep)


def random_masks(
    count: int, *, shape: tuple[int, int], cells: int, keep: float, seed: int
) -> Float[Tensor, "count rows cols"]:
    """Small random grids, enlarged without edges and shifted by less than a cell; values in [0, 1].

    Example:
        >>> random_masks(2, shape=(20, 10), cells=4, keep=0.5, seed=0).shape
        torch.Size([2, 20, 10])
    """
    generator = torch.Generator().manual_seed(seed)
    rows, cols = shape
    high, wide = -(-rows // cells), -(-cols // cells)
    grids = (torch.rand(count, 1, cells + 1, cells + 1, generator=generator) < keep).float()
    large = functional.interpolate(grids, size=((cells + 1) * high, (cells + 1) * wide), mode="bilinear")[:, 0]
    down = torch.randint(high, (count,), generator=generator).tolist()
    right = torch.randint(wide, (count,), generator=generator).tolist()
    return torch.stack([one[y : y + rows, x : x + cols] for one, y, x in zip(large, down, right, strict=True)])


def _masked(
    network: Classifier, inputs: Inputs, *, kept: Tensor, numbers: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some masks, the logits of every picture under each of them (picture by picture), and the classes asked for."""
    batch = len(inputs.pixels)
    for masks in torch.split(kept.to(inputs.pixels.device), max(1, AT_ONCE // batch)):
        covered = (inputs.pixels * masks).flatten(0, 1).unsqueeze(1)  # batch 1 r c by masks r c
        clinical = None if inputs.clinical is None else inputs.clinical.repeat_interleave(len(masks), dim=0)
        answers = no_gradients(network, Inputs(covered, clinical=clinical))
        yield masks, answers, numbers.repeat_interleave(len(masks))


def _starts(size: int, *, window_px: int, stride_px: int) -> range:
    return range(0, max(1, size - window_px + stride_px), stride_px)


def _refuse_bags(inputs: Inputs, *, what: str) -> None:
    if inputs.present is not None:
        raise BundleError(
            f"{what} is not defined here for a sample of several pictures. Use a class activation map or "
            "integrated-gradients"
        )
