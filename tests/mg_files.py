"""Tiny DICOM mammograms, and what was read of them."""

from pathlib import Path

import numpy as np
from openjpeg.utils import encode_array
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
)

from mammoscope.images import Mammogram, Preprocess, read_mammogram

ROWS, COLS = 64, 48
AS_IS = Preprocess(rows=ROWS, cols=COLS, region="whole", flip="none", clear_background=False)


def breast(*, low: int = 0, high: int = 4095) -> np.ndarray:
    """A half disc at the left edge whose values run from dark to bright, on `low`."""
    y, x = np.mgrid[:ROWS, :COLS]
    away = np.hypot(y - ROWS / 2 + 0.5, x)
    return np.where(away < 28, low + (high - low) * (1 - away / 40), low).astype(np.int64)


def mg(pixels: np.ndarray, *, bits: int = 12, signed: bool = False, **elements: object) -> Dataset:
    """A mammogram for presentation, native 16 bit, with further elements."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "2.25.1"
    dataset.Modality = "MG"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = pixels.astype(np.int16 if signed else np.uint16).tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def saved(dataset: Dataset, folder: Path, *, syntax: str = ExplicitVRLittleEndian) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    file = folder / "one.dcm"
    dcmwrite(file, dataset, enforce_file_format=True)
    return file


def read(dataset: Dataset, folder: Path, *, syntax: str = ExplicitVRLittleEndian, **fields: object) -> Mammogram:
    return read_mammogram(saved(dataset, folder, syntax=syntax), preprocess=AS_IS.model_copy(update=fields))


def said(mammogram: Mammogram, name: str) -> list[str]:
    return [f"{step.detail} | {step.cause}" for step in mammogram.trail if step.name == name]


def compressed(pixels: np.ndarray, syntax: str) -> Dataset:
    dataset = mg(pixels, WindowCenter=2048, WindowWidth=4096)
    values = pixels.astype(np.uint16)
    if syntax == JPEG2000Lossless:
        dataset.PixelData = encapsulate([bytes(encode_array(values, bits_stored=12))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.compress(syntax, values, generate_instance_uid=False)
    return dataset


def rgb(colour: np.ndarray) -> Dataset:
    dataset = mg(colour[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = colour.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset
