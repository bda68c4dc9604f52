"""Metrics with intervals over patients, thresholds chosen on the tune part, and trivial baselines beside them."""

from mammoscope.evaluation.baselines import METADATA_COLUMNS
from mammoscope.evaluation.delong import (
    PairedTest,
    delong_difference,
    delong_interval,
    design_effect,
)
from mammoscope.evaluation.factors import AGE_BANDS, FACTORS, SIZE_BANDS_MM, Factor, groups_of
from mammoscope.evaluation.gaps import gap_p_value, holm
from mammoscope.evaluation.measures import Measured, auc_difference, estimates, measure
from mammoscope.evaluation.protocol import evaluate, evaluate_run, read_table
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.samples import AGGREGATION, Sample, sample_of, unit_rows
from mammoscope.evaluation.subgroup_values import FactorResult, Gap, Group, Subgroups
from mammoscope.evaluation.subgroups import subgroups
from mammoscope.evaluation.thresholds import choose_threshold
from mammoscope.evaluation.values import (
    METRICS,
    PROBABILITY_METRICS,
    RANKING_METRICS,
    TARGETS,
    THRESHOLD_METRICS,
    UNITS,
    Baseline,
    BaselineUnit,
    Confusion,
    Curve,
    Difference,
    Estimate,
    Evaluation,
    Rule,
    Targets,
    Threshold,
    Unit,
    UnitResult,
    Verdict,
)
from mammoscope.evaluation.without_pixels import MetadataResult, ReaderResult, assessment_auc, metadata_auc

__all__ = [
    "AGE_BANDS",
    "AGGREGATION",
    "FACTORS",
    "METADATA_COLUMNS",
    "METRICS",
    "PROBABILITY_METRICS",
    "RANKING_METRICS",
    "SIZE_BANDS_MM",
    "TARGETS",
    "THRESHOLD_METRICS",
    "UNITS",
    "Baseline",
    "BaselineUnit",
    "Confusion",
    "Curve",
    "Difference",
    "Estimate",
    "Evaluation",
    "Factor",
    "FactorResult",
    "Gap",
    "Group",
    "Measured",
    "MetadataResult",
    "PairedTest",
    "ReaderResult",
    "Rule",
    "Sample",
    "Subgroups",
    "Targets",
    "Threshold",
    "Unit",
    "UnitResult",
    "Verdict",
    "assessment_auc",
    "auc_difference",
    "choose_threshold",
    "delong_difference",
    "delong_interval",
    "design_effect",
    "estimates",
    "evaluate",
    "evaluate_run",
    "gap_p_value",
    "groups_of",
    "holm",
    "measure",
    "metadata_auc",
    "patient_draws",
    "percentile_interval",
    "read_table",
    "sample_of",
    "subgroups",
    "unit_rows",
]
