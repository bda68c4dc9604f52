"""Synthetic pictures of full size: a phantom enlarged, with noise of its own, and files that hold it."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import BreastTomosynthesisImageStorage

from mammoscope.phantom import phantom_view
from mammoscope.phantom.dicom import uid
from mammoscope.phantom.machine import FLAT, STRONG
from mammoscope.phantom.mg import Mammography, write_mammogram
from mammoscope.vocabulary import Density, Laterality, View

DRAWN_ROWS = 1024


def breast(rows: int, cols: int, *, seed: int = 3) -> np.ndarray:
    """A left MLO of 16 bit; air is 0, tissue has noise in every pixel."""
    small = phantom_view(seed, view=View.MLO, density=Density.C, diameter_mm=20, spiculation=0.6, rows=DRAWN_ROWS)
    large = cv2.resize(small.pixels, (cols, rows), interpolation=cv2.INTER_CUBIC)
    noise = cv2.randn(np.empty((rows, cols), dtype=np.int16), 0, 600)
    return np.where(large > 0, np.clip(large.astype(np.int32) + noise, 1, 65535), 0).astype(np.uint16)


def write_dicom(grey: np.ndarray, path: Path, *, number: int = 1, padding: bool = False) -> None:
    """An uncompressed For Presentation file with a full header."""
    about = Mammography(
        patient_id="P_00001",
        study_uid=uid("bench", "study"),
        series_uid=uid("bench", "series"),
        instance_uid=uid("bench", number),
        number=number,
        laterality=Laterality.LEFT,
        view=View.MLO,
        age_years=55,
        thickness_cm=5.0,
        spacing_mm=0.05,
    )
    machine = replace(FLAT, padding=0) if padding else STRONG
    write_mammogram(grey, path, machine=machine, about=about)


def write_volume(grey: np.ndarray, path: Path, *, slices: int) -> None:
    """An uncompressed tomosynthesis volume: the same breast, moved by some rows from slice to slice."""
    write_dicom(grey, path)
    volume = pydicom.dcmread(path)
    one = volume.pixel_array
    volume.SOPClassUID = volume.file_meta.MediaStorageSOPClassUID = BreastTomosynthesisImageStorage
    volume.NumberOfFrames = slices
    volume.PixelData = b"".join(np.roll(one, 3 * at, axis=0).tobytes() for at in range(slices))
    volume.save_as(path)


def write_film(path: Path, *, rows: int, cols: int) -> None:
    """An 8-bit JPEG like a digitised film: fog instead of black air, and grain everywhere, blurred by the scanner."""
    grain = cv2.GaussianBlur(cv2.randn(np.empty((rows, cols), dtype=np.float32), 0, 1), (0, 0), 1.0)
    shown = cv2.GaussianBlur((breast(rows, cols) >> 8).astype(np.float32), (0, 0), 1.0) * 0.87 + 16
    film = np.clip(shown + grain * (3 / grain.std()), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, "JPEG", quality=92)
    path.write_bytes(buffer.getvalue())
