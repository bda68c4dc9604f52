"""What a run was computed on, for the record."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammoscope import __version__
from mammoscope.errors import RecipeError

if TYPE_CHECKING:
    import torch


def device_named(name: str) -> "torch.device":
    """A device by its name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        RecipeError: There is no such device on this machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"--device {name}: not to be had here ({reason}). Use cpu or auto") from error
    return device


def environment(device: "torch.device") -> dict[str, Any]:
    """Versions and machine, for the record; no host name, user or path."""
    import torch

    packages = ("torch", "timm", "numpy", "scikit-learn", "polars", "pydicom", "opencv-python-headless")
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "mammoscope": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": gpu or device.type,
        "packages": {name: version(name) for name in packages},
    }


def commit() -> str | None:
    """The commit of the checkout this code runs from; None when it was installed otherwise."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--match="]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
