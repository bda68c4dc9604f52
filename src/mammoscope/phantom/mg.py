"""Digital mammograms as DICOM files with all that the standard asks for: For Presentation, one view each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt16
from pydicom import Dataset, Sequence
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mammoscope.phantom.machine import Machine, Voi, stored_values
from mammoscope.storage import whole_file
from mammoscope.vocabulary import Laterality, View

VIEW_CODES = {View.CC: ("399162004", "cranio-caudal"), View.MLO: ("399368009", "medio-lateral oblique")}  # CID 4014
ANGLES = {View.CC: 0, View.MLO: 45}
BEAM = {Laterality.LEFT: "CW", Laterality.RIGHT: "CC"}  # the tube moves over the other breast; PS3.3 C.8.11.7
BREAST = ("76752008", "Breast")  # CID 4013
TOWARDS = {  # Patient Orientation (0020,0020) of rows and columns; PS3.3 C.7.6.1.1.1 and the IHE mammography profile
    (Laterality.LEFT, View.CC): ("A", "R"),
    (Laterality.RIGHT, View.CC): ("P", "L"),
    (Laterality.LEFT, View.MLO): ("A", "FR"),
    (Laterality.RIGHT, View.MLO): ("P", "FL"),
}
MAGNIFICATION = 1.05
DATE = "20000101"  # of all examinations: nobody was examined
TUBE_KV, DOSE_MGY = "29", "1.6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mammography:
    """What one file says of itself.

    Attributes:
        patient_id: Patient ID (0010,0020).
        study_uid: Of the examination.
        series_uid: Of the view.
        instance_uid: Of the file.
        number: Instance Number (0020,0013).
        laterality: Side.
        view: CC or MLO.
        age_years: Whole years.
        thickness_cm: Of the compressed breast.
        spacing_mm: Of the pixels in the plane of the breast.
    """

    patient_id: str
    study_uid: str
    series_uid: str
    instance_uid: str
    number: int
    laterality: Laterality
    view: View
    age_years: int
    thickness_cm: float
    spacing_mm: float


def write_mammogram(grey: UInt16[np.ndarray, "rows cols"], path: Path, *, machine: Machine, about: Mammography) -> None:
    """Write one file, uncompressed.

    Args:
        grey: As it is to be shown, bright where much is absorbed; 0 is beside the breast.
        path: To write.
        machine: Codes the picture.
        about: The header.

    Raises:
        StorageError: The file system refused.

    Source:
        DICOM PS3.3 A.26, Digital Mammography X-Ray Image IOD.
    """
    found = Dataset()
    _patient_and_study(found, about)
    _equipment(found, machine)
    _anatomy(found, about)
    _exposure(found, about)
    _pixels(found, stored_values(grey, machine=machine), machine)
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with whole_file(path) as temporary:
        found.save_as(temporary, enforce_file_format=True)


def _patient_and_study(found: Dataset, about: Mammography) -> None:
    found.SpecificCharacterSet = "ISO_IR 100"
    found.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    found.SOPInstanceUID = about.instance_uid
    found.PatientName = f"PHANTOM^{about.patient_id}"
    found.PatientID = about.patient_id
    found.PatientBirthDate = ""
    found.PatientSex = "F"
    found.PatientAge = f"{about.age_years:03d}Y"
    found.StudyInstanceUID = about.study_uid
    found.SeriesInstanceUID = about.series_uid
    found.StudyDate = found.SeriesDate = found.AcquisitionDate = found.ContentDate = DATE
    found.StudyTime = found.SeriesTime = found.AcquisitionTime = found.ContentTime = "120000"
    found.StudyID = "PHANTOM"
    found.StudyDescription = "Mammography, synthetic"
    found.AccessionNumber = found.ReferringPhysicianName = ""
    found.SeriesNumber = 1
    found.InstanceNumber = found.AcquisitionNumber = about.number
    found.Modality = "MG"
    found.PresentationIntentType = "FOR PRESENTATION"


def _equipment(found: Dataset, machine: Machine) -> None:
    found.Manufacturer = "mammoscope phantom"
    found.InstitutionName = f"PHANTOM SITE {machine.site_id}"
    found.StationName = f"MG{machine.machine_id}"
    found.ManufacturerModelName = machine.model
    found.DeviceSerialNumber = machine.machine_id
    found.SoftwareVersions = "1"
    found.DetectorType = "DIRECT"
    found.DetectorConfiguration = "AREA"
    found.DetectorID = f"PHANTOM {machine.machine_id}"
    found.DetectorTemperature = "30"


def _anatomy(found: Dataset, about: Mammography) -> None:
    found.BodyPartExamined = "BREAST"
    found.AnatomicRegionSequence = Sequence([_code(*BREAST)])
    found.ImageLaterality = about.laterality.value
    found.BreastImplantPresent = "NO"
    found.PartialView = "NO"
    found.ViewPosition = about.view.value
    view = _code(*VIEW_CODES[about.view])
    view.ViewModifierCodeSequence = Sequence([])  # CID 4015; none of these is magnified, rolled or displaced
    found.ViewCodeSequence = Sequence([view])
    found.PatientOrientation = list(TOWARDS[about.laterality, about.view])
    found.OrganExposed = "BREAST"


def _exposure(found: Dataset, about: Mammography) -> None:
    found.PositionerType = "MAMMOGRAPHIC"
    found.PositionerPrimaryAngle = ANGLES[about.view]
    found.PositionerPrimaryAngleDirection = BEAM[about.laterality]
    found.KVP = TUBE_KV
    found.AnodeTargetMaterial = "TUNGSTEN"
    found.FilterType = "FLAT"
    found.FilterMaterial = "RHODIUM"
    found.Grid = ["RECIPROCATING", "FOCUSED"]
    found.ExposureControlMode = "AUTOMATIC"
    found.ExposureStatus = "NORMAL"
    found.BodyPartThickness = f"{10 * about.thickness_cm:.0f}"
    found.CompressionForce = "100"
    found.OrganDose = f"{float(DOSE_MGY) / 100:.4f}"  # dGy
    found.DistanceSourceToDetector = "660"
    found.DistanceSourceToPatient = f"{660 / MAGNIFICATION:.1f}"
    found.EstimatedRadiographicMagnificationFactor = f"{MAGNIFICATION}"
    found.ImagerPixelSpacing = [f"{MAGNIFICATION * about.spacing_mm:.6f}"] * 2
    found.AcquisitionContextSequence = Sequence([])


def _pixels(found: Dataset, stored: UInt16[np.ndarray, "rows cols"], machine: Machine) -> None:
    found.ImageType = ["DERIVED", "PRIMARY", ""]  # the third is empty, PS3.3 C.8.11.7.1.4
    found.DerivationDescription = "drawn from a seed"
    found.Rows, found.Columns = stored.shape
    found.SamplesPerPixel = 1
    found.PhotometricInterpretation = "MONOCHROME1" if machine.inverted else "MONOCHROME2"
    found.PresentationLUTShape = "INVERSE" if machine.inverted else "IDENTITY"
    found.BitsAllocated = 16
    found.BitsStored = machine.bits
    found.HighBit = machine.bits - 1
    found.PixelRepresentation = 0
    if machine.padding is not None:
        found.PixelPaddingValue = machine.padding
        found["PixelPaddingValue"].VR = "US"
    found.PixelIntensityRelationship = "LOG"
    found.PixelIntensityRelationshipSign = -1 if machine.inverted else 1
    found.RescaleIntercept, found.RescaleSlope, found.RescaleType = "0", "1", "US"
    found.WindowCenter = [f"{window.centre:g}" for window in machine.windows]
    found.WindowWidth = [f"{window.width:g}" for window in machine.windows]
    found.WindowCenterWidthExplanation = [window.explanation for window in machine.windows]
    if machine.voi is not Voi.LINEAR:
        found.VOILUTFunction = machine.voi.value
    found.LossyImageCompression = "00"
    found.BurnedInAnnotation = "NO"
    found.QualityControlImage = "NO"
    found.PixelData = stored.astype("<u2").tobytes()
    found["PixelData"].VR = "OW"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = meaning
    return item
