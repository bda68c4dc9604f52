"""Matplotlib as the report uses it: one style, SVG text, colours that follow light and dark mode."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

INK, MUTED, LINE = "#1d2733", "#5b6775", "#d5dbe2"
PAPER = "#fbfbf9"  # on bars
BLUE, RUST, GREEN, PURPLE, OCHRE, TEAL = "#1f5f99", "#b4472e", "#4d7a35", "#7a4f9e", "#94701a", "#1b7d78"
SERIES = (BLUE, RUST, GREEN, PURPLE, OCHRE, TEAL)
"""Colours of runs; they stay apart for the common colour blindnesses together with `DASHES`."""
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)))
MOST = 2 * len(SERIES)
"""Runs that still can be told apart in one figure: each colour twice, with other dashes."""

VARIABLES = {
    PAPER: "paper",
    INK: "ink",
    MUTED: "muted",
    LINE: "line",
    BLUE: "blue",
    RUST: "rust",
    GREEN: "green",
    PURPLE: "purple",
    OCHRE: "ochre",
    TEAL: "teal",
}
"""Drawn colour to the CSS variable that takes its place inside a page."""

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, small
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One finished figure.

    Attributes:
        name: Of its file, without ending.
        title: What it shows.
        alt: What one sees, for a reader who does not.
        svg: The file, in the light palette.
    """

    name: str
    title: str
    alt: str
    svg: str

    @property
    def inline(self) -> str:
        """The drawing as part of a page: no XML head, ids of its own, colours from CSS variables."""
        text = self.svg[self.svg.index("<svg") :]
        text = re.sub(r'\bid="', f'id="{self.name}-', text)
        text = re.sub(r"url\(#", f"url(#{self.name}-", text)
        text = re.sub(r'xlink:href="#', f'xlink:href="#{self.name}-', text)
        for colour, variable in VARIABLES.items():
            text = text.replace(colour, f"var(--{variable})")
        text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text, count=2)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(f"{self.title}. {self.alt}")}" ', 1)


def draw(
    name: str,
    *,
    title: str,
    alt: str,
    size: tuple[float, float],
    paint: Callable[[Figure], None],
) -> Drawing:
    """Make one figure with the report's style.

    Args:
        name: Of the file, without ending; also keeps its ids apart from those of other figures in a page.
        title: What it shows.
        alt: What one sees.
        size: Width and height in inches.
        paint: Draws on an empty figure.

    Returns:
        The drawing; the same input gives the same bytes.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - heavy, and only drawing needs it
    from matplotlib.figure import Figure as NewFigure  # noqa: PLC0415

    buffer = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = NewFigure(figsize=size, layout="constrained")
        paint(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    svg = re.sub(r"(?:'[^']*'|sans-serif)(?:, (?:'[^']*'|[\w-]+))*, sans-serif", FONTS, buffer.getvalue())
    return Drawing(name=name, title=title, alt=alt, svg=svg)


def broken(name: str, *, width: int = 26) -> str:
    r"""A long name on several lines, broken at blanks and hyphens.

    Example:
        >>> broken("mass-resnet50-forest-of-trees", width=18)
        'mass-resnet50-\nforest-of-trees'
    """
    lines = wrap(name.replace("-", "- "), width)
    return "\n".join(line.replace("- ", "-") for line in lines) or name


def line_style(place: int) -> dict[str, Any]:
    """Colour and dashes of the run at a place, the same in every figure of a page."""
    return {"color": SERIES[place % len(SERIES)], "linestyle": DASHES[(place + place // len(SERIES)) % len(DASHES)]}


def unit_square(axes: Axes, *, x: str, y: str) -> None:
    """Both axes from 0 to 1, square."""
    axes.set(xlim=(0, 1), ylim=(0, 1.005), xlabel=x, ylabel=y, aspect="equal")
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
