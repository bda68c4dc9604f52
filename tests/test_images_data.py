"""The same path on real mammograms."""

import csv
import os
import time
from pathlib import Path

import numpy as np
import pytest

from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.vocabulary import Laterality

pytestmark = pytest.mark.data
SMALL = Preprocess(rows=64, cols=64)


def files_of(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    with (folder / "train.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    return [(folder / "train_images" / row["patient_id"] / f"{row['image_id']}.jpg", row) for row in rows]


def inverted(mammogram: Mammogram) -> bool:
    return any(step.name == "polarity" and "inverted" in step.detail for step in mammogram.trail)


def chest_on_the_left(mammogram: Mammogram) -> bool:
    return any("chest wall on the left" in step.detail for step in mammogram.trail)


def test_real_dicom_files_come_bright_on_black_with_the_chest_wall_left(real_data: Path) -> None:
    files = sorted((real_data / "rsna_dicom").rglob("*.dcm"))
    with (real_data / "rsna_dicom" / "train.csv").open(newline="") as table:
        side = {row["image_id"]: row["laterality"] for row in csv.DictReader(table)}

    for file in files:
        mammogram = read_mammogram(file)

        assert mammogram.laterality == side[file.stem]
        assert mammogram.pixels.min() == 0.0
        assert 0.5 < mammogram.pixels.max() <= 1.0
        assert mammogram.pixels[60:160, :8].mean() > 0.15
        assert mammogram.pixels[:, -40:].max() == 0.0
        assert mammogram.geometry.flipped is (side[file.stem] == "R")
    assert len(files) == 7


def test_polarity_and_side_are_right_on_real_jpegs(real_data: Path) -> None:
    """Every seventh picture, so that the test stays quick; MAMMOSCOPE_STRIDE=1 takes all."""
    stride = int(os.environ.get("MAMMOSCOPE_STRIDE", "7"))
    files = files_of(real_data / "rsna_jpeg640")[::stride]
    wrong_polarity, against_label = [], []

    for file, row in files:
        mammogram = read_mammogram(file, preprocess=SMALL)
        if inverted(mammogram) != (row["machine_id"] in {"29", "210"}):
            wrong_polarity.append(file.stem)
        if row["machine_id"] != "49" and chest_on_the_left(mammogram) != (row["laterality"] == "L"):
            against_label.append(file.stem)

    assert len(files) > 300
    assert wrong_polarity == []
    assert len(against_label) <= 3  # one woman of machine 29 is shown mirrored; machine 49 mirrors as it likes


def test_the_side_of_films_is_told_by_their_outline(real_data: Path) -> None:
    files = sorted((real_data / "mini_mias").glob("*.png"))

    with_hint = without = 0
    for file in files:
        side = Laterality.LEFT if int(file.stem[-3:]) % 2 == 0 else Laterality.RIGHT
        without += chest_on_the_left(read_mammogram(file, preprocess=SMALL)) == (side is Laterality.LEFT)
        hinted = read_mammogram(file, preprocess=SMALL, laterality=side)
        with_hint += chest_on_the_left(hinted) == (side is Laterality.LEFT)
        assert not inverted(hinted)

    assert without >= 0.96 * len(files)
    assert with_hint >= 0.98 * len(files)


def test_a_large_file_and_a_small_one_are_read_in_time(real_data: Path) -> None:
    large = real_data / "rsna_dicom" / "train_images" / "10006" / "1864590858.dcm"
    small = files_of(real_data / "rsna_jpeg640")[0][0]

    def best_of_five(file: Path) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            read_mammogram(file)
            times.append(time.perf_counter() - start)
        return float(np.min(times))

    assert best_of_five(large) < 0.8
    assert best_of_five(small) < 0.1  # a loose bound: shape checks are on, and the machine may be shared
