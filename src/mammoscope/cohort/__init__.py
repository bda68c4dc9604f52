"""Records -> what is wrong with them, who is in train, tune and test, and a description."""

from mammoscope.cohort.anchors import ReaderAnchor, reader_anchor
from mammoscope.cohort.audit import auc_half_width, audit
from mammoscope.cohort.description import describe, image_classes
from mammoscope.cohort.findings import Finding, Findings, Fix, Severity
from mammoscope.cohort.labels import TASK_CLASSES, classes_of, label_codes, label_table
from mammoscope.cohort.mending import Change, repair, write_repair
from mammoscope.cohort.merge import merge
from mammoscope.cohort.pixels import Pixels, read_pixels
from mammoscope.cohort.sizes import Sizes, image_sizes
from mammoscope.cohort.split_file import read_split, split_summary, write_split
from mammoscope.cohort.split_settings import (
    FileSplit,
    KFoldSplit,
    LeaveOutSplit,
    OfficialRawSplit,
    OfficialRepairedSplit,
    OfficialSplit,
    OfficialStrictSplit,
    RatioSplit,
    SplitSettings,
)
from mammoscope.cohort.splits import Split, apply_split, leaking_patients, split
from mammoscope.cohort.summary import cohort_summary
from mammoscope.cohort.unit_settings import Input
from mammoscope.cohort.units import bags, unit_rows

__all__ = [
    "TASK_CLASSES",
    "Change",
    "FileSplit",
    "Finding",
    "Findings",
    "Fix",
    "Input",
    "KFoldSplit",
    "LeaveOutSplit",
    "OfficialRawSplit",
    "OfficialRepairedSplit",
    "OfficialSplit",
    "OfficialStrictSplit",
    "Pixels",
    "RatioSplit",
    "ReaderAnchor",
    "Severity",
    "Sizes",
    "Split",
    "SplitSettings",
    "apply_split",
    "auc_half_width",
    "audit",
    "bags",
    "classes_of",
    "cohort_summary",
    "describe",
    "image_classes",
    "image_sizes",
    "label_codes",
    "label_table",
    "leaking_patients",
    "merge",
    "read_pixels",
    "read_split",
    "reader_anchor",
    "repair",
    "split",
    "split_summary",
    "unit_rows",
    "write_repair",
    "write_split",
]
