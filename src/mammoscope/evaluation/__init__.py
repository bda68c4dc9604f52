"""Metrics with intervals over patients, thresholds chosen on the tune part, and trivial baselines beside them."""

from mammoscope.evaluation.baselines import METADATA_COLUMNS
from mammoscope.evaluation.bca import bca_estimates, bca_interval
from mammoscope.evaluation.calibration import CALIBRATIONS, FittedCalibrator, calibrated, fit_calibrator
from mammoscope.evaluation.calibration_values import (
    Bin,
    Calibration,
    CalibrationError,
    CalibrationResult,
    ClassCalibration,
    ClasswiseError,
)
from mammoscope.evaluation.class_calibration import fit_temperature, measure_class_calibration, tempered
from mammoscope.evaluation.class_measures import CLASS_METRICS, MeasuredClasses, measure_classes
from mammoscope.evaluation.class_samples import ClassSample, class_sample
from mammoscope.evaluation.class_values import ClassEvaluation, Collapse
from mammoscope.evaluation.clinical_values import DecisionCurve, PerThousand
from mammoscope.evaluation.combining import fit_combiner
from mammoscope.evaluation.comparison import Margin, MetricDifference, metric_difference, non_inferiority
from mammoscope.evaluation.conformal import fit_conformal, measure_class_coverage, measure_coverage
from mammoscope.evaluation.conformal_values import ClassConformalResult, ClassCoverage, ConformalResult, Coverage
from mammoscope.evaluation.contenders import Contender, read_contender
from mammoscope.evaluation.delong import PairedTest, delong_difference, delong_interval, design_effect
from mammoscope.evaluation.external import (
    ExternalCell,
    ExternalValidation,
    LabelProfile,
    label_mismatches,
    label_profile,
    unpaired_loss,
)
from mammoscope.evaluation.factors import AGE_BANDS, FACTORS, SIZE_BANDS_MM, Factor, groups_of
from mammoscope.evaluation.gaps import gap_p_value, holm
from mammoscope.evaluation.gate import fit_gate
from mammoscope.evaluation.hits import CENTRE_IN_BOX, Hit
from mammoscope.evaluation.intervals import IntervalMethod, auc_interval
from mammoscope.evaluation.leaderboard import Leaderboard, Standing, leaderboard
from mammoscope.evaluation.localisation import Localisation, evaluate_marks
from mammoscope.evaluation.mcnemar import McNemar, mcnemar
from mammoscope.evaluation.measures import Measured, auc_difference, estimates, measure
from mammoscope.evaluation.members import Member, Members, compare_class_members, compare_members
from mammoscope.evaluation.multiclass import evaluate_classes
from mammoscope.evaluation.names import METRIC_NAMES, metric_words
from mammoscope.evaluation.net_benefit import decision_curve
from mammoscope.evaluation.own_table import Columns, OwnTable, read_any_table, read_class_table, read_own_table
from mammoscope.evaluation.prevalence import Recalibration, adjust_prevalence, recalibrate, recalibrate_unlabelled
from mammoscope.evaluation.proportions import (
    Proportion,
    call_proportions,
    clopper_pearson_interval,
    proportion,
    wilson_interval,
)
from mammoscope.evaluation.protocol import evaluate, read_table
from mammoscope.evaluation.reliability import measure_calibration
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.robustness import Point, Robustness, RobustnessCurve
from mammoscope.evaluation.sample_size import (
    patients_for_auc,
    patients_for_proportion,
    patients_for_width,
    small_sample,
)
from mammoscope.evaluation.samples import Sample, sample_of, unit_rows
from mammoscope.evaluation.schema import classes_schema, localisation_schema, metrics_schema, task_schema
from mammoscope.evaluation.screening import per_thousand
from mammoscope.evaluation.seal import (
    Look,
    Seal,
    SealError,
    close_look,
    open_look,
    predictions_digest,
    read_seal,
    seal_patients,
    sealed_among,
)
from mammoscope.evaluation.settings import evaluation_options
from mammoscope.evaluation.size_values import SampleSize
from mammoscope.evaluation.spread import Spread, Spreads, Trial, spread_over
from mammoscope.evaluation.subgroup_values import FactorResult, Gap, Group, Subgroups
from mammoscope.evaluation.subgroups import subgroups
from mammoscope.evaluation.tables import class_table, metric_table, write_class_evaluation, write_evaluation
from mammoscope.evaluation.task_values import ClassBaselineUnit, TaskEvaluation
from mammoscope.evaluation.tasks import ORDERED, classes_of, evaluate_task
from mammoscope.evaluation.thresholds import choose_threshold
from mammoscope.evaluation.values import (
    AGGREGATION,
    METRICS,
    PROBABILITY_METRICS,
    RANKING_METRICS,
    TARGETS,
    THRESHOLD_METRICS,
    UNITS,
    Aggregation,
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
from mammoscope.referral import Conformal, Gate, read_gate

__all__ = [
    "AGE_BANDS",
    "AGGREGATION",
    "CALIBRATIONS",
    "CENTRE_IN_BOX",
    "CLASS_METRICS",
    "FACTORS",
    "METADATA_COLUMNS",
    "METRICS",
    "METRIC_NAMES",
    "ORDERED",
    "PROBABILITY_METRICS",
    "RANKING_METRICS",
    "SIZE_BANDS_MM",
    "TARGETS",
    "THRESHOLD_METRICS",
    "UNITS",
    "Aggregation",
    "Baseline",
    "BaselineUnit",
    "Bin",
    "Calibration",
    "CalibrationError",
    "CalibrationResult",
    "ClassBaselineUnit",
    "ClassCalibration",
    "ClassConformalResult",
    "ClassCoverage",
    "ClassEvaluation",
    "ClassSample",
    "ClasswiseError",
    "Collapse",
    "Columns",
    "Conformal",
    "ConformalResult",
    "Confusion",
    "Contender",
    "Coverage",
    "Curve",
    "DecisionCurve",
    "Difference",
    "Estimate",
    "Evaluation",
    "ExternalCell",
    "ExternalValidation",
    "Factor",
    "FactorResult",
    "FittedCalibrator",
    "Gap",
    "Gate",
    "Group",
    "Hit",
    "IntervalMethod",
    "LabelProfile",
    "Leaderboard",
    "Localisation",
    "Look",
    "Margin",
    "McNemar",
    "Measured",
    "MeasuredClasses",
    "Member",
    "Members",
    "MetadataResult",
    "MetricDifference",
    "OwnTable",
    "PairedTest",
    "PerThousand",
    "Point",
    "Proportion",
    "ReaderResult",
    "Recalibration",
    "Robustness",
    "RobustnessCurve",
    "Rule",
    "Sample",
    "SampleSize",
    "Seal",
    "SealError",
    "Spread",
    "Spreads",
    "Standing",
    "Subgroups",
    "Targets",
    "TaskEvaluation",
    "Threshold",
    "Trial",
    "Unit",
    "UnitResult",
    "Verdict",
    "adjust_prevalence",
    "assessment_auc",
    "auc_difference",
    "auc_interval",
    "bca_estimates",
    "bca_interval",
    "calibrated",
    "call_proportions",
    "choose_threshold",
    "class_sample",
    "class_table",
    "classes_of",
    "classes_schema",
    "clopper_pearson_interval",
    "close_look",
    "compare_class_members",
    "compare_members",
    "decision_curve",
    "delong_difference",
    "delong_interval",
    "design_effect",
    "estimates",
    "evaluate",
    "evaluate_classes",
    "evaluate_marks",
    "evaluate_task",
    "evaluation_options",
    "fit_calibrator",
    "fit_combiner",
    "fit_conformal",
    "fit_gate",
    "fit_temperature",
    "gap_p_value",
    "groups_of",
    "holm",
    "label_mismatches",
    "label_profile",
    "leaderboard",
    "localisation_schema",
    "mcnemar",
    "measure",
    "measure_calibration",
    "measure_class_calibration",
    "measure_class_coverage",
    "measure_classes",
    "measure_coverage",
    "metadata_auc",
    "metric_difference",
    "metric_table",
    "metric_words",
    "metrics_schema",
    "non_inferiority",
    "open_look",
    "patient_draws",
    "patients_for_auc",
    "patients_for_proportion",
    "patients_for_width",
    "per_thousand",
    "percentile_interval",
    "predictions_digest",
    "proportion",
    "read_any_table",
    "read_class_table",
    "read_contender",
    "read_gate",
    "read_own_table",
    "read_seal",
    "read_table",
    "recalibrate",
    "recalibrate_unlabelled",
    "sample_of",
    "seal_patients",
    "sealed_among",
    "small_sample",
    "spread_over",
    "subgroups",
    "task_schema",
    "tempered",
    "unit_rows",
    "unpaired_loss",
    "wilson_interval",
    "write_class_evaluation",
    "write_evaluation",
]
