"""One file: read, cleaned, written, and what was written searched for what should be gone."""

import filecmp
import hashlib
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mammoscope.deid.burned import Suspicion, header_suspicions, pixel_suspicions
from mammoscope.deid.cleaning import Cleaner
from mammoscope.deid.comments import comments_of
from mammoscope.deid.key import Key
from mammoscope.deid.reading import PIXELS, Refused, read_image
from mammoscope.deid.settings import Settings
from mammoscope.deid.tally import Count
from mammoscope.deid.traces import Traces, traces_of
from mammoscope.dicom.parsing import UNPARSABLE, quiet
from mammoscope.storage import whole_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        number: Place of the file among the inputs, from 1; its name may be a patient's.
        code: Why it was refused; None if it was written.
        detail: More words on that.
        output: Path of the new file in the output folder; None if refused.
        pseudonym: Of the patient; None if refused.
        patient: What the pseudonym was made of; for the owner's table only, never shown.
        suspicions: Why somebody should look at its pixels.
        digest: Of the bytes that were written; tells copies from others.
        counts: What was done, by element.
    """

    number: int
    code: str | None = None
    detail: str = ""
    output: str | None = None
    pseudonym: str | None = None
    patient: str | None = field(default=None, repr=False)
    suspicions: tuple[Suspicion, ...] = ()
    digest: str = ""
    counts: tuple[Count, ...] = ()


def deidentify_file(path: Path, *, number: int, out: Path, settings: Settings, key: Key) -> Outcome:
    """De-identify one file.

    Args:
        path: The original; it is only read.
        number: Its place among the inputs.
        out: Folder to write to.
        settings: What is kept.
        key: Makes pseudonyms, UIDs and the shift of dates.

    Returns:
        What became of it; a file that cannot be handled is an outcome with a code, not an error.

    Raises:
        StorageError: The new file could not be written.
    """
    with quiet():
        try:
            return _written(path, number=number, out=out, settings=settings, key=key)
        except Refused as refused:
            return Outcome(number=number, code=refused.code, detail=refused.detail)
        except RecursionError:
            detail = "its sequences are nested without end"
            return Outcome(number=number, code="implausible", detail=detail)


def _written(path: Path, *, number: int, out: Path, settings: Settings, key: Key) -> Outcome:
    dataset = read_image(path)
    try:
        patient = _patient(dataset)
        traces = traces_of(dataset, settings=settings)
        cleaner = Cleaner(settings=settings, key=key, patient=patient, traces=traces)
        cleaned = cleaner.clean(dataset)
        cleaned.file_meta = _meta(dataset, cleaned)
        name = f"{key.pseudonym(patient)}/{_name(str(cleaned.SOPInstanceUID))}.dcm"
        said = header_suspicions(dataset)
        commented = any(traces.repeated_by(text) for text in comments_of(dataset))
    except UNPARSABLE as error:
        raise Refused("damaged", type(error).__name__) from None
    if commented:
        raise Refused("identifying", "in element (7FE0,0010)")
    suspicions = said + pixel_suspicions(path)
    with whole_file(out / name) as temporary:
        _save(cleaned, temporary)
        if traces.found_in(temporary):
            raise Refused("identifying", _where(temporary, traces))
        if (out / name).exists() and not filecmp.cmp(out / name, temporary, shallow=False):
            raise Refused("same_instance")
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Outcome(
        number=number,
        output=name,
        pseudonym=key.pseudonym(patient),
        patient=patient,
        suspicions=suspicions,
        digest=digest,
        counts=cleaner.tally.taken(),
    )


def _patient(dataset: Dataset) -> str:
    """What tells one patient from another: the ID, or where there is none, the study or the file."""
    for keyword in ("PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        text = str(dataset.get(keyword) or "").strip("\0 ")
        if text:
            return text
    raise Refused("damaged", "neither Patient ID (0010,0020) nor SOP Instance UID (0008,0018)")


def _meta(dataset: Dataset, cleaned: Dataset) -> FileMetaDataset:
    """File meta information made anew: nothing of the old one stays but the kind of object and its encoding."""
    old = getattr(dataset, "file_meta", FileMetaDataset())
    kind = cleaned.get("SOPClassUID") or old.get("MediaStorageSOPClassUID")
    if not kind or not cleaned.get("SOPInstanceUID"):
        raise Refused("damaged", "SOP Class UID (0008,0016) or SOP Instance UID (0008,0018) is missing")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = cleaned.SOPInstanceUID
    meta.TransferSyntaxUID = UID(str(old.get("TransferSyntaxUID") or _encoding(dataset)))
    return meta


def _encoding(dataset: Dataset) -> UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _save(cleaned: Dataset, temporary: Path) -> None:
    cleaned.preamble = b"\0" * 128
    for keyword in PIXELS:
        if keyword in cleaned and isinstance(value := cleaned[keyword].value, bytes):
            cleaned[keyword].value = BytesIO(value)  # written as it is; the writer copies bytes first
    try:
        cleaned.save_as(temporary, enforce_file_format=True)
    except UNPARSABLE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Refused("damaged", type(error).__name__) from None


def _name(uid: str) -> str:
    return hashlib.blake2b(uid.encode(), digest_size=10).hexdigest()


def _where(file: Path, traces: Traces) -> str:
    """The first element that holds one of the values, by tag."""
    dataset = pydicom.dcmread(file)
    for tag in sorted(dataset.keys()):
        raw = dataset.get_item(tag)
        value = getattr(raw, "value", None)
        content = value if isinstance(value, bytes) else str(value).encode("utf-8", "ignore")
        if traces.held_by(content):
            return f"in element ({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return "in the file meta information"
