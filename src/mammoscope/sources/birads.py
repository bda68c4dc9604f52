"""BI-RADS categories as data sets write them, and what they say of malignancy where no tissue was taken."""

from mammoscope.vocabulary import LabelOrigin

SUSPICIOUS: dict[int | None, bool | None] = {1: False, 2: False, 4: True, 5: True, 6: True}


def suspicion(assessment: int | None) -> bool | None:
    """Whether a reader took a finding for malignant.

    Negative and benign (1, 2) are not, suspicious and more (4, 5, 6) are. Incomplete (0) and
    probably benign (3) leave it open, so they are unknown and never a negative.

    Args:
        assessment: BI-RADS category, 0 to 6, or None.

    Source:
        ACR BI-RADS Atlas, 5th edition (2013), table of assessment categories: 3 is at most 2 % malignant and
        is followed up, 4 is 2 to 95 %, 6 is proven.

    Example:
        >>> [suspicion(category) for category in (0, 1, 3, 5)]
        [None, False, None, True]
    """
    return SUSPICIOUS.get(assessment)


def reader_origin(malignant: bool | None) -> LabelOrigin | None:  # noqa: FBT001 a value, not a switch
    """Origin of a label that only a reader's category supports."""
    return None if malignant is None else LabelOrigin.READER
