"""What a de-identification did, as one HTML file: counts and codes, never a value of an original."""

from pathlib import Path

from mammoscope.deid import Dates, Report
from mammoscope.report.page import rendered
from mammoscope.storage import write_text

SHOWN = 200  # rows of refused or flagged files; report.json holds all
DATES = {
    Dates.SHIFT: "Days are moved back by one to ten years, by the same number for all files of a patient; times of "
    "day, order and intervals stay.",
    Dates.KEEP: "Dates and times are kept as they were.",
    Dates.REMOVE: "Dates and times are removed or replaced as the basic profile says.",
}


def write_deidentification(report: Report, *, out: Path) -> Path:
    """Write the page of a de-identification into its folder: `report.html`.

    Args:
        report: What `mammoscope.deid.deidentify` gave.
        out: Folder it was written to.

    Returns:
        Path of the HTML file.

    Raises:
        StorageError: The folder cannot be written.
    """
    facts = report.as_json()
    page = rendered(
        "deidentification.html.j2",
        facts=facts,
        dates=DATES[report.settings.dates],
        refused=facts["refused"]["inputs"][:SHOWN],
        flagged=facts["flagged"]["files"][:SHOWN],
        meanings={row["flag"]: row["meaning"] for row in facts["flagged"]["flags"]},
    )
    write_text(out / "report.html", page)
    return out / "report.html"
