"""Tiny pictures and tables that several tests plant."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian


def picture(path: Path, *, seed: int = 0) -> Path:
    """A bright half disc at the left on black, with texture."""
    y, x = np.mgrid[:120, :80]
    breast = (((y - 60) / 50) ** 2 + (x / 60) ** 2 < 1).astype(np.float32)
    grain = np.random.default_rng(seed).uniform(80, 200, breast.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (breast * grain).astype(np.uint8))
    return path


def images(folder: Path, names: list[str]) -> pl.DataFrame:
    rows = [{"source": "own", "image_id": name, "path": name, "laterality": "L", "view": "CC"} for name in names]
    return pl.DataFrame(rows)


def half_disc(rows: int, cols: int, radius: int) -> np.ndarray:
    """12-bit values of a bright half disc at the right edge, on 0."""
    y, x = np.mgrid[:rows, :cols]
    away = np.hypot(y + 0.5 - rows / 2, x + 0.5 - cols)
    return np.where(away < radius, 3600 - 1200 * away / radius, 0).astype(np.uint16)


def mammogram_file(path: Path, pixels: np.ndarray, **elements: object) -> Path:
    """A mammogram for presentation as a DICOM file: 12 bit, MLO, 1 x 2 mm, with further elements."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "2.25.1"
    dataset.Modality, dataset.PhotometricInterpretation = "MG", "MONOCHROME2"
    dataset.PatientName, dataset.PatientBirthDate = "Surname^Given", "19480229"
    dataset.ViewPosition, dataset.ImagerPixelSpacing = "MLO", [1.0, 2.0]
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = pixels.astype(np.uint16).tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(dataset, name, value)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path
