"""What is said of a picture in a few words, for lines, tables and captions."""

import re

from mammoscope.trail import Step
from mammoscope.vocabulary import Laterality, View

SYNTAXES: dict[str, str] = {  # Transfer Syntax UID: PS3.5 section 10, PS3.6 Table A-1
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "explicit big endian",
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG 12 bit",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    "1.2.840.10008.1.2.5": "RLE",
}


def printable(text: str) -> str:
    """A text from outside without anything that a terminal or a page would obey.

    Example:
        >>> printable("left" + chr(27) + "[31m.dcm")
        'left?[31m.dcm'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def side_and_view(laterality: Laterality | None, view: View | None) -> str:
    """Both, and which of them is not known.

    Example:
        >>> side_and_view(Laterality.RIGHT, View.MLO), side_and_view(Laterality.RIGHT, None), side_and_view(None, None)
        ('R MLO', 'R, view unknown', 'side and view unknown')
    """
    if laterality is None:
        return "side and view unknown" if view is None else f"{view}, side unknown"
    return f"{laterality}, view unknown" if view is None else f"{laterality} {view}"


def shape_words(shape: tuple[int, int]) -> str:
    """Rows and columns.

    Example:
        >>> shape_words((5355, 4915))
        '5355 x 4915'
    """
    return f"{shape[0]} x {shape[1]}"


def spacing_words(spacing_mm: tuple[float, float] | None) -> str:
    """Size of a pixel: one number where it is as high as wide.

    Example:
        >>> spacing_words((0.07, 0.07)), spacing_words((0.1, 0.05)), spacing_words(None)
        ('0.07 mm', '0.1 x 0.05 mm', '? mm')
    """
    if spacing_mm is None:
        return "? mm"
    height, width = (f"{side:.3g}" for side in spacing_mm)
    return f"{height} mm" if height == width else f"{height} x {width} mm"


def size_words(shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> str:
    """Height and width in mm.

    Example:
        >>> size_words((5355, 4915), (0.07, 0.07)), size_words((5355, 4915), None)
        ('375 x 344 mm', '? mm')
    """
    if spacing_mm is None:
        return "? mm"
    return f"{shape[0] * spacing_mm[0]:.0f} x {shape[1] * spacing_mm[1]:.0f} mm"


def stored_words(trail: tuple[Step, ...]) -> str:
    """How the pixels are stored.

    Example:
        >>> stored_words((Step(name="decode", detail="RLE Lossless", cause="UID = 1.2.840.10008.1.2.5"),))
        'RLE'
    """
    step = first_step(trail, "decode")
    return "?" if step is None else SYNTAXES.get(step.cause.rpartition(" ")[2], step.detail)


def window_words(trail: tuple[Step, ...]) -> str:
    """Which window, with centre and width.

    Example:
        >>> window_words((Step(name="window", detail="SIGMOID, centre 1802.31, width 1091.97", cause=""),))
        'SIGMOID 1802 / 1092'
    """
    step = first_step(trail, "window")
    if step is None:
        return "none"
    name = step.detail.split(",")[0].split(" ")[0]
    found = re.search(r"centre (\S+), width ([^\s,]+)", step.detail)
    return name if found is None else f"{name} {_short(found[1])} / {_short(found[2])}"


def _short(number: str) -> str:
    value = float(number)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def oddities(trail: tuple[Step, ...]) -> list[Step]:
    """What the file does that it should not."""
    return [step for step in trail if step.name == "oddity"]


def first_step(trail: tuple[Step, ...], name: str) -> Step | None:
    """The first decision of a kind, or None."""
    return next((step for step in trail if step.name == name), None)
