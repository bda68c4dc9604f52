"""What goes wrong with pictures, graded: on pixels as a network sees them, the same for one image whenever asked."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

Pixels = Float32[np.ndarray, "rows cols"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One way in which pictures go wrong.

    Attributes:
        name: As reports call it.
        says: What the severity is, with its unit.
        severities: Five, from hardly visible to worse than any reader would accept.
        apply: (pixels, severity, generator) to pixels; the generator gives the same draws at every severity.
    """

    name: str
    says: str
    severities: tuple[float, ...]
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]


def corrupted(pixels: Pixels, corruption: Corruption, *, severity: float, image_id: str, seed: int = 0) -> Pixels:
    """Corrupt one prepared picture.

    Args:
        pixels: Display values in [0, 1], 0 beside the breast. Not modified.
        corruption: One of `CORRUPTIONS`.
        severity: In its unit.
        image_id: Decides the draws together with the seed, so neither order nor choice of images matters; they are
            the same at every severity, so a curve is not blurred by luck.
        seed: Of the draws.

    Returns:
        Display values in [0, 1], same shape.

    Source:
        Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions, ICLR 2019: graded
        severities; the corruptions and their grades here are ours.

    Example:
        >>> grey = np.full((32, 24), 0.5, dtype=np.float32)
        >>> noise = next(one for one in CORRUPTIONS if one.name == "noise")
        >>> f"{np.std(corrupted(grey, noise, severity=0.1, image_id='a')):.2f}"
        '0.10'
    """
    random = np.random.default_rng([seed, zlib.crc32(image_id.encode()), zlib.crc32(corruption.name.encode())])
    out = corruption.apply(pixels, severity, random)
    return np.asarray(np.clip(out, 0.0, 1.0), np.float32)


def _noise(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    drawn = random.standard_normal(pixels.shape, dtype=np.float32)
    return np.where(pixels > 0, pixels + np.float32(severity) * drawn, pixels)


def _blur(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    del random
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), severity), np.float32)


def _contrast(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    del random
    inside = pixels > 0
    if not inside.any():
        return pixels
    middle = pixels[inside].mean(dtype=np.float64)
    return np.where(inside, np.float32(middle) + np.float32(severity) * (pixels - np.float32(middle)), pixels)


def _jpeg(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    del random
    grey = np.rint(pixels * 255).astype(np.uint8)
    _, coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(severity)])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


def _resolution(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    del random
    rows, cols = pixels.shape
    size = (max(1, round(cols / severity)), max(1, round(rows / severity)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (cols, rows), interpolation=cv2.INTER_LINEAR), np.float32)


def _crop(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Each edge of the crop box moves by up to `severity` of the side, in or out; outside there is nothing."""
    rows, cols = pixels.shape
    left, right, top, bottom = random.uniform(-1, 1, size=4) * severity
    x0, x1, y0, y1 = left * cols, (1 + right) * cols, top * rows, (1 + bottom) * rows
    scale_x, scale_y = cols / (x1 - x0), rows / (y1 - y0)
    matrix = np.array([[scale_x, 0, -x0 * scale_x], [0, scale_y, -y0 * scale_y]])
    return np.asarray(cv2.warpAffine(pixels, matrix, (cols, rows), flags=cv2.INTER_LINEAR), np.float32)


def _label(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """A lead marker in the upper or lower corner away from the chest wall, letters `severity` of the rows high."""
    rows, cols = pixels.shape
    text, font = f"{'LR'[int(random.integers(2))]} {('CC', 'MLO')[int(random.integers(2))]}", cv2.FONT_HERSHEY_SIMPLEX
    upper, bright = bool(random.integers(2)), float(random.uniform(0.7, 1.0))
    high = severity * rows
    scale, thick = high / 22, max(1, round(high / 10))  # a capital of this font is 22 pixels high
    (width, height), _ = cv2.getTextSize(text, font, scale, thick)
    away_right = pixels[:, : cols // 2].sum() >= pixels[:, cols // 2 :].sum()
    column = max(0, cols - width - 2) if away_right else 2
    row = height + 2 if upper else rows - 3
    marker = np.zeros((rows, cols), np.uint8)
    cv2.putText(marker, text, (column, row), font, scale, 255, thick, cv2.LINE_AA)
    return np.asarray(np.maximum(pixels, marker * np.float32(bright / 255)), np.float32)


def _lines(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Bright scratches across the picture; the first ones are the same at every severity."""
    rows, cols = pixels.shape
    drawn = np.zeros((rows, cols), np.uint8)
    for _ in range(int(severity)):
        start, end = random.uniform(0, cols, size=2)
        cv2.line(drawn, (int(start), 0), (int(end), rows - 1), int(random.integers(128, 256)), 1, cv2.LINE_AA)
    return np.asarray(np.maximum(pixels, drawn / np.float32(255)), np.float32)


def _dust(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Bright specks, a pixel or three wide; the first ones are the same at every severity."""
    rows, cols = pixels.shape
    drawn = np.zeros((rows, cols), np.uint8)
    for _ in range(int(severity)):
        centre = (int(random.integers(cols)), int(random.integers(rows)))
        cv2.circle(drawn, centre, int(random.integers(2)), int(random.integers(160, 256)), -1)
    return np.asarray(np.maximum(pixels, drawn / np.float32(255)), np.float32)


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption(
        name="noise",
        says="standard deviation of Gaussian noise in the breast, of full scale",
        severities=(0.01, 0.02, 0.04, 0.08, 0.16),
        apply=_noise,
    ),
    Corruption(
        name="blur",
        says="standard deviation of a Gaussian, in pixels of the network's input",
        severities=(0.5, 1.0, 1.5, 2.0, 3.0),
        apply=_blur,
    ),
    Corruption(
        name="contrast",
        says="factor on the distance to the mean of the breast",
        severities=(0.8, 0.6, 0.4, 0.3, 0.2),
        apply=_contrast,
    ),
    Corruption(name="compression", says="JPEG quality, 8 bits", severities=(80.0, 50.0, 25.0, 10.0, 5.0), apply=_jpeg),
    Corruption(
        name="resolution",
        says="factor by which the picture is shrunk and enlarged again",
        severities=(1.25, 1.5, 2.0, 3.0, 4.0),
        apply=_resolution,
    ),
    Corruption(
        name="crop jitter",
        says="each edge of the crop moves by up to this share of the side",
        severities=(0.02, 0.04, 0.08, 0.12, 0.16),
        apply=_crop,
    ),
    Corruption(
        name="label",
        says="height of a lead marker's letters, as a share of the rows",
        severities=(0.02, 0.03, 0.05, 0.08, 0.12),
        apply=_label,
    ),
    Corruption(name="line", says="bright lines", severities=(1.0, 2.0, 4.0, 8.0, 16.0), apply=_lines),
    Corruption(name="dust", says="bright specks", severities=(4.0, 8.0, 16.0, 32.0, 64.0), apply=_dust),
)
"""Every corruption, five severities each."""
