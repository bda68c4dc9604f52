"""One self-contained HTML report of a run, and one that compares runs."""

from mammoscope.report.comparison import write_comparison
from mammoscope.report.page import write_report
from mammoscope.report.words import summary_lines

__all__ = ["summary_lines", "write_comparison", "write_report"]
