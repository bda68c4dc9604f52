"""Tensors on disk."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mammoscope.errors import StorageError
from mammoscope.storage import whole_file


def save_tensors(tensors: Mapping[str, Tensor], *, path: Path, facts: dict[str, str] | None = None) -> None:
    """Write tensors from any device as one safetensors file, whole or not at all.

    Args:
        tensors: By name.
        path: The file.
        facts: Texts kept in its header.

    Raises:
        StorageError: The file system refused; a file that was there before still is.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save_tensors({"a": torch.zeros(2)}, path=Path(folder) / "a.safetensors")
        ...     (Path(folder) / "a.safetensors").is_file()
        True
    """
    placed = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as temporary:
        try:
            save_file(placed, temporary, metadata=facts)
        except SafetensorError as error:  # it wraps what the file system said
            raise StorageError(
                f"{path.name}: could not be written ({error}). Make room, then run the same command again"
            ) from error
