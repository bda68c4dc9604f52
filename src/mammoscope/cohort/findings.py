"""What an audit found, as a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import polars as pl


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"  # a result would be wrong, or the image cannot be used
    WARNING = "warning"  # a result could mislead
    NOTE = "note"  # a reader of the result should know


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A change of the index that mends a finding without guessing.

    Attributes:
        source: Of the image.
        image_id: The image that is changed.
        column: Column to fill; None to drop all records of the image.
        value: What to fill it with.
    """

    source: str
    image_id: str
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found about an image, a patient or the whole cohort."""

    severity: Severity
    check: str
    message: str
    source: str | None = None
    image_id: str | None = None
    patient_id: str | None = None
    fixes: tuple[Fix, ...] = ()


SCHEMA: dict[str, pl.DataType] = {
    "severity": pl.Enum([one.value for one in Severity]),
    "check": pl.String(),
    "source": pl.String(),
    "image_id": pl.String(),
    "patient_id": pl.String(),
    "message": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """All findings of one audit.

    Attributes:
        table: Columns severity, check, source, image_id, patient_id, message; worst first, then by check,
            patient, image and message.
        fixes: Changes of the index that mend findings, each with the finding it belongs to.
    """

    table: pl.DataFrame
    fixes: tuple[tuple[Finding, Fix], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of each severity."""
        return {one.value: self.table.filter(pl.col("severity") == one.value).height for one in Severity}

    def as_json(self) -> dict[str, Any]:
        """`findings`, a list of rows, and `counts`, for `audit.json`."""
        return {"findings": self.table.to_dicts(), "counts": self.counts}


def findings_of(found: Iterable[Finding]) -> Findings:
    """Collect findings into a table in a fixed order."""
    every = list(found)
    table = pl.DataFrame([[getattr(one, name) for name in SCHEMA] for one in every], schema=SCHEMA, orient="row")
    return Findings(
        table=table.sort("severity", "check", "patient_id", "image_id", "message"),
        fixes=tuple((one, fix) for one in every for fix in one.fixes),
    )
