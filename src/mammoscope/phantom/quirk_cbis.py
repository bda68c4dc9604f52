"""Quirks of CBIS-DDSM: masks and crops, several findings in a view, patients on both official sides."""

from pathlib import PurePosixPath

import cv2
import numpy as np
from jaxtyping import UInt8

from mammoscope.phantom.dicom import uid
from mammoscope.phantom.quirk_files import Grid, repaint
from mammoscope.phantom.quirks import SIDES, Cells, Plant, Planted, Site, image_of, planted

CROP, MASK = "cropped image file path", "ROI mask file path"


def swapped_mask_crop(quirk: str, site: Site) -> Planted:
    """The table names the mask as the crop and the crop as the mask."""
    row = site.pick(quirk, lambda row: row["quirk"] == "none")
    _, case = _case(site, row)
    case[CROP], case[MASK] = case[MASK], case[CROP]
    return planted(quirk, row, file=row["mask"], detail="mask and crop exchanged in the case table, files as before")


def missing_mask(quirk: str, site: Site) -> Planted:
    """The mask is listed and not there."""
    row = site.pick(quirk)
    (site.folder / row["mask"]).unlink()
    return planted(quirk, row, file=row["mask"], detail="the mask is deleted")


def mask_of_other_size(quirk: str, site: Site) -> Planted:
    """The mask has half the rows and columns of the picture."""
    row = site.pick(quirk)
    repaint(site.folder / row["mask"], _halved)
    return planted(quirk, row, file=row["mask"], detail="the mask has half the picture's rows and columns")


def mixed_labels_in_a_view(quirk: str, site: Site) -> Planted:
    """A malignant view with a second, benign finding; the mask of it is the other one's, upside down."""
    row = site.pick(quirk, lambda row: row["malignant"] == "1")
    name, case = _case(site, row)
    old, new = (PurePosixPath(case[CROP].strip()).parts[-2], uid(case[CROP].strip(), 2))
    series = {old: new}
    old = PurePosixPath(case[MASK].strip()).parts[-2]
    series.setdefault(old, uid(case[MASK].strip(), 3))
    second = dict(case) | {"abnormality id": "2", "pathology": "BENIGN"}
    for column in (CROP, MASK):
        second[column] = _moved(case[column], series)
    mask = _moved(row["mask"], series)
    repaint(site.folder / row["mask"], lambda pixels: pixels[::-1].copy(), to=site.folder / mask, key=mask)
    crop = _moved(row["crop"], series)
    repaint(site.folder / row["crop"], lambda pixels: pixels, to=site.folder / crop, key=crop)
    rows = site.tables[name]
    rows.insert(rows.index(case) + 1, second)
    return planted(quirk, row, file=mask, detail="a second finding, benign, is listed; nothing is drawn for it")


def patient_on_both_sides(quirk: str, site: Site) -> Planted:
    """One view of a training patient is listed in the test table; she keeps the other one in training."""

    def can(row: Cells) -> bool:
        return row["part"] == "train"

    row = site.pick(quirk, can)
    name, case = _case(site, row)
    site.tables[name].remove(case)
    site.tables[name.replace("_train_", "_test_")].append(case)
    row["part"] = "test"
    return planted(quirk, row, detail=f"{image_of(row)} is listed in test, her other views in train")


OF_CBIS: dict[str, Plant] = {
    "swapped-mask-crop": swapped_mask_crop,
    "missing-mask": missing_mask,
    "mask-of-other-size": mask_of_other_size,
    "mixed-labels-in-a-view": mixed_labels_in_a_view,
    "patient-on-both-sides": patient_on_both_sides,
}


def _case(site: Site, row: Cells) -> tuple[str, Cells]:
    """The table that lists a row of the truth, and its row there."""
    key = (row["patient_id"], SIDES[row["laterality"]], row["view"])
    for name, rows in site.tables.items():
        for case in rows:
            if "image view" in case and (case["patient_id"], case["left or right breast"], case["image view"]) == key:
                return name, case
    raise KeyError(key)


def _moved(path: str, series: dict[str, str]) -> str:
    """The path of another lesion: its subject ends in _2, its series is another."""
    for old, new in series.items():
        path = path.replace(old, new)
    return path.replace("_1/", "_2/")


def _halved(mask: Grid) -> UInt8[np.ndarray, "half_rows half_cols"]:
    half = cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_NEAREST)
    return np.asarray(half, np.uint8)
