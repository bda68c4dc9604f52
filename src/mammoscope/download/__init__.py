"""Fetch a data set where that is allowed; say where to ask for it where it is not."""

from mammoscope.download.by_hand import BY_HAND, how_to_ask
from mammoscope.download.cbis import PUBLIC, Addresses
from mammoscope.download.failure import DownloadError
from mammoscope.download.job import Failed, Job, Outcome, Plan, Task, run_download
from mammoscope.download.manifest import Entry, Saved, read_manifest
from mammoscope.download.plan import FETCHED, plan_download
from mammoscope.download.web import Web

__all__ = [
    "BY_HAND",
    "FETCHED",
    "PUBLIC",
    "Addresses",
    "DownloadError",
    "Entry",
    "Failed",
    "Job",
    "Outcome",
    "Plan",
    "Saved",
    "Task",
    "Web",
    "how_to_ask",
    "plan_download",
    "read_manifest",
    "run_download",
]
