"""From a file to the final pixels, against reading everything and then making it small.

`ours` is `read_mammogram`. The reference of an uncompressed file is what class-room projects do: pydicom's
`pixel_array`, three equal channels in float32, a bilinear resize with padding, division by the maximum. The reference
of a compressed file is a full decode (pydicom in its own order of plug-ins, Pillow for JPEG) and then our own steps.
The floor is one area resize straight from the memory map, or the decode alone at the resolution that we use. OpenCV has
one thread on all sides; files are in the page cache. Real JPEG 2000 files are left out where there are none.

Run: python bench/pixels.py [--json] [--data FOLDER] [--budget 5]
"""

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pydicom
from parts.films import breast, write_dicom, write_film, write_volume
from parts.rounds import compared, options_of, told
from PIL import Image

from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.images.levels import ArrayLevels
from mammoscope.images.reading import _finished, picture_of, seen

SQUARE, TALL = (224, 224), (1152, 896)
REGIONS = ("whole", "breast")
Calls = dict[str, Callable[[], object]]
Case = tuple[str, Calls, str]
REAL = {"5355x4915": "10006", "2776x2082": "10011"}  # patients of whom rsna_dicom has files of this size


def wanted_for(size: tuple[int, int], region: str, **more: Any) -> Preprocess:
    return Preprocess(rows=size[0], cols=size[1], region=region, **more)  # type: ignore[arg-type]


def same_steps(path: Path, values: np.ndarray, wanted: Preprocess) -> Mammogram:
    """Our own steps on pixels that were decoded whole."""
    picture = replace(picture_of(path, wanted), levels=ArrayLevels(values=values))
    picture, sight, padding = seen(path, picture, wanted=wanted)
    return _finished(path, picture, sight, wanted=wanted, padding=padding)


def classroom(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Three equal channels, stretched without averaging, padded, divided by the maximum."""
    pixels = pydicom.dcmread(path).pixel_array
    colour = np.stack([pixels] * 3, axis=-1).astype(np.float32)
    scale = min(size[0] / pixels.shape[0], size[1] / pixels.shape[1])
    rows, cols = round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)
    padded = np.zeros((*size, 3), dtype=np.float32)
    top, left = (size[0] - rows) // 2, (size[1] - cols) // 2
    padded[top : top + rows, left : left + cols] = cv2.resize(colour, (cols, rows), interpolation=cv2.INTER_LINEAR)
    return padded / padded.max()


def mapped(path: Path, *, frame: int = 0) -> tuple[int, tuple[int, int]]:
    """Where the pixels of a frame begin in the file, and their shape."""
    header = pydicom.dcmread(path, defer_size=1024)
    place = header.get_item("PixelData", keep_deferred=True).value_tell
    return place + frame * header.Rows * header.Columns * 2, (header.Rows, header.Columns)


def area_floor(path: Path, wanted: Preprocess, *, frame: int = 0) -> Callable[[], object]:
    """One area resize of what `wanted` keeps, straight from the memory map."""
    geometry = read_mammogram(path, preprocess=wanted).geometry
    x0, y0, x1, y1 = (round(edge) for edge in geometry.kept)
    size = round((x1 - x0) * abs(geometry.x_scale)), round((y1 - y0) * geometry.y_scale)
    offset, shape = mapped(path, frame=frame)

    def resize() -> object:
        pixels = np.memmap(path, dtype="<u2", mode="r", offset=offset, shape=shape)
        return cv2.resize(pixels[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)

    return resize


def decode_floor(path: Path, wanted: Preprocess) -> tuple[Callable[[], object], int]:
    """The decode alone, at the factor that was used."""
    chain = " ".join(read_mammogram(path, preprocess=wanted).geometry.chain)
    found = re.search(r"read at 1/(\d+)", chain)
    factor = int(found[1]) if found else 1
    return lambda: picture_of(path, wanted).levels.read(factor), factor


def uncompressed(folder: Path) -> Iterator[Case]:
    grey = breast(5900, 3200)
    plain, padded = folder / "plain.dcm", folder / "padded.dcm"
    write_dicom(grey, plain)
    write_dicom(grey, padded, padding=True)
    cases = [(plain, size, region) for size in (SQUARE, TALL) for region in REGIONS]
    for path, size, region in [*cases, (padded, TALL, "breast")]:
        wanted = wanted_for(size, region)
        calls: Calls = {
            "ours": partial(read_mammogram, path, preprocess=wanted),
            "reference": partial(classroom, path, size),
            "floor": area_floor(path, wanted),
        }
        told = ", with padding" if path is padded else ""
        yield f"uncompressed 5900x3200 to {size[0]}x{size[1]}, {region}{told}", calls, ">= 5, <= 1.5 floor"


def wavelets(data: Path) -> Iterator[Case]:
    folder = data / "rsna_dicom" / "train_images"
    for name, patient in REAL.items():
        path = min((folder / patient).glob("*.dcm"), default=None)
        if path is None:
            sys.stderr.write(f"JPEG 2000 {name}: no real files; name their folder with --data\n")
            continue
        for region, target in zip(REGIONS, (">= 12", ">= 4"), strict=True):
            wanted = wanted_for(TALL, region)
            floor, factor = decode_floor(path, wanted)
            ours = partial(read_mammogram, path, preprocess=wanted)
            calls: Calls = {
                "ours": ours,
                "ours, two threads in OpenJPEG": partial(with_threads, ours),
                "reference": partial(decoded_whole, path, wanted),
                "floor": floor,
            }
            yield f"JPEG 2000 {name} to 1152x896, {region}, at 1/{factor}", calls, target


def decoded_whole(path: Path, wanted: Preprocess) -> Mammogram:
    return same_steps(path, pydicom.dcmread(path).pixel_array, wanted)


def with_threads(call: Callable[[], object]) -> None:
    """The same with two threads in OpenJPEG, which looks at the environment whenever a decoder is made."""
    os.environ["OPJ_NUM_THREADS"] = "2"
    try:
        call()
    finally:
        del os.environ["OPJ_NUM_THREADS"]


def films(folder: Path) -> Iterator[Case]:
    path = folder / "film.jpg"
    write_film(path, rows=4616, cols=3016)
    size = f"{path.stat().st_size / 1e6:.1f} MB"

    def decoded() -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image)

    def resized() -> np.ndarray:
        scale = min(TALL[0] / 4616, TALL[1] / 3016)
        shape = round(3016 * scale), round(4616 * scale)
        return cv2.resize(decoded().astype(np.float32) / 255, shape, interpolation=cv2.INTER_AREA)

    for region in REGIONS:
        wanted = wanted_for(TALL, region)
        floor, factor = decode_floor(path, wanted)
        calls: Calls = {
            "ours": partial(read_mammogram, path, preprocess=wanted),
            "reference": lambda wanted=wanted: same_steps(path, decoded(), wanted),
            "floor": floor,
        }
        yield f"JPEG 4616x3016, {size}, to 1152x896, {region}, at 1/{factor}", calls, ">= 2.5"
        if region == "whole":
            plain = calls | {"reference": resized}
            yield f"JPEG 4616x3016, {size}, to 1152x896, against decode, float32, resize alone", plain, ">= 2.5"


def volumes(folder: Path) -> Iterator[Case]:
    path, slices, frame = folder / "volume.dcm", 24, 11
    write_volume(breast(2457, 1996), path, slices=slices)
    for region in REGIONS:
        wanted = wanted_for(TALL, region, slab=(frame + 1, frame + 1))
        calls: Calls = {
            "ours": partial(read_mammogram, path, preprocess=wanted),
            "reference": lambda wanted=wanted: same_steps(path, pydicom.dcmread(path).pixel_array[frame], wanted),
            "floor": area_floor(path, wanted, frame=frame),
        }
        yield f"one of {slices} slices, 2457x1996 to 1152x896, {region}", calls, ""


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--budget", type=float, default=5.0, help="seconds a row")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    cv2.setRNGSeed(0)
    first = True
    with TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (uncompressed(folder), wavelets(options.data), films(folder), volumes(folder)):
            for title, calls, target in rows:
                for row in compared(title, calls, budget_s=options.budget, target=target):
                    told(row, as_json=options.json, first=first)
                    first = False


if __name__ == "__main__":
    main()
