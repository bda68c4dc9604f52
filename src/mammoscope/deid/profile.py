"""Table E.1-1 of DICOM PS3.15: what the Basic Application Level Confidentiality Profile does to each element."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

EDITION = "2026c"
"""Edition of PS3.15 whose basic column `profile.csv` holds."""

OPTIONS_EDITION = "2025-06"
"""When the option columns were current; rows that are younger have none, so no option keeps them."""

ACTIONS = {
    "D": "a dummy value",
    "Z": "empty, or a dummy value",
    "X": "removed",
    "U": "another UID, the same wherever the old one stood",
    "Z/D": "Z, or D where the standard wants a value",
    "X/Z": "X, or Z where the standard wants the element",
    "X/D": "X, or D where the standard wants a value",
    "X/Z/D": "X, or Z or D where the standard wants the element or a value",
    "X/Z/U*": "X, or Z, or U in the items where the standard wants them",
}
"""The actions of the basic column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table.

    Attributes:
        tag: Eight hexadecimal digits; X stands for any digit.
        name: Of the element.
        basic: Action of the basic profile, one of `ACTIONS`.
        uids: K where Retain UIDs keeps it.
        device: K or C (clean) where Retain Device Identity keeps it.
        patient: K or C where Retain Patient Characteristics keeps it.
        dates: C where Retain Longitudinal Temporal Information with Modified Dates changes it and the option with
            Full Dates keeps it.
    """

    tag: str
    name: str
    basic: str
    uids: str
    device: str
    patient: str
    dates: str


@cache
def profile() -> dict[str, Row]:
    """Every row by its tag.

    Source:
        DICOM PS3.15 Table E.1-1.

    Example:
        >>> profile()["00100020"].name, profile()["00100020"].basic
        ('Patient ID', 'Z/D')
    """
    text = files("mammoscope.deid").joinpath("profile.csv").read_text(encoding="ascii")
    return {row["tag"]: Row(**row) for row in csv.DictReader(text.splitlines())}


def row_of(tag: int) -> Row | None:
    """The row for an element, or None: the table does not list it.

    Example:
        >>> row_of(0x60023000).name
        'Overlay Data'
    """
    name = f"{tag:08X}"
    table = profile()
    if name[:2] == "50":
        return table["50XXXXXX"]
    if name[:2] == "60":
        return table.get(f"60XX{name[4:]}")
    return table.get(name)
