"""From the vectors of any number of pictures to one: the views of a breast or an exam, the patches of a picture."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mammoscope.vocabulary import VIEW_NUMBERS

HIDDEN = 128  # values that a vector is judged by, L of Ilse et al.


class GatedAttention(nn.Module):
    """Weights that add up to 1 over what is present, and the sum of the vectors by them.

    Source:
        Ilse, Tomczak, Welling, Attention-based deep multiple instance learning, ICML 2018, equations 7 and 9.
    """

    def __init__(self, width: int, *, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.content = nn.Linear(width, hidden)
        self.gate = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def weights(
        self, vectors: Float[Tensor, "batch items width"], present: Bool[Tensor, "batch items"]
    ) -> Float[Tensor, "batch items"]:
        """How much each counts; exactly 0 where nothing is present."""
        seen = torch.tanh(self.content(vectors)) * torch.sigmoid(self.gate(vectors))
        scores = self.score(seen).squeeze(2).float()
        weights = torch.softmax(scores.masked_fill(~present, torch.finfo(scores.dtype).min), dim=1)
        return weights.masked_fill(~present, 0.0).to(vectors.dtype)

    def forward(
        self, vectors: Float[Tensor, "batch items width"], present: Bool[Tensor, "batch items"]
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch items"]]:
        """The weighted sum, and the weights."""
        kept = without_absent(vectors, present)
        weights = self.weights(kept, present)
        return _sum(kept, weights), weights


class ViewAttention(nn.Module):
    """One vector for a breast or an exam, however many pictures it has and in whatever order they come.

    What is absent has no influence at all, not even where its vector is not a number. What a picture shows (side and
    projection) takes part in how much it counts, not in the sum: a single picture passes through as it is.

    Args:
        width: Length of the vectors.
        how: `attention` learns what each picture counts; `mean` and `max` learn nothing.

    Example:
        >>> vectors, present = torch.tensor([[[1.0, 4.0], [3.0, 2.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]])
        >>> ViewAttention(2, how="max")(vectors, present)
        (tensor([[3., 4.]]), tensor([[0.5000, 0.5000, 0.0000]]))
    """

    def __init__(self, width: int, *, how: Literal["attention", "mean", "max"] = "attention") -> None:
        super().__init__()
        self.how = how
        if how == "attention":
            self.attention = GatedAttention(width)
            self.shown = nn.Embedding(VIEW_NUMBERS, width)
            nn.init.zeros_(self.shown.weight)  # side and projection mean nothing until they are learned

    def forward(
        self,
        vectors: Float[Tensor, "batch views width"],
        present: Bool[Tensor, "batch views"],
        codes: Int[Tensor, "batch views"] | None = None,
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch views"]]:
        """Put the pictures of each sample together.

        Args:
            vectors: Of the pictures.
            present: Which of them there are.
            codes: `view_number` of each; None where nobody knows.

        Returns:
            One vector a sample, and what each picture counts: with `max`, the share of values that it gave. A sample
            without any picture is all 0.
        """
        kept = without_absent(vectors, present)
        match self.how:
            case "attention":
                weights = self.attention.weights(kept if codes is None else kept + self.shown(codes), present)
            case "mean":
                weights = present.to(kept.dtype) / present.sum(dim=1, keepdim=True).clamp_min(1)
            case "max":
                return _largest(kept, present)
        return _sum(kept, weights), weights


def without_absent(
    vectors: Float[Tensor, "batch items width"], present: Bool[Tensor, "batch items"]
) -> Float[Tensor, "batch items width"]:
    """0 where nothing is present: 0 times what is not a number is not a number."""
    return vectors.masked_fill(~present.unsqueeze(2), 0.0)


def _sum(
    vectors: Float[Tensor, "batch items width"], weights: Float[Tensor, "batch items"]
) -> Float[Tensor, "batch width"]:
    return (vectors * weights.unsqueeze(2)).sum(dim=1)


def _largest(
    vectors: Float[Tensor, "batch items width"], present: Bool[Tensor, "batch items"]
) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch items"]]:
    low = torch.finfo(vectors.dtype).min
    values, first = vectors.masked_fill(~present.unsqueeze(2), low).max(dim=1)
    given = torch.zeros_like(vectors).scatter_(1, first.unsqueeze(1), 1.0).mean(dim=2)
    return values.masked_fill(~present.any(dim=1, keepdim=True), 0.0), given.masked_fill(~present, 0.0)
