"""Training that goes on from the weights of another run."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from mammoscope.errors import RecipeError
from mammoscope.models import Bundle, Classifier, Design, build
from mammoscope.training.data import Data
from mammoscope.training.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A bundle to begin with.

    Attributes:
        name: Of its recipe.
        folder: Of the bundle.
        fingerprint: SHA-256 of its weights.
        split: Fingerprint of the split that it was trained on.
        sources: Data sets that it was trained on.
    """

    name: str
    folder: Path
    fingerprint: str
    split: str | None
    sources: tuple[str, ...]


def read_start(folder: Path) -> Start:
    """Look at a run folder, or a bundle, that training shall begin with.

    Raises:
        BundleError: It is not a bundle.
    """
    inside = folder / "bundle" if (folder / "bundle" / "bundle.json").is_file() else folder
    manifest = Bundle.from_pretrained(inside).manifest
    return Start(
        name=manifest.name,
        folder=inside,
        fingerprint=manifest.weights_sha256,
        split=manifest.data.get("split"),
        sources=tuple(manifest.data.get("sources", ())),
    )


def design_of(recipe: Recipe, *, clinical: int = 0) -> Design:
    """What decides the shape of a recipe's network."""
    size = {"rows": recipe.preprocess.rows, "cols": recipe.preprocess.cols}
    return Design(model=recipe.model, tasks=recipe.tasks, bags=recipe.input.bags, clinical=clinical, **size)


def starting_network(recipe: Recipe, *, data: Data, start: Start | None) -> Classifier:
    """A recipe's network with the weights that training begins with.

    The encoder's weights are taken over; those of the head and of what puts views together where their shapes agree.

    Raises:
        RecipeError: The start is of another encoder.
    """
    clinical = 0 if data.train.clinical is None else data.train.clinical.shape[1]
    network = build(design_of(recipe, clinical=clinical), seed=recipe.seed, fetch=start is None)
    if start is None:
        return network
    own = network.state_dict()
    given = _tensors(start.folder / "model.safetensors")
    fitting = {name: tensor for name, tensor in given.items() if name in own and own[name].shape == tensor.shape}
    missing = [name for name in own if name.startswith("network.") and name not in fitting]
    if missing:
        raise RecipeError(
            f"start {start.name!r}: its encoder is not the one of [model]: {len(missing)} tensors are missing or of "
            f"another shape, first {missing[0]}. Use the same [model] as there"
        )
    network.load_state_dict(own | fitting)
    return network


def _tensors(file: Path) -> dict[str, Tensor]:
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # not a mapping
