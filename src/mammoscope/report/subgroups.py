"""A subgroup analysis in words: the same on the terminal and in the report."""

from mammoscope.report.class_words import SHORT, lower
from mammoscope.report.words import Facts, interval, number, p_words, percent


def subgroup_lines(found: Facts) -> list[str]:
    """A subgroup analysis in a few lines: by factor the worst group, and whether the groups differ.

    Args:
        found: The block `subgroups` of `metrics.json`.

    Returns:
        Lines for a terminal; factors without groups are named in the last.

    Example:
        >>> from mammoscope.evaluation import subgroups
        >>> import polars as pl
        >>> table = pl.DataFrame({
        ...     "part": ["test"] * 80, "label": [0, 1] * 40, "score": [0.2, 0.9] * 20 + [0.5, 0.5] * 20,
        ...     "patient_id": [str(n) for n in range(80)], "image_id": [str(n) for n in range(80)],
        ...     "density": ["A"] * 40 + ["D"] * 40})
        >>> subgroup_lines(subgroups(table, replicates=200).to_json())[0]
        'density: worst AUC 0.500 in D (95 % 0.500 to 0.500, 20 positive of 40); not tested (the values do not vary over the replicates)'
    """  # noqa: E501 a line as it is printed
    first = found.get("primary", "auc")
    lines = []
    for factor in found["factors"]:
        gap = factor["gaps"][first]
        if gap["worst"] is None:
            names = ", ".join(f"{group['name']} {group['n']}" for group in factor["groups"])
            lines.append(f"{factor['name']}: {gap['reason']} (rows: {names})")
            continue
        worst = gap["worst_value"]
        of = f"{worst['positives']} positive of {worst['n']}" if first == "auc" else f"{worst['n']} rows"
        ends = f"{percent(found['confidence'])} {interval(worst)}, {of}"
        lines.append(
            f"{factor['name']}: worst {name_of(first)} {number(worst['value'])} in {gap['worst']} ({ends}); "
            f"{_verdict(gap)}"
        )
        lines += [
            f"{factor['name']}: {lower(SHORT[name])} differs, {number(other['worst_value']['value'])} in "
            f"{other['worst']}, {number(other['gap']['value'])} below {other['best']} "
            f"(p {p_words(other['p_adjusted'])})"
            for name, other in factor["gaps"].items()
            if name != first and other["differs"]
        ]
    if found["unavailable"]:
        reasons = [f"{name} ({reason})" for name, reason in found["unavailable"].items()]
        lines.append(f"no groups by {', '.join(reasons)}")
    return lines


def name_of(metric: str) -> str:
    """A metric within a sentence.

    Example:
        >>> name_of("auc"), name_of("kappa_quadratic")
        ('AUC', 'quadratic kappa')
    """
    return "AUC" if metric == "auc" else lower(SHORT[metric])


def _verdict(gap: Facts) -> str:
    if gap["p_value"] is None:
        return f"not tested ({gap['reason']})"
    what = "differs from" if gap["differs"] else "not distinguishable from"
    return f"{what} {gap['best']} (gap {number(gap['gap']['value'])}, p {p_words(gap['p_adjusted'])} after Holm)"
