"""Small files in several formats, and the pixels that they give: `python tests/golden_pixels.py` writes them anew."""

import base64
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from mammoscope.images import PIXELS_VERSION, Preprocess, read_mammogram
from mg_files import breast, mg

GOLDEN = Path(__file__).with_name("golden_pixels.json")
FULL = 4095  # steps of a pixel as it is kept
READ = {
    "window.dcm": Preprocess(rows=24, cols=18),
    "dark.dcm": Preprocess(rows=24, cols=18, window="percentile"),
    "rle.dcm": Preprocess(rows=25, cols=18, region="whole"),
    "lossy_j2k.dcm": Preprocess(rows=24, cols=18),
    "lossy_jpeg.dcm": Preprocess(rows=24, cols=18, clear_background=False),
    "grey.png": Preprocess(rows=96, cols=72),
}


def pixels_of(data: bytes, name: str, folder: Path) -> np.ndarray:
    """What a file gives now, in steps."""
    file = folder / name
    file.write_bytes(data)
    return np.rint(read_mammogram(file, preprocess=READ[name]).pixels * FULL).astype(np.int64)


def golden() -> tuple[str, dict[str, tuple[bytes, np.ndarray]]]:
    """Version, and file and pixels by name, as they were kept."""
    kept = json.loads(GOLDEN.read_text())
    found = {}
    for name, entry in kept["files"].items():
        pixels = np.frombuffer(base64.b64decode(entry["pixels"]), "<u2").reshape(entry["shape"])
        found[name] = base64.b64decode(entry["file"]), pixels.astype(np.int64)
    return kept["pixels_version"], found


def files() -> dict[str, bytes]:
    """Files with what the path from file to pixels has to decide about."""
    grey = breast()
    sharp = grey.copy()
    sharp[40:44, 8:12] = 4095
    padded = np.pad(4095 - sharp[:, ::-1], ((0, 0), (10, 0)), constant_values=0)  # breast at the right, dark on white
    jpeg, png = io.BytesIO(), io.BytesIO()
    Image.fromarray((sharp >> 4).astype(np.uint8)).save(jpeg, "JPEG", quality=90)
    Image.fromarray((sharp << 4).astype(np.uint16)).save(png, "PNG")
    window = {"WindowCenter": 1500, "WindowWidth": 3000}
    run_length = mg(sharp, **window, VOILUTFunction="SIGMOID")
    run_length.compress(RLELossless, sharp.astype(np.uint16), generate_instance_uid=False)
    return {
        "window.dcm": _file(mg(sharp, **window, RescaleSlope=1, RescaleIntercept=-20, ImagerPixelSpacing=[0.1, 0.2])),
        "dark.dcm": _file(mg(padded, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)),
        "rle.dcm": _file(run_length, RLELossless),
        "lossy_j2k.dcm": _file(
            _lossy(bytes(encode_array(sharp.astype(np.uint16), bits_stored=12, compression_ratios=[8])), **window),
            JPEG2000,
        ),
        "lossy_jpeg.dcm": _file(_lossy(jpeg.getvalue(), bits=8), JPEGBaseline8Bit),
        "grey.png": png.getvalue(),
    }


def _lossy(stream: bytes, *, bits: int = 12, **elements: object) -> Dataset:
    dataset = mg(breast(), bits=bits, **elements)
    dataset.BitsAllocated = 8 if bits == 8 else 16
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    written = io.BytesIO()
    dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()


def _write() -> None:
    if GOLDEN.exists() and golden()[0] == PIXELS_VERSION:
        sys.exit(f"{GOLDEN.name} is of version {PIXELS_VERSION}: raise PIXELS_VERSION in images/reading.py first")
    entries = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files().items():
            pixels = pixels_of(data, name, Path(folder))
            entries[name] = {
                "file": base64.b64encode(data).decode(),
                "shape": pixels.shape,
                "pixels": base64.b64encode(pixels.astype("<u2").tobytes()).decode(),
            }
    GOLDEN.write_text(json.dumps({"pixels_version": PIXELS_VERSION, "files": entries}, indent=1) + "\n")


if __name__ == "__main__":
    _write()
