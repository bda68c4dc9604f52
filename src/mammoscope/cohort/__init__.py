"""Records -> who is in train, tune and test."""

from mammoscope.cohort.split_file import read_split, split_summary, write_split
from mammoscope.cohort.split_settings import (
    FileSplit,
    KFoldSplit,
    OfficialRawSplit,
    OfficialRepairedSplit,
    OfficialSplit,
    RatioSplit,
    SplitSettings,
)
from mammoscope.cohort.splits import Split, apply_split, leaking_patients, split

__all__ = [
    "FileSplit",
    "KFoldSplit",
    "OfficialRawSplit",
    "OfficialRepairedSplit",
    "OfficialSplit",
    "RatioSplit",
    "Split",
    "SplitSettings",
    "apply_split",
    "leaking_patients",
    "read_split",
    "split",
    "split_summary",
    "write_split",
]
