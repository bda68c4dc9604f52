"""What a DICOM header says of a mammogram, and what is refused by it; no pixel is touched."""

from mammoscope.dicom.policy import ACCEPTED

__all__ = ["ACCEPTED"]
