"""A robustness test as a table for a terminal."""

from mammoscope.report.class_words import SHORT, lower
from mammoscope.report.subgroups import name_of
from mammoscope.report.words import Facts, interval, number, percent


def robustness_lines(found: Facts) -> list[str]:
    """A robustness test in lines: the clean pictures, then each corruption from mild to strong.

    Args:
        found: What `robustness.json` holds.

    Returns:
        Lines; `*` marks a fall beyond what the patients' variation explains.
    """
    first = found["metric"]
    clean, name = found["clean"][first], name_of(first)
    positive = f"{clean['positives']} positive, " if first == "auc" else ""
    of = f"{clean['n']} images, {positive}of {clean['patients']} patients"
    lines = [f"clean: {name} {number(clean['value'])} ({percent(found['confidence'])} {interval(clean)}), {of}"]
    for curve in found["curves"]:
        lines.append(f"{curve['name']} ({curve['says']})")
        for at in curve["points"]:
            quoted, drop = at["metrics"][first], at["drop"]
            calls = [
                f"{lower(SHORT[key])} {number(one['value'])}" for key, one in at["metrics"].items() if key != first
            ]
            mark = "*" if drop["verdict"] == "above" else " "
            lines.append(
                f"  {at['severity']:<6g} {name} {number(quoted['value'])} ({interval(quoted)})  "
                f"fall {number(drop['difference']['value'])} ({interval(drop['difference'])}) {mark}  "
                + ", ".join(calls)
            )
    return [*lines, *found["sealed"], *(f"warning: {text}" for text in found["warnings"])]
