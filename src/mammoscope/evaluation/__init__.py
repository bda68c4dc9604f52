"""Metrics with intervals over patients, thresholds chosen on the tune part, and trivial baselines beside them."""

from mammoscope.evaluation.baselines import METADATA_COLUMNS
from mammoscope.evaluation.measures import Measured, auc_difference, estimates, measure
from mammoscope.evaluation.protocol import evaluate, evaluate_run, read_table
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.samples import AGGREGATION, Sample, sample_of, unit_rows
from mammoscope.evaluation.thresholds import choose_threshold
from mammoscope.evaluation.values import (
    METRICS,
    UNITS,
    Baseline,
    BaselineUnit,
    Confusion,
    Curve,
    Difference,
    Estimate,
    Evaluation,
    Rule,
    Threshold,
    Unit,
    UnitResult,
    Verdict,
)
from mammoscope.evaluation.without_pixels import MetadataResult, ReaderResult, assessment_auc, metadata_auc

__all__ = [
    "AGGREGATION",
    "METADATA_COLUMNS",
    "METRICS",
    "UNITS",
    "Baseline",
    "BaselineUnit",
    "Confusion",
    "Curve",
    "Difference",
    "Estimate",
    "Evaluation",
    "Measured",
    "MetadataResult",
    "ReaderResult",
    "Rule",
    "Sample",
    "Threshold",
    "Unit",
    "UnitResult",
    "Verdict",
    "assessment_auc",
    "auc_difference",
    "choose_threshold",
    "estimates",
    "evaluate",
    "evaluate_run",
    "measure",
    "metadata_auc",
    "patient_draws",
    "percentile_interval",
    "read_table",
    "sample_of",
    "unit_rows",
]
