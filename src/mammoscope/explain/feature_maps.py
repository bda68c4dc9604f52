"""What each convolution of a network makes of a picture: all channels of its map."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mammoscope.errors import BundleError
from mammoscope.explain.layers import channels_last, evaluating, no_such_layer
from mammoscope.models import Classifier

Note = Callable[[str, nn.Module, tuple[Any, ...], object], None]
"""Told of a module that has run: its name, itself, what it was given, what it gave."""

FEW = 12  # convolutions that are all shown; of more, the first and the last at each size of map


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerMaps:
    """What a layer makes of one picture.

    Attributes:
        layer: Its name.
        shown: What its map has been through before it is shown, such as `after ReLU`; empty: as the layer gives it.
        maps: One map a channel, on the layer's own grid.
    """

    layer: str
    shown: str
    maps: Float32[np.ndarray, "channels rows cols"]

    @property
    def title(self) -> str:
        """Name, what is shown, channels, rows and columns."""
        channels, rows, cols = self.maps.shape
        return f"{self.layer}{', ' + self.shown if self.shown else ''}: {channels} channels of {rows} x {cols}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """A module that ran: its name, its map's shape, and what came of the map on the way to its activation."""

    layer: str
    shape: tuple[int, ...]
    last: str  # name of the module whose map is shown: the layer itself, or its normalisation or activation
    shown: str


def feature_maps(
    network: Classifier,
    pixels: Float[Tensor, "1 1 rows cols"],
    *,
    layers: Sequence[str] | None = None,
    every: bool = False,
) -> list[LayerMaps]:
    """Look at the maps of a network's layers for one picture.

    The map of a convolution is taken after the normalisation and the activation that follow it directly, where they are
    modules: that is what the next layer gets. Any other layer's is taken as it gives it.

    Args:
        network: Left in the mode it was in; looked at in evaluation mode.
        pixels: One picture, display values in [0, 1].
        layers: Some of `layer_names`; if None every convolution, of more than 12 the first and the last at each size.
        every: Every convolution, however many.

    Returns:
        In the order in which the layers run.

    Raises:
        BundleError: There is no such layer, it has no rows and columns, it does not run once a picture; or there is
            no convolution.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=16, cols=16), seed=0)
        >>> [one.title for one in feature_maps(network, torch.rand(1, 1, 16, 16))]
        ['stack.0.0, after ReLU: 4 channels of 16 x 16', 'stack.1.0, after ReLU: 8 channels of 8 x 8']
    """
    with evaluating(network), torch.inference_mode():
        wanted = _wanted(network, pixels, layers=layers, every=every)
        found = _outputs(network, pixels, names=[one.last for one in wanted])
    shape = (int(pixels.shape[2]), int(pixels.shape[3]))
    return [
        LayerMaps(
            layer=one.layer,
            shown=one.shown,
            maps=_channels_first(found[one.last], network=network, shape=shape)[0].float().cpu().numpy(),
        )
        for one in wanted
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A layer whose maps can be watched, picture after picture.

    Attributes:
        layer: Its name.
        last: Name of the module whose map is taken.
        shown: What the map has been through.
    """

    layer: str
    last: str
    shown: str


def watched_layer(network: Classifier, pixels: Float[Tensor, "1 1 rows cols"], *, layer: str | None = None) -> Watched:
    """Find the layer to watch: by its name, or the last convolution with rows and columns.

    Args:
        network: In evaluation mode.
        pixels: Any picture of the right size.
        layer: One of `layer_names`, or None.

    Raises:
        BundleError: As `feature_maps` says.
    """
    with torch.inference_mode():
        one = _wanted(network, pixels, layers=None if layer is None else [layer], every=True)[-1]
    return Watched(layer=one.layer, last=one.last, shown=one.shown)


def watched_maps(
    network: Classifier, pixels: Float[Tensor, "batch 1 rows cols"], *, watched: Watched
) -> Float[Tensor, "batch channels r c"]:
    """Maps of one layer for a batch of pictures; gradients flow if they are enabled.

    Raises:
        BundleError: It does not run once a picture.
    """
    found = _outputs(network, pixels, names=[watched.last])[watched.last]
    return _channels_first(found, network=network, shape=(int(pixels.shape[2]), int(pixels.shape[3])))


def first_kernels(network: Classifier) -> tuple[str, Float32[np.ndarray, "channels rows cols"]]:
    """Weights of the first convolution.

    Args:
        network: Any with a convolution.

    Returns:
        Its name, and one kernel a channel; of a network that is given the same grey as three colours their sum.

    Raises:
        BundleError: There is no convolution.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> name, kernels = first_kernels(build(Design(model=SimpleCnn(channels=(4,))), seed=0))
        >>> name, kernels.shape
        ('stack.0.0', (4, 3, 3))
    """
    for name, module in network.network.named_modules():
        if isinstance(module, nn.Conv2d):
            summed: np.ndarray = module.weight.detach().float().sum(dim=1).cpu().numpy()
            return name, summed
    raise BundleError(_without(network))


def _without(network: Classifier) -> str:
    return (
        f"feature maps: a {network.design.model.kind} network has no convolution. "
        "Use `mammoscope importance` on its run: it says which of its values count"
    )


def _wanted(network: Classifier, pixels: Tensor, *, layers: Sequence[str] | None, every: bool) -> list[_Ran]:
    ran = _run_through(network, pixels)
    if layers is not None:
        return [_named(name, ran, network=network) for name in layers]
    modules = dict(network.network.named_modules())
    found = [one[0] for name, one in ran.items() if isinstance(modules[name], nn.Conv2d) and len(one) == 1]
    found = [one for one in found if min(one.shape[2:]) > 1 and one.shape[0] == 1]  # 1 x 1: weighs channels
    if not found:
        raise BundleError(_without(network))
    if every or len(found) <= FEW:
        return found
    last = {one.shape[2:]: one for one in found}
    kept = {id(found[0]), *(id(one) for one in last.values())}
    return [one for one in found if id(one) in kept]


def _named(name: str, ran: dict[str, list[_Ran]], *, network: Classifier) -> _Ran:
    known = [one for one, _ in network.network.named_modules() if one]
    if name not in known:
        raise no_such_layer(name, known=known)
    found = ran.get(name, [])
    if len(found) != 1 or found[0].shape[0] != 1:
        raise BundleError(
            f"layer {name!r}: does not run once for each picture (ran {len(found)} times). Choose another layer"
        )
    if len(found[0].shape) != 4:
        raise BundleError(
            f"layer {name!r}: gives {len(found[0].shape)} axes, and a map has 4: it has no rows and columns. "
            "Choose a convolution"
        )
    return found[0]


def _run_through(network: Classifier, pixels: Tensor) -> dict[str, list[_Ran]]:
    """Every module that gave one tensor, in the order they ran, with what directly followed convolutions."""
    ran: dict[str, list[_Ran]] = {}
    following: dict[int, tuple[str, int, Tensor]] = {}  # id of a map that waits for its activation, kept alive

    def note(name: str, module: nn.Module, given: tuple[Any, ...], out: object) -> None:
        if not isinstance(out, Tensor):
            return
        source = following.pop(id(given[0]), None) if given and _follows(module, given[0], out) else None
        if source is not None:
            layer, at, _ = source
            before = ran[layer][at]
            ran[layer][at] = _Ran(layer=layer, shape=before.shape, last=name, shown=_words(module))
            if not _activates(module):
                following[id(out)] = (layer, at, out)
        known = ran.setdefault(name, [])
        known.append(_Ran(layer=name, shape=tuple(out.shape), last=name, shown=""))
        if isinstance(module, nn.Conv2d):
            following[id(out)] = (name, len(known) - 1, out)

    with _hooked(network, note):
        network.encoded(pixels.to(next(network.parameters()).device))
    return ran


@contextmanager
def _hooked(network: Classifier, note: Note) -> Iterator[None]:
    """Tell of every module of the encoder when it has run."""
    handles = [
        module.register_forward_hook(partial(note, name)) for name, module in network.network.named_modules() if name
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _follows(module: nn.Module, given: object, out: Tensor) -> bool:
    """Whether it only normalises or activates each value of a map."""
    if not isinstance(given, Tensor) or given.shape != out.shape or "Pool" in type(module).__name__:
        return False
    if isinstance(module, _BatchNorm | nn.GroupNorm | nn.PReLU):
        return True
    return not any(True for _ in module.children()) and not any(True for _ in module.parameters())


def _activates(module: nn.Module) -> bool:
    own = getattr(module, "act", None)
    if isinstance(module, _BatchNorm | nn.GroupNorm):  # timm's have the activation inside
        return own is not None and not isinstance(own, nn.Identity)
    return not isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d) and "Drop" not in type(module).__name__


def _words(module: nn.Module) -> str:
    own = getattr(module, "act", None)
    named = own if isinstance(own, nn.Module) and not isinstance(own, nn.Identity) else module
    name = type(named).__name__
    if name == "Identity" or "Drop" in name:
        return ""
    return "after normalisation" if isinstance(named, _BatchNorm | nn.GroupNorm) else f"after {name}"


def _outputs(network: Classifier, pixels: Tensor, *, names: Sequence[str]) -> dict[str, Tensor]:
    """What some modules give, as they give it: what follows may write into it."""
    found: dict[str, Tensor] = {}

    def note(name: str, _module: nn.Module, _given: tuple[Any, ...], out: object) -> None:
        if name in names and isinstance(out, Tensor):
            if name in found:
                raise BundleError(f"layer {name!r}: runs more than once for each picture. Choose another layer")
            found[name] = out.clone()

    with _hooked(network, note):
        network.encoded(pixels.to(next(network.parameters()).device))
    return found


def _channels_first(maps: Tensor, *, network: Classifier, shape: tuple[int, int]) -> Tensor:
    return maps.permute(0, 3, 1, 2) if channels_last(maps, network=network, shape=shape) else maps
