"""What a run of several classes says of its results, in place of the answers of yes or no."""

from mammoscope.report.answers import Question, held
from mammoscope.report.answers_results import METRICS, RESULTS, estimate_words
from mammoscope.report.class_probabilities import class_calibration_lines
from mammoscope.report.class_words import (
    SHORT,
    class_lead_words,
    class_metrics,
    group_words,
    label_words,
    lower,
    rows_words,
)
from mammoscope.report.folder import RunFiles
from mammoscope.report.words import METRIC_NAMES, PLURAL, percent

NO_THRESHOLD = "a run of several classes has no threshold: the class with the highest score is called"
ONLY_BINARY = "it is measured of answers of yes or no only, and this run has several classes"


def _measured(files: RunFiles) -> str:
    metrics = held(files.metrics)
    units = ", ".join(f"{unit} ({found['aggregation']})" for unit, found in metrics["units"].items())
    classes = ", ".join(metrics["classes"])
    names = ", ".join(class_metrics(metrics).values())
    return f"{names}; of each class ROC AUC, sensitivity, predictive value and F1 score ({classes}); per {units}"


def _uncertainty(files: RunFiles) -> str:
    metrics = held(files.metrics)
    found = metrics["units"][metrics["headline"]]["test"]["accuracy"]
    return f"{percent(metrics['confidence'])} intervals, {found['method']}, {found['replicates']:,} replicates"


def _first(files: RunFiles) -> str:
    metrics = held(files.metrics)
    level, key = percent(metrics["confidence"]), metrics["primary"]
    names = list(dict.fromkeys([key, "accuracy"]))
    return "\n".join(
        f"{label_words(metrics['task'])} per {unit}: "
        + ", ".join(f"{lower(SHORT[name])} {estimate_words(found['test'][name], level=level)}" for name in names)
        + f", {rows_words(found['test'][key], unit=unit)}"
        for unit, found in metrics["units"].items()
    )


def _internal(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    unit, level, key = metrics["headline"], percent(metrics["confidence"]), metrics["primary"]
    if key not in metrics["tune"]:
        return None
    parts = (("tune", metrics["tune"][key]), ("test", metrics["units"][unit]["test"][key]))
    told = "; ".join(f"{part} {estimate_words(found, level=level)}" for part, found in parts)
    return f"{lower(SHORT[key])} per {unit}: {told}\nweights were chosen on the tune part"


def _calls(files: RunFiles) -> str:
    metrics = held(files.metrics)
    result, level = metrics["units"][metrics["headline"]], percent(metrics["confidence"])
    lines = [
        f"{name}: "
        + "; ".join(
            f"{lower(METRIC_NAMES[key])} {estimate_words(found[key], level=level)}" for key in ("sensitivity", "ppv")
        )
        for name, found in result["per_class"].items()
    ]
    if result["collapse"]:
        names = ("sensitivity", "specificity")
        told = (f"{name} {estimate_words(result['collapse']['test'][name], level=level)}" for name in names)
        lines.append(f"{group_words(result['collapse'])}: {'; '.join(told)}")
    return "\n".join(lines)


def _confusion(files: RunFiles) -> str:
    metrics = held(files.metrics)
    result = metrics["units"][metrics["headline"]]
    rows = (
        f"{name}: " + ", ".join(f"{count:,} {other}" for other, count in zip(result["classes"], counts, strict=True))
        for name, counts in zip(result["classes"], result["confusion"], strict=True)
    )
    return f"{PLURAL[metrics['headline']]} of the test part, label: calls. " + "; ".join(rows)


def _failures(files: RunFiles) -> str:
    return f"{_confusion(files)}; hardest errors in report.html"


def _baselines(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    unit, key = metrics["headline"], metrics["primary"]
    told = [class_lead_words(one, unit=unit, metric=key) for one in metrics["baselines"]]
    return "\n".join(f"{lower(SHORT[key])} {line}" for line in told) or None


def _prevalence(files: RunFiles) -> str:
    metrics = held(files.metrics)
    result = metrics["units"][metrics["headline"]]
    counts = ", ".join(f"{name} {sum(row):,}" for name, row in zip(result["classes"], result["confusion"], strict=True))
    return f"{PLURAL[metrics['headline']]} of the test part by {label_words(metrics['task'])}: {counts}"


def _limits(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    lost = [f"no result per {unit}: {why}" for unit, why in metrics["unavailable"].items()]
    return "\n".join([*map(str, metrics["warnings"]), *lost]) or None


def _calibration(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    found = metrics["units"][metrics["headline"]].get("calibration")
    return None if not found else "\n".join(class_calibration_lines(found))


def _updating(files: RunFiles) -> str | None:
    metrics = held(files.metrics)
    found = metrics["units"][metrics["headline"]].get("calibration")
    if not found:
        return None
    if found["calibrator"] is None:
        return f"none: {found['reason'] or 'no calibrator was fitted'}"
    return f"{found['method']} from scores to probabilities, fitted on the tune part; no weight and no call was changed"


def _none(_: RunFiles) -> None:
    return None


CLASS_RESULTS: dict[str, Question] = RESULTS | {
    "measured": Question(files=METRICS, say=_measured),
    "uncertainty": Question(files=METRICS, say=_uncertainty),
    "auc": Question(files=METRICS, say=_first),
    "internal": Question(files=METRICS, say=_internal, otherwise="the run has no tune part"),
    "threshold": Question(files=METRICS, say=_none, otherwise=NO_THRESHOLD),
    "calls": Question(files=METRICS, say=_calls),
    "calibration": Question(files=METRICS, say=_calibration, otherwise="calibration was not measured"),
    "updating": Question(files=METRICS, say=_updating, otherwise="calibration was not measured"),
    "confusion": Question(files=METRICS, say=_confusion),
    "failures": Question(files=METRICS, say=_failures),
    "baselines": Question(files=METRICS, say=_baselines, otherwise="no baseline was compared"),
    "clinical": Question(files=METRICS, say=_none, otherwise=f"numbers per thousand women: {ONLY_BINARY}"),
    "prevalence": Question(files=METRICS, say=_prevalence),
    "limits": Question(files=METRICS, say=_limits, otherwise="the evaluation has no warning"),
}
"""What is asked of the results of several classes, by the same names; `auc` is what is quoted first."""
