"""The figures of a data set's description, each from its numbers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.report.drawing import BLUE, GREEN, INK, LINE, MUTED, OCHRE, PAPER, PURPLE, RUST, TEAL, Drawing, draw
from mammoscope.report.words import interval, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

Facts = Mapping[str, Any]
COLOURS = {
    "malignant": RUST,
    "benign": BLUE,
    "benign without callback": TEAL,
    "normal": GREEN,
    "not malignant": BLUE,
    "unknown": MUTED,
}
HALF = (4.6, 3.1)
MACHINES = 12  # shown; the table has all
DESCRIPTORS = 10  # shapes or margins shown: the archive of CBIS-DDSM joins them to twenty and more
UNIT_WORDS = {
    "mm": "longer side of the lesion's box, mm",
    "share": "longer side of the lesion's box, % of the picture's",
    "px": "longer side of the lesion's box, pixels",
}
PLURALS = {"mass": "masses", "asymmetry": "asymmetries", "other": "other lesions"}
SCALE = {"share": 100.0}


def description_figures(facts: Facts) -> dict[str, Drawing]:
    """Every figure that a description allows, by name."""
    found = [
        _stacked(facts["view_by_class"], name="pathology-by-view", title="Images by view", unit="images", shares=False),
        _stacked(facts["density_by_class"], name="pathology-by-density", title="Classes by density", unit="images"),
        _stacked(facts["tissue_by_class"], name="pathology-by-tissue", title="Classes by tissue", unit="images"),
        _stacked(
            facts["lesions"]["kind_by_class"],
            name="lesion-kinds",
            title="Lesions by kind",
            unit="lesions",
            shares=False,
        ),
        _stacked(
            _first(facts["lesions"]["shape_by_class"]),
            name="pathology-by-shape",
            title="Masses by shape",
            unit="masses",
        ),
        _stacked(
            _first(facts["lesions"]["margins_by_class"]),
            name="pathology-by-margins",
            title="Masses by margins",
            unit="masses",
        ),
        _lesion_sizes(facts["lesions"]),
        _ages(facts["age_by_class"]),
        _groups(facts["machines"], name="machines", title="Malignant images by machine"),
        _groups(facts["sites"], name="sites", title="Malignant images by site"),
        _missing(facts["columns"], records=facts["records"]),
        _without_pixels(facts),
    ]
    return {drawing.name: drawing for drawing in found if drawing is not None}


def _first(table: Facts | None) -> Facts | None:
    """The commonest rows of a table; the numbers have all."""
    if table is None:
        return None
    return {**table, "rows": table["rows"][:DESCRIPTORS], "counts": table["counts"][:DESCRIPTORS]}


def _stacked(table: Facts | None, *, name: str, title: str, unit: str, shares: bool = True) -> Drawing | None:
    """Bars by row, stacked by class: counts, or shares of each row with its count beside it."""
    if table is None or not table["rows"]:
        return None
    counts = np.array(table["counts"])
    totals = counts.sum(axis=1)
    drawn = 100 * counts / np.maximum(totals, 1)[:, None] if shares else counts
    widest = drawn.sum(axis=1).max()
    air = max(0, 3 - len(totals)) / 2

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places, start = np.arange(len(table["rows"])), np.zeros(len(table["rows"]))
        for column, word in enumerate(table["columns"]):
            width = drawn[:, column]
            bars = axes.barh(places, width, left=start, height=0.68, color=COLOURS[word], label=word)
            texts = [f"{n:,}" if part > 0.09 * widest else "" for n, part in zip(counts[:, column], width, strict=True)]
            axes.bar_label(bars, texts, label_type="center", color=PAPER, fontsize=8.5)
            start = start + width
        for place, (end, total) in enumerate(zip(start, totals, strict=True)):
            axes.annotate(
                f"{total:,}", (end, place), (4, 0), textcoords="offset points", va="center", color=MUTED, fontsize=8.5
            )
        axes.set_yticks(places, [word.capitalize() if word.islower() else word for word in table["rows"]])
        axes.set(
            xlabel=f"% of {unit}" if shares else unit,
            xlim=(0, widest * 1.13),
            ylim=(len(places) - 0.5 + air, -0.5 - air),
        )
        _bare(axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, columnspacing=1.2)

    said = "; ".join(
        f"{row}: " + ", ".join(f"{n:,} {word}" for n, word in zip(line, table["columns"], strict=True) if n)
        for row, line in zip(table["rows"], table["counts"], strict=True)
    )
    height = max(2.3, 1.15 + 0.36 * len(table["rows"])) + 0.2 * (len(table["columns"]) > 3)
    return draw(name, title=title, alt=f"{said}.", size=(HALF[0], height), paint=paint)


def _lesion_sizes(lesions: Facts) -> Drawing | None:
    histogram, unit = lesions["histogram"], lesions["unit"]
    if histogram is None:
        return None
    factor = SCALE.get(unit, 1.0)
    medians = {row["kind"]: factor * row["median"] for row in lesions["sizes"] if row["unit"] == unit}
    sign = {"mm": " mm", "share": " %", "px": " px"}[unit]
    said = ", ".join(f"{kind} {value:.3g}{sign}" for kind, value in medians.items())
    return _two_histograms(
        histogram,
        factor=factor,
        name="lesion-sizes",
        title="Lesion sizes",
        alt=f"{lesions['sized']:,} lesions. Median: {said}. The last bar holds what is larger.",
        x=UNIT_WORDS[unit],
        y="lesions",
        labels=("malignant", "other"),
    )


def _ages(ages: Facts | None) -> Drawing | None:
    if ages is None:
        return None
    unknown = f"; age unknown for {ages['unknown']:,}" if ages["unknown"] else ""
    return _two_histograms(
        ages,
        factor=1.0,
        name="ages",
        title="Ages",
        alt=f"{ages['patients']:,} patients, each at her youngest{unknown}.",
        x="age, years",
        y="patients",
        labels=("with a malignant image", "without"),
    )


def _two_histograms(
    table: Facts, *, factor: float, name: str, title: str, alt: str, x: str, y: str, labels: tuple[str, str]
) -> Drawing:
    """Malignant and other as outlines over the same bins, stacked so that the total is the sum."""
    edges = factor * np.array(table["edges"])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        base = np.zeros(len(edges) - 1)
        for key, colour, label in (("malignant", RUST, labels[0]), ("other", BLUE, labels[1])):
            counts = np.array(table[key])
            axes.bar(edges[:-1], counts, np.diff(edges) * 0.92, bottom=base, align="edge", color=colour, label=label)
            base = base + counts
        axes.set(xlabel=x, ylabel=y, xlim=(edges[0], edges[-1]))
        axes.grid(visible=False, axis="x")
        axes.locator_params(axis="y", integer=True)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)

    return draw(name, title=title, alt=alt, size=HALF, paint=paint)


def _groups(groups: Sequence[Facts], *, name: str, title: str) -> Drawing | None:
    """Share of malignant images by machine or site, against that of all."""
    shown = [group for group in groups if group["labelled"]][:MACHINES]
    if len(shown) < 2:
        return None
    everywhere = sum(g["malignant"] for g in groups) / sum(g["labelled"] for g in groups)
    shares = [100 * group["malignant"] / group["labelled"] for group in shown]
    end = 1.45 * max(*shares, 100 * everywhere) + 1

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(shown))
        axes.barh(places, shares, height=0.62, color=RUST)
        for place, (group, part) in enumerate(zip(shown, shares, strict=True)):
            text = f"{part:.0f} % of {group['labelled']:,}"
            axes.text(end, place, text, ha="right", va="center", color=MUTED, fontsize=8.5)
        axes.axvline(100 * everywhere, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_yticks(places, [str(group["name"]) for group in shown])
        axes.set(xlabel="malignant, % of labelled images (dashed: of all)", xlim=(0, end))
        axes.set_ylim(len(shown) - 0.5, -0.5)
        _bare(axes)

    said = "; ".join(f"{g['name']}: {part:.0f} % of {g['labelled']:,}" for g, part in zip(shown, shares, strict=True))
    alt = f"Share of malignant images: {said}. In all {100 * everywhere:.0f} %."
    return draw(name, title=title, alt=alt, size=(HALF[0], 0.8 + 0.3 * len(shown)), paint=paint)


def _missing(columns: Sequence[Facts], *, records: int) -> Drawing | None:
    """How much of each column is known; those that are never known are left to the table."""
    shown = [column for column in columns if column["known"] and not column["required"]]
    if not shown or not records:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(shown))
        known = [100 * column["known"] / records for column in shown]
        axes.barh(places, [100] * len(shown), height=0.62, color=LINE)
        for reader, colour, label in ((False, BLUE, "known"), (True, PURPLE, "known, filled in by a reader")):
            chosen = [place for place in places if shown[place]["reader"] is reader]
            if chosen:
                axes.barh(chosen, [known[place] for place in chosen], height=0.62, color=colour, label=label)
        axes.set_yticks(places, [column["name"] for column in shown])
        axes.set(xlabel="% of records", xlim=(0, 100), ylim=(len(shown) - 0.5, -0.5))
        _bare(axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)

    gaps = [f"{c['name']} {100 * c['missing'] / records:.0f} %" for c in shown if c["missing"]]
    alt = f"{records:,} records. Missing: {', '.join(gaps) or 'nothing'}."
    return draw("known", title="What is known", alt=alt, size=(6.4, 1.0 + 0.235 * len(shown)), paint=paint)


def _without_pixels(facts: Facts) -> Drawing | None:
    """AUC of the assessment by kind of lesion and part, and of metadata, with intervals."""
    rows = [(reader_words(row), row["auc"], PURPLE) for row in facts["assessment_auc"]]
    metadata = facts["metadata_auc"]
    if metadata["auc"] is not None:
        rows.append(("metadata, images", metadata["auc"], OCHRE))
    shown = [(name, auc, colour) for name, auc, colour in rows if auc["value"] is not None]
    if not shown:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0.5, color=LINE, linewidth=1.2)
        for place, (_, auc, colour) in enumerate(shown):
            if auc["low"] is not None:
                axes.plot([auc["low"], auc["high"]], [place, place], color=colour, linewidth=2.4)
            axes.plot(auc["value"], place, "o", color=colour, markersize=7)
        axes.set_yticks(range(len(shown)), [name for name, _, _ in shown])
        axes.set(
            ylim=(len(shown) - 0.4, -0.6), xlabel=f"ROC AUC, {percent(facts['confidence'])} interval over patients"
        )
        low = min([auc["low"] if auc["low"] is not None else auc["value"] for _, auc, _ in shown] + [0.45])
        axes.set_xlim(max(0.0, low - 0.03), 1.01)
        _bare(axes)

    said = "; ".join(f"{name} {number(auc['value'])} ({interval(auc)})" for name, auc, _ in shown)
    size = (6.4, 0.75 + 0.34 * len(shown))
    return draw("without-pixels", title="Without a pixel", alt=f"ROC AUC: {said}.", size=size, paint=paint)


def reader_words(row: Facts) -> str:
    """Which rows an assessment's AUC is of.

    Example:
        >>> reader_words({"part": "test", "kind": "all", "unit": "lesion"})
        'assessment, all lesions, published test part'
    """
    what = f"all {row['unit']}s" if row["kind"] == "all" else PLURALS.get(row["kind"], f"{row['kind']}s")
    return f"assessment, {what}" + ("" if row["part"] == "all" else f", published {row['part']} part")


def _bare(axes: Axes) -> None:
    """A horizontal chart: names without ticks, lines only along the values."""
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
