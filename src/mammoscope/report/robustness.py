"""A robustness test as a table for a terminal."""

from mammoscope.report.words import Facts, interval, number, percent


def robustness_lines(found: Facts) -> list[str]:
    """A robustness test in lines: the clean pictures, then each corruption from mild to strong.

    Args:
        found: What `robustness.json` holds.

    Returns:
        Lines; `*` marks a fall of the AUC beyond what the patients' variation explains.
    """
    clean = found["clean"]["auc"]
    of = f"{clean['n']} images, {clean['positives']} positive, of {clean['patients']} patients"
    lines = [f"clean: AUC {number(clean['value'])} ({percent(found['confidence'])} {interval(clean)}), {of}"]
    for curve in found["curves"]:
        lines.append(f"{curve['name']} ({curve['says']})")
        for at in curve["points"]:
            auc, drop = at["metrics"]["auc"], at["drop"]
            calls = [
                f"{name} {number(at['metrics'][name]['value'])}"
                for name in ("sensitivity", "specificity")
                if name in at["metrics"]
            ]
            mark = "*" if drop["verdict"] == "above" else " "
            lines.append(
                f"  {at['severity']:<6g} AUC {number(auc['value'])} ({interval(auc)})  "
                f"fall {number(drop['auc']['value'])} ({interval(drop['auc'])}) {mark}  {', '.join(calls)}"
            )
    return [*lines, *found["sealed"], *(f"warning: {text}" for text in found["warnings"])]
