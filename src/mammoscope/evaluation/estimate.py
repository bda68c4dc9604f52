"""A number that says what it rests on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number with its interval and what it rests on.

    Attributes:
        value: The value on the rows as they are; None where it is not defined.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        n: Rows (images, breasts ...).
        positives: Rows with a positive label.
        patients: Patients; they are what is resampled.
        replicates: Bootstrap replicates asked for.
        undefined: Replicates in which the number was not defined (a single class, nobody recalled ...) and which
            the interval therefore leaves out.
        method: How the interval was made.
        reason: Why `value` or the interval is None.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    positives: int
    patients: int
    replicates: int
    undefined: int = 0
    method: str = "percentile bootstrap over patients"
    reason: str | None = None
