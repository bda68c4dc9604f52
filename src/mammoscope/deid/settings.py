"""What a de-identification keeps, and how the standard calls that."""

from dataclasses import dataclass
from enum import StrEnum


class Dates(StrEnum):
    """What happens to dates and times.

    Attributes:
        SHIFT: Days are moved, by the same number for all files of a patient; times of day stay.
        KEEP: They stay.
        REMOVE: As the basic profile says.
    """

    SHIFT = "shift"
    KEEP = "keep"
    REMOVE = "remove"


class Retain(StrEnum):
    """An option of the standard that keeps more than the basic profile.

    Attributes:
        UIDS: Retain UIDs.
        DEVICE: Retain Device Identity: serial numbers, station names, detectors.
        PATIENT: Retain Patient Characteristics: sex, age, weight, size.
    """

    UIDS = "uids"
    DEVICE = "device"
    PATIENT = "patient-characteristics"


METHOD = "mammoscope: DICOM PS3.15 Basic Profile"  # at most 64 characters, LO
CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113110": "Retain UIDs Option",
}
"""Codes and meanings of DICOM PS3.16 CID 7050, of what can be done here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is kept.

    Attributes:
        dates: What happens to dates and times.
        retain: Options of the standard.
    """

    dates: Dates = Dates.SHIFT
    retain: frozenset[Retain] = frozenset()

    @property
    def codes(self) -> tuple[str, ...]:
        """For De-identification Method Code Sequence (0012,0064), in order.

        Source:
            DICOM PS3.16 CID 7050.

        Example:
            >>> Settings(retain=frozenset({Retain.DEVICE})).codes
            ('113100', '113107', '113109')
        """
        kept = {Dates.SHIFT: ["113107"], Dates.KEEP: ["113106"], Dates.REMOVE: []}[self.dates]
        kept += [code for one, code in _RETAINED.items() if one in self.retain]
        return ("113100", *sorted(kept))


_RETAINED = {Retain.UIDS: "113110", Retain.DEVICE: "113109", Retain.PATIENT: "113108"}
