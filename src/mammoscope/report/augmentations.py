"""A contact sheet of augmentation: training pictures as they are, and as the first epochs change them."""

import json
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mammoscope.report.drawing import INK, MUTED, Drawing, draw
from mammoscope.storage import whole_file, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mammoscope.batches import Augment, Samples
else:  # heavy, and only drawing needs it
    Augment = Figure = Samples = Any

FILE = "augmentations.json"
PICTURES, EPOCHS = 3, 6
WIDE = 120  # of one picture, in pixels
TALLEST = 1.6  # of one picture, in widths
GAP, LINE_HIGH = 8, 11  # in the same pixels
LETTERS = 24  # of a caption's line
NOT_DRAWN = frozenset({"mixup"})


def write_augmentations(augment: Augment, *, samples: Samples, seed: int, run: Path) -> Path | None:
    """Change a few training pictures as the first epochs do, and keep them for the report.

    Args:
        augment: Limits of the recipe.
        samples: The training part.
        seed: Of the run.
        run: The run folder; `augmentations.json` and `augmentations.png` are written.

    Returns:
        Path of the JSON file; None where the recipe changes no picture.

    Raises:
        StorageError: The folder cannot be written.
    """
    from mammoscope.batches import apply, draw, read_pictures  # noqa: PLC0415 - torch waits until it is needed

    if not any(value for name, value in augment.model_dump().items() if name not in NOT_DRAWN):
        return None
    count = len(samples.files)
    numbers = np.unique(np.linspace(0, count - 1, min(PICTURES, count)).round().astype(np.int64))
    pixels = read_pictures(samples, numbers)
    columns, captions = [pixels.numpy()], [["" for _ in numbers]]
    for epoch in range(EPOCHS):
        drawn = draw(augment, seed=seed, epoch=epoch, samples=numbers)
        columns.append(apply(pixels, drawn, augment=augment).numpy())
        captions.append([told(row) for row in drawn])
    rows = [np.concatenate([_small(column[at, 0]) for column in columns], axis=1) for at in range(len(numbers))]
    with whole_file(run / "augmentations.png") as temporary:
        temporary.write_bytes(cv2.imencode(".png", np.concatenate(rows))[1].tobytes())
    about = {
        "pictures": numbers.tolist(),
        "captions": [list(row) for row in zip(*captions, strict=True)],
        "noise": augment.noise,
        "mixup": augment.mixup,
    }
    write_text(run / FILE, json.dumps(about, indent=2))
    return run / FILE


def told(parameters: Float32[np.ndarray, " parameters"]) -> str:
    """What was drawn for one picture, in words: a row of what `draw` gives. What rounds to nothing is left out."""
    from mammoscope.batches import PARAMETERS  # noqa: PLC0415 - torch waits until it is needed

    value = {name: float(number) for name, number in zip(PARAMETERS, parameters, strict=True)}
    sides = {"flip_v": "up-down", "flip_h": "left-right"}
    moves = {axis: -value[f"shift_{axis}"] * (1 - 2 * value[flip]) for axis, flip in (("x", "flip_h"), ("y", "flip_v"))}
    words = [
        *(f"flipped {way}" for name, way in sides.items() if value[name]),
        _signed("turned", value["angle"], "°"),
        _moved(moves["x"], moves["y"]),
        _if(round(value["zoom"], 2), f"zoom {1 + value['zoom']:.2f}"),
        _if(round(value["elastic"], 3), f"warped {value['elastic']:.1%}"),
        _if(round(value["blur"], 1), f"blur {value['blur']:.1f} px"),
        _signed("contrast", 100 * value["contrast"], "%"),
        _signed("brightness", 100 * value["brightness"], "%"),
        _if(round(value["gamma"], 2), f"gamma {1 + value['gamma']:.2f}"),
        *(name for name in ("scratch", "dust", "marker", "edge") if value[name]),
        _if(round(value["cut_wide"] * value["cut_high"], 3), "cut-out"),
    ]
    return ", ".join(word for word in words if word) or "unchanged"


def augmentation_figure(run: Path) -> Drawing | None:
    """The contact sheet of a run; None where there is none or it cannot be read."""
    try:
        about = json.loads((run / FILE).read_text(encoding="utf-8"))
        captions = [[str(text) for text in row] for row in about["captions"]]
        coded = np.frombuffer((run / "augmentations.png").read_bytes(), np.uint8)
        noise, mixup = float(about["noise"]), float(about["mixup"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sheet = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE) if len(coded) else None
    if sheet is None or not captions or any(len(row) != EPOCHS + 1 for row in captions):
        return None
    lines = [[wrap(text, LETTERS, break_on_hyphens=False) for text in row] for row in captions]
    deepest = max(len(text) for row in lines for text in row)
    high, wide = sheet.shape[0] // len(captions), sheet.shape[1] // (EPOCHS + 1)
    shape = high + deepest * LINE_HIGH + 2 * GAP, wide + GAP  # of one cell
    size = (EPOCHS + 1) * shape[1] - GAP, len(captions) * shape[0] - GAP

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, size[0]), ylim=(size[1], -2 * GAP))
        axes.axis("off")
        axes.imshow(
            _spread(sheet, (high, wide), shape, size),
            extent=(0, size[0], size[1], 0),
            aspect="auto",
            interpolation="none",
        )
        for column in range(EPOCHS + 1):
            head = f"epoch {column}" if column else "as prepared"
            axes.text(column * shape[1], -0.6 * GAP, head, fontsize=8, color=INK, weight="bold")
            for row, texts in enumerate(lines):
                for place, text in enumerate(texts[column]):
                    y = row * shape[0] + high + (place + 0.9) * LINE_HIGH
                    axes.text(column * shape[1], y, text, fontsize=6.5, color=MUTED)

    more = f" All have noise of {noise:.1%} of full scale." if noise else ""
    more += f" Mixup (alpha {mixup:g}), which blends pictures of a batch, is not shown." if mixup else ""
    return draw(
        "augmentations",
        title="Augmentation",
        alt=f"{len(captions)} training pictures as they were prepared, then as the first {EPOCHS} epochs "
        f"draw them, with what was drawn.{more}",
        size=(9.6, 9.6 * (size[1] + 2 * GAP) / size[0]),
        paint=paint,
    )


def _if(wanted: float, word: str) -> str:
    return word if wanted else ""


def _signed(name: str, value: float, unit: str) -> str:
    text = f"{value:+.0f}".replace("-", "\N{MINUS SIGN}")
    return _if(round(value), f"{name} {text}{unit}")


def _moved(x: float, y: float) -> str:
    ways = ((x, "right" if x > 0 else "left"), (y, "down" if y > 0 else "up"))
    words = [f"{abs(share):.0%} {way}" for share, way in ways if round(abs(share), 2)]
    return _if(len(words), f"moved {' '.join(words)}")


def _small(pixels: Float32[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "high wide"]:
    rows, cols = pixels.shape
    scale = min(WIDE / cols, TALLEST * WIDE / rows)
    size = max(1, round(cols * scale)), max(1, round(rows * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(np.rint(cv2.resize(pixels, size, interpolation=way).clip(0, 1) * 255), np.uint8)


def _spread(
    sheet: UInt8[np.ndarray, "rows cols"], shape: tuple[int, int], cell: tuple[float, float], size: tuple[float, float]
) -> UInt8[np.ndarray, "high wide 4"]:
    """Pictures apart from one another on nothing, so that the page's own colour shows between them."""
    page = np.zeros((round(size[1]), round(size[0]), 4), np.uint8)
    high, wide = shape
    for y in range(sheet.shape[0] // high):
        for x in range(sheet.shape[1] // wide):
            top, left = round(y * cell[0]), round(x * cell[1])
            part = sheet[y * high : (y + 1) * high, x * wide : (x + 1) * wide]
            page[top : top + high, left : left + wide, :3] = part[:, :, None]
            page[top : top + high, left : left + wide, 3] = 255
    return page
