"""One self-contained HTML report of a run, one that compares runs, and one that describes a data set."""

from mammoscope.report.comparison import write_comparison
from mammoscope.report.description import write_description
from mammoscope.report.page import write_report
from mammoscope.report.words import summary_lines

__all__ = ["summary_lines", "write_comparison", "write_description", "write_report"]
