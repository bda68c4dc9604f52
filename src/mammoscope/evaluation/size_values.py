"""How large a study has to be, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """How large a study has to be.

    Attributes:
        patients: Needed; None where it cannot be told.
        rows: Rows they bring.
        positives: Positive rows among them.
        width: The wished width of the interval, end to end.
        confidence: Level of the interval.
        method: What it rests on.
        reason: Why it cannot be told.
    """

    patients: int | None
    rows: int | None
    positives: int | None
    width: float
    confidence: float
    method: str
    reason: str | None = None
