"""Tiny pictures and tables that several tests plant."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl


def picture(path: Path, *, seed: int = 0) -> Path:
    """A bright half disc at the left on black, with texture."""
    y, x = np.mgrid[:120, :80]
    breast = (((y - 60) / 50) ** 2 + (x / 60) ** 2 < 1).astype(np.float32)
    grain = np.random.default_rng(seed).uniform(80, 200, breast.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (breast * grain).astype(np.uint8))
    return path


def images(folder: Path, names: list[str]) -> pl.DataFrame:
    rows = [{"source": "own", "image_id": name, "path": name, "laterality": "L", "view": "CC"} for name in names]
    return pl.DataFrame(rows)
