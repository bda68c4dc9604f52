"""Quirks of the tables of RSNA, VinDr-Mammo and mini-MIAS."""

import hashlib

import numpy as np

from mammoscope.phantom.quirk_files import Grid, repaint
from mammoscope.phantom.quirks import Cells, Plant, Planted, Site, image_of, planted

SHIFT_PX = 2  # between two exposures of the same view
OTHER_DENSITY = {"A": "B", "B": "C", "C": "B", "D": "C"}


def same_view_twice(quirk: str, site: Site) -> Planted:
    """The technician took the view again: the breast lies a little lower, the noise is another."""
    row = site.pick(quirk, lambda row: row["lesion_id"] == "")
    old = row["image_id"]
    digits = hashlib.blake2b(f"{old}/again".encode(), digest_size=16)
    new = str(10**8 + int(digits.hexdigest(), 16) % (9 * 10**8)) if old.isdigit() else digits.hexdigest()
    path = row["image"].replace(old, new)

    def again(pixels: Grid) -> Grid:
        moved = np.roll(pixels, SHIFT_PX, axis=0)
        return np.asarray(np.where(moved % 7 == 3, moved - 1, moved), pixels.dtype)

    repaint(site.folder / row["image"], again, to=site.folder / path, key=path)
    for rows in site.tables.values():
        for at in [n for n, cells in enumerate(rows) if old in cells.values()][::-1]:
            rows.insert(at + 1, {name: cell.replace(old, new) for name, cell in rows[at].items()})
    site.truth.insert(site.truth.index(row) + 1, row | {"image_id": new, "image": path})
    return planted(quirk, row, file=path, detail=f"image {new} is the same view again, {SHIFT_PX} rows lower")


def contradictory_labels(quirk: str, site: Site) -> Planted:
    """A breast with cancer on one view and none on the other."""
    row = site.pick(quirk, lambda row: row["malignant"] == "1")
    _case(site, "train.csv", row)["cancer"] = "0"
    row["malignant"] = "0"
    return planted(quirk, row, file="", detail="cancer is 0 on this view and 1 on the other of the breast")


def wrong_side_in_table(quirk: str, site: Site) -> Planted:
    """The table names the other breast; the label stays with the picture."""
    row = site.pick(quirk, lambda row: row["lesion_id"] == "")
    stated = "R" if row["laterality"] == "L" else "L"
    _case(site, "train.csv", row)["laterality"] = stated
    return planted(quirk, row, file="", detail=f"the table says {stated}, the picture shows {row['laterality']}")


def age_conflict(quirk: str, site: Site) -> Planted:
    """Two ages in one examination."""
    row = site.pick(quirk)
    case = _case(site, "train.csv", row)
    case["age"] = str(int(case["age"]) + 7)
    return planted(quirk, row, file="", detail=f"age {case['age']} here, {row['age_years']} on her other pictures")


def density_conflict(quirk: str, site: Site) -> Planted:
    """Two densities in one examination."""
    row = site.pick(quirk)
    stated = OTHER_DENSITY[row["density"]]
    for name in ("breast-level_annotations.csv", "finding_annotations.csv"):
        _case(site, name, row)["breast_density"] = f"DENSITY {stated}"
    return planted(quirk, row, file="", detail=f"density {stated} here, {row['density']} on her other pictures")


def patient_on_both_sides(quirk: str, site: Site) -> Planted:
    """One picture of an examination is listed in the test part, the others in training."""
    row = site.pick(quirk, lambda row: row["part"] == "train")
    for name in ("breast-level_annotations.csv", "finding_annotations.csv"):
        _case(site, name, row)["split"] = "test"
    row["part"] = "test"
    return planted(quirk, row, file="", detail=f"{image_of(row)} is listed in test, her other pictures in training")


def mixed_labels_in_a_view(quirk: str, site: Site) -> Planted:
    """A malignant film with a second row, benign."""
    row = site.pick(quirk, lambda row: row["malignant"] == "1")
    rows = site.tables["Info.txt"]
    at = next(n for n, cells in enumerate(rows) if cells["line"].startswith(f"{row['image_id']} "))
    tissue = rows[at]["line"].split()[1]
    rows.insert(at + 1, {"line": f"{row['image_id']} {tissue} CIRC B 512 512 20"})
    return planted(quirk, row, file="", detail="a second finding, benign, is listed; nothing is drawn for it")


OF_RSNA: dict[str, Plant] = {
    "same-view-twice": same_view_twice,
    "contradictory-labels": contradictory_labels,
    "wrong-side-in-table": wrong_side_in_table,
    "age-conflict": age_conflict,
}
OF_VINDR: dict[str, Plant] = {
    "same-view-twice": same_view_twice,
    "patient-on-both-sides": patient_on_both_sides,
    "density-conflict": density_conflict,
}
OF_MIAS: dict[str, Plant] = {"mixed-labels-in-a-view": mixed_labels_in_a_view}


def _case(site: Site, name: str, row: Cells) -> Cells:
    """The row of a table that stands for a row of the truth."""
    return next(cells for cells in site.tables[name] if cells["image_id"] == row["image_id"])
