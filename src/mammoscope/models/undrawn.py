"""Networks whose random weights are not drawn, because trained ones take their place at once.

Drawing them takes a second for the larger networks, more than everything else that reading a bundle does.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

DRAWS = (Tensor.normal_, Tensor.uniform_, Tensor.erfinv_)  # the last is a step of truncated normals


class Undrawn(TorchFunctionMode):
    """While it is entered, tensors that initialisers would fill with random numbers keep what lay in memory.

    Example:
        >>> from torch import nn
        >>> with Undrawn():
        ...     layer = nn.Linear(2, 3)
        >>> _ = layer.load_state_dict(nn.Linear(2, 3).state_dict())
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Leave the tensor of a draw as it is."""
        del types
        kwargs = kwargs or {}
        if func in DRAWS or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
