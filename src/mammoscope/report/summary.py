"""The answer of a run in a few lines, whatever it was asked."""

from mammoscope.report.beside import beside_lines
from mammoscope.report.class_words import class_lines, is_classes
from mammoscope.report.words import Facts, binary_lines


def summary_lines(metrics: Facts) -> list[str]:
    """The answer in a few lines, for a terminal.

    Args:
        metrics: What `metrics.json` holds.

    Returns:
        Lines: what is quoted first per unit, calls, the lead over each baseline, other tasks, members, warnings.

    Example:
        >>> from mammoscope.evaluation import evaluate
        >>> import polars as pl
        >>> table = pl.DataFrame({
        ...     "part": ["tune", "tune", "test", "test"], "label": [0, 1, 0, 1],
        ...     "score": [0.2, 0.6, 0.3, 0.7], "patient_id": list("abcd"), "image_id": list("1234")})
        >>> summary_lines(evaluate(table, replicates=50).to_json())[0].partition(" (")[0]
        'AUC per image 1.000'
    """
    lines = class_lines(metrics) if is_classes(metrics) else binary_lines(metrics)
    warned = [line for line in lines if line.startswith("warning: ")]
    return [*(line for line in lines if line not in warned), *beside_lines(metrics), *warned]
