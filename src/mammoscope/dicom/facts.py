"""What a DICOM header says about a mammogram; each question has its own file."""

from hashlib import sha256

from mammoscope.dicom.header import Header, tagged
from mammoscope.dicom.luts import modality_of, voi_of
from mammoscope.dicom.policy import refuse_by_policy
from mammoscope.dicom.spacing import spacing_of
from mammoscope.dicom.traits import traits_of
from mammoscope.dicom.views import laterality_of, view_of

__all__ = [
    "inversion_of",
    "laterality_of",
    "modality_of",
    "padding_of",
    "person_of",
    "refuse_by_policy",
    "spacing_of",
    "traits_of",
    "view_of",
    "voi_of",
]


def inversion_of(header: Header) -> bool | None:
    """Whether low values are to be shown bright; None if the header does not say.

    Source:
        DICOM PS3.3 C.7.6.3.1.2 (Photometric Interpretation), C.8.11.3.1 (Presentation LUT Shape).
    """
    photometric, shape = header.word("PhotometricInterpretation"), header.word("PresentationLUTShape")
    if photometric == "MONOCHROME1":
        header.note("inversion", "after the window", f"{tagged('PhotometricInterpretation')} = MONOCHROME1")
        return True
    if shape == "INVERSE":
        cause = f"{tagged('PresentationLUTShape')} = INVERSE"
        header.note("inversion", "after the window", cause)
        header.note("oddity", "MONOCHROME2 should have shape IDENTITY", cause)
        return True
    if photometric != "MONOCHROME2":
        return None
    header.note("inversion", "none", f"{tagged('PhotometricInterpretation')} = MONOCHROME2")
    return False


def person_of(header: Header) -> str | None:
    """A word that differs between people, made of Patient ID and who issued it; None where the file has none.

    It tells the files of two people apart. It is no pseudonym: who knows a Patient ID can find it out.

    Source:
        DICOM PS3.3 C.7.1.1 (Patient Module).
    """
    known = [header.word(keyword) or "" for keyword in ("PatientID", "IssuerOfPatientID")]
    return sha256("\n".join(known).encode()).hexdigest()[:16] if known[0] else None


def padding_of(header: Header, *, signed: bool) -> tuple[int, int] | None:
    """First and last stored value that mean "no picture here"; each end has the sign of the pixels.

    Source:
        DICOM PS3.3 C.7.5.1.1.2; PS3.5 6.2 (US or SS, by Pixel Representation).
    """
    first = header.whole("PixelPaddingValue")
    if first is None:
        return None
    last = header.whole("PixelPaddingRangeLimit")
    ends = [first] if last is None else [first, last]
    cause = tagged("PixelPaddingValue") if last is None else f"{tagged('PixelPaddingValue')} to its Range Limit"
    meant = [_as_pixels_are(end, signed=signed) for end in ends]  # before they are ordered: 65531 to 5 is -5 to 5
    if meant != ends:
        kind = "signed" if signed else "unsigned"
        was, now = (" to ".join(str(end) for end in pair) for pair in (ends, meant))
        header.note("oddity", f"{was} was read as {kind}, as the pixels are: {now}", cause)
    low, high = min(meant), max(meant)
    header.note("padding", f"stored {low}" if low == high else f"stored {low} to {high}", cause)
    return low, high


def _as_pixels_are(value: int, *, signed: bool) -> int:
    """A value of 16 bits with the sign of the pixels; seen in the wild: the other one."""
    word = value & 0xFFFF
    return word - 0x10000 if signed and word > 0x7FFF else word
