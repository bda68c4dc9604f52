"""A phantom data set laid out like Kaggle's JPEG edition of CBIS-DDSM: csv/, dicom_info.csv, jpeg/<series>/."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mammoscope.phantom.cbis_ddsm import draw
from mammoscope.phantom.cbis_tables import TRUTH_HEADER, case_tables, table
from mammoscope.phantom.cbis_view import Edition, Pixels, Place, write_patient
from mammoscope.phantom.dicom import Capture, uid
from mammoscope.phantom.exam import Patient
from mammoscope.phantom.layout import Entry, Layout
from mammoscope.phantom.malignancy import ideal_auc
from mammoscope.phantom.quirk_cbis import OF_CBIS
from mammoscope.phantom.quirk_files import OF_FILES
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.settings import Settings
from mammoscope.storage import whole_file
from mammoscope.vocabulary import Part

INFO = "csv/dicom_info.csv"
INFO_HEADER = (  # of the edition's own file
    *("file_path", "image_path", "AccessionNumber", "BitsAllocated", "BitsStored", "BodyPartExamined", "Columns"),
    *("ContentDate", "ContentTime", "ConversionType", "HighBit", "InstanceNumber", "LargestImagePixelValue"),
    *("Laterality", "Modality", "PatientBirthDate", "PatientID", "PatientName", "PatientOrientation", "PatientSex"),
    *("PhotometricInterpretation", "PixelRepresentation", "ReferringPhysicianName", "Rows", "SOPClassUID"),
    *("SOPInstanceUID", "SamplesPerPixel", "SecondaryCaptureDeviceManufacturer"),
    *("SecondaryCaptureDeviceManufacturerModelName", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber"),
    *("SmallestImagePixelValue", "SpecificCharacterSet", "StudyDate", "StudyID", "StudyInstanceUID", "StudyTime"),
)
UNDESCRIBED = 0.055  # of the rows have an empty SeriesDescription: 566 of 10,237 in the edition
QUALITY = 95


def _file_number(place: Place) -> int:
    """Three digits behind the instance number, which mean nothing, as in the edition."""
    return int(hashlib.blake2b(f"{place.series_uid}/{place.number}".encode(), digest_size=4).hexdigest(), 16)


def _path(place: Place) -> str:
    return f"jpeg/{place.series_uid}/{place.number}-{_file_number(place) % 300:03d}.jpg"


def _write_jpeg(pixels: Pixels, path: Path, _capture: Capture) -> None:
    grey = pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)
    _, content = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with whole_file(path) as temporary:
        temporary.write_bytes(content.tobytes())


def _about(pixels: Pixels, place: Place, capture: Capture) -> tuple[str, Cells]:
    """A row of dicom_info.csv: what the DICOM file said from which the JPEG was made."""
    path, bits = _path(place), 8 * pixels.dtype.itemsize
    described = _file_number(place) // 300 % 1000 >= 1000 * UNDESCRIBED
    known: dict[str, object] = {
        "file_path": "CBIS-DDSM/" + path.replace("jpeg/", "dicom/").replace(".jpg", ".dcm"),
        "image_path": f"CBIS-DDSM/{path}",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "BodyPartExamined": "BREAST",
        "Columns": pixels.shape[1],
        "ConversionType": "WSD",
        "HighBit": bits - 1,
        "InstanceNumber": capture.number,
        "LargestImagePixelValue": int(pixels.max()),
        "Laterality": capture.laterality.value,
        "Modality": "MG",
        "PatientID": capture.subject,
        "PatientName": capture.subject,
        "PatientOrientation": capture.view.value,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelRepresentation": 0,
        "Rows": pixels.shape[0],
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": uid(capture.series_uid, capture.number),
        "SamplesPerPixel": 1,
        "SecondaryCaptureDeviceManufacturer": "mammoscope phantom",
        "SeriesDescription": capture.description if described else "",
        "SeriesInstanceUID": capture.series_uid,
        "SeriesNumber": 1,
        "SmallestImagePixelValue": int(pixels.min()),
        "SpecificCharacterSet": "ISO_IR 100",
        "StudyID": "PHANTOM",
        "StudyInstanceUID": capture.study_uid,
    }
    return INFO, {name: str(known.get(name, "")) for name in INFO_HEADER}


JPEG = Edition(path=_path, write=_write_jpeg, about=_about, tables="csv/")


def _write(patient: Patient, part: Part, folder: Path, settings: Settings) -> list[Entry]:
    return write_patient(patient, part, folder, settings, JPEG)


def _info(rows: Sequence[Cells]) -> str:
    return table(INFO_HEADER, rows, line_end="\n")


CBIS_DDSM_JPEG = Layout(
    name="cbis_ddsm_jpeg",
    draw=draw,
    write=_write,
    tables=case_tables("csv/") | {INFO: _info},
    truth=TRUTH_HEADER,
    ours=re.compile("csv|jpeg"),
    best=ideal_auc,
    parts=True,
    most_patients=99_999,
    film=True,
    quirks=OF_FILES | OF_CBIS,
)
