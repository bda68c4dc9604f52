"""DICOM files as the archive wrote CBIS-DDSM: secondary captures without patient, date or spacing."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from mammoscope.storage import whole_file
from mammoscope.vocabulary import Laterality, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What one file says of itself.

    Attributes:
        subject: Stands as Patient ID (0010,0020), e.g. `Mass-Training_P_00001_LEFT_CC`; not a patient.
        description: Series Description (0008,103E).
        study_uid: Of the folder above the series.
        series_uid: Of the folder of the file.
        number: Instance Number (0020,0013).
        laterality: Side.
        view: Stands in Patient Orientation (0020,0020), against the standard, as in the archive.
    """

    subject: str
    description: str
    study_uid: str
    series_uid: str
    number: int
    laterality: Laterality
    view: View


def uid(*parts: object) -> str:
    """A UID that depends on nothing but its parts.

    Source:
        DICOM PS3.5 B.2: 2.25 and a 128-bit number; here of a hash in place of a UUID.

    Example:
        >>> uid("seed", 0) == uid("seed", 0) != uid("seed", 1)
        True
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=16).digest()
    return f"2.25.{int.from_bytes(digest, 'big')}"


def write_capture(
    pixels: UInt16[np.ndarray, "rows cols"] | UInt8[np.ndarray, "rows cols"], path: Path, *, capture: Capture
) -> None:
    """Write one file, uncompressed.

    Raises:
        StorageError: The file system refused.
    """
    found = _dataset(capture)
    bits = 8 * pixels.dtype.itemsize
    found.Rows, found.Columns = pixels.shape
    found.SamplesPerPixel = 1
    found.PhotometricInterpretation = "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = bits
    found.HighBit = bits - 1
    found.PixelRepresentation = 0
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    found.PixelData = content + b"\0" * (len(content) % 2)
    found["PixelData"].VR = "OW" if bits > 8 else "OB"
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with whole_file(path) as temporary:
        found.save_as(temporary, enforce_file_format=True)


def _dataset(capture: Capture) -> Dataset:
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 100"
    found.SOPClassUID = SecondaryCaptureImageStorage
    found.SOPInstanceUID = uid(capture.series_uid, capture.number)
    found.StudyDate = found.StudyTime = found.AccessionNumber = found.ReferringPhysicianName = ""
    found.Modality = "MG"
    found.ConversionType = "SYN"
    found.Manufacturer = "mammoscope phantom"
    found.SeriesDescription = capture.description
    found.PatientName = found.PatientID = capture.subject
    found.PatientBirthDate = found.PatientSex = ""
    found.BodyPartExamined = "BREAST"
    found.StudyInstanceUID = capture.study_uid
    found.SeriesInstanceUID = capture.series_uid
    found.StudyID = "PHANTOM"
    found.SeriesNumber = 1
    found.InstanceNumber = capture.number
    found.PatientOrientation = capture.view.value
    found.Laterality = capture.laterality.value
    return found
