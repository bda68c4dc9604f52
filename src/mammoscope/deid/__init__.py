"""De-identification by the basic profile of DICOM PS3.15, with a report of what was done."""

from mammoscope.deid.burned import Flag, Suspicion
from mammoscope.deid.file import Outcome
from mammoscope.deid.job import Report, deidentify
from mammoscope.deid.key import Key, drawn_key, key_of
from mammoscope.deid.reading import CODES
from mammoscope.deid.settings import Dates, Retain, Settings

__all__ = [
    "CODES",
    "Dates",
    "Flag",
    "Key",
    "Outcome",
    "Report",
    "Retain",
    "Settings",
    "Suspicion",
    "deidentify",
    "drawn_key",
    "key_of",
]
