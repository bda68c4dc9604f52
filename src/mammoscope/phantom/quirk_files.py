"""Quirks of single files: gone, cut, empty, blank, inverted, copied, with a wrong tag."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from mammoscope.phantom.dicom import uid
from mammoscope.phantom.quirks import Cells, Plant, Planted, Site, planted
from mammoscope.storage import whole_file

KEPT = 0.6  # of the bytes of a truncated file
DICOM = (".dcm", ".dicom")
OTHER = {"L": "R", "R": "L"}

Grid = UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]


def missing_file(quirk: str, site: Site) -> Planted:
    """The picture is listed and not there."""
    row = site.pick(quirk)
    (site.folder / row["image"]).unlink()
    return planted(quirk, row, detail="deleted")


def truncated_file(quirk: str, site: Site) -> Planted:
    """The download broke off."""
    row = site.pick(quirk)
    content = (site.folder / row["image"]).read_bytes()
    kept = int(KEPT * len(content))
    _write(site.folder / row["image"], content[:kept])
    return planted(quirk, row, detail=f"the first {kept} of {len(content)} bytes are left")


def zero_byte(quirk: str, site: Site) -> Planted:
    """The download never began."""
    row = site.pick(quirk)
    _write(site.folder / row["image"], b"")
    return planted(quirk, row, detail="no byte is left")


def blank_picture(quirk: str, site: Site) -> Planted:
    """A whole file that shows nothing."""
    row = site.pick(quirk)
    repaint(site.folder / row["image"], np.zeros_like)
    return planted(quirk, row, detail="every pixel is 0")


def inverted_background(quirk: str, site: Site) -> Planted:
    """Bright where it was dark, and no header says so."""
    row = site.pick(quirk)
    repaint(site.folder / row["image"], _inverted)
    return planted(quirk, row, detail="pixels inverted, header as before")


def duplicate_across_patients(quirk: str, site: Site) -> Planted:
    """One woman's picture stands under another's id as well, with the same label, side and view."""

    def alike(one: Cells, other: Cells) -> bool:
        return all(one[name] == other[name] for name in ("laterality", "view", "malignant"))

    def has_double(row: Cells) -> bool:
        others = (other for other in site.truth if other["patient_id"] not in {row["patient_id"], *site.taken})
        return any(alike(row, other) for other in others)

    row = site.pick(quirk, has_double)
    other = site.pick(quirk, lambda other: alike(row, other))
    _write(site.folder / other["image"], (site.folder / row["image"]).read_bytes())
    return planted(quirk, other, detail=f"has the bytes of {row['image']} of patient {row['patient_id']}")


def wrong_laterality_tag(quirk: str, site: Site) -> Planted:
    """The header names the other breast than the table."""
    row = site.pick(quirk)
    path = site.folder / row["image"]
    header = dcmread(path)
    word = OTHER[row["laterality"]]
    if "ImageLaterality" in header:
        header.ImageLaterality = word
    else:
        header.Laterality = word
    _save(header, path)
    return planted(quirk, row, detail=f"the header says {word}, the table {row['laterality']}")


OF_FILES: dict[str, Plant] = {
    "missing-file": missing_file,
    "truncated-file": truncated_file,
    "zero-byte": zero_byte,
    "blank-picture": blank_picture,
    "inverted-background": inverted_background,
    "duplicate-across-patients": duplicate_across_patients,
}
OF_TAGS: dict[str, Plant] = {"wrong-laterality-tag": wrong_laterality_tag}


def repaint(path: Path, change: Callable[[Grid], Grid], *, to: Path | None = None, key: str = "") -> None:
    """Change the pixels of a picture, header and format as they are.

    Args:
        path: DICOM, JPEG or PGM.
        change: From the old pixels to the new ones, which may have another shape.
        to: Where the changed picture goes, if not to the same file.
        key: With it, a DICOM file gets another SOP Instance UID and Series Instance UID, made of it.
    """
    target = path if to is None else to
    if path.suffix in DICOM:
        header = dcmread(path)
        pixels = change(header.pixel_array)
        header.Rows, header.Columns = pixels.shape
        content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        header.PixelData = content + b"\0" * (len(content) % 2)
        if key:
            header.SeriesInstanceUID = uid(key, "series")
            header.SOPInstanceUID = uid(key)
            header.file_meta.MediaStorageSOPInstanceUID = UID(header.SOPInstanceUID)
        _save(header, target)
        return
    _, found = cv2.imencode(path.suffix, change(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)))
    _write(target, found.tobytes())


def _inverted(pixels: Grid) -> Grid:
    """The same range the other way round."""
    return np.asarray(pixels.max() - pixels + pixels.min(), pixels.dtype)


def _save(header: Dataset, path: Path) -> None:
    with whole_file(path) as temporary:
        header.save_as(temporary, enforce_file_format=True)


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
