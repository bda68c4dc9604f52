"""The contact sheet of augmentation: it shows what training draws, in pictures and in words."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mammoscope.batches import PARAMETERS, Augment, Samples, apply, draw
from mammoscope.report import write_augmentations, write_report
from mammoscope.report.augmentations import EPOCHS, augmentation_figure, told

WANTED = Augment(flip_vertical=0.5, rotate_deg=10, shift=0.1, contrast=0.2, noise=0.02, artefacts=0.3, mixup=0.4)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    files = [tmp_path / f"{n}.npy" for n in range(5)]
    for n, file in enumerate(files):
        grey = np.random.default_rng(n).integers(20_000, 60_000, (48, 32)).astype(np.uint16)
        grey[:, 20:] = 0
        np.save(file, grey)
    return Samples(files=files, labels=np.zeros((5, 1), dtype=np.int64))


def of(**given: float) -> np.ndarray:
    return np.array([given.get(name, 0) for name in PARAMETERS], dtype=np.float32)


def test_the_sheet_shows_what_training_draws(samples: Samples, tmp_path: Path) -> None:
    write_augmentations(WANTED, samples=samples, seed=3, run=tmp_path)

    sheet = cv2.imread(str(tmp_path / "augmentations.png"), cv2.IMREAD_GRAYSCALE)
    high, wide = sheet.shape[0] // 3, sheet.shape[1] // (EPOCHS + 1)
    assert json.loads((tmp_path / "augmentations.json").read_text())["pictures"] == [0, 2, 4]
    pixels = torch.from_numpy(np.load(samples.files[2]).astype(np.float32) / 65535)[None, None]
    for epoch in range(EPOCHS):
        trained = apply(pixels, draw(WANTED, seed=3, epoch=epoch, samples=[2]), augment=WANTED)[0, 0].numpy()
        shown = sheet[high : 2 * high, (epoch + 1) * wide : (epoch + 2) * wide] / 255
        np.testing.assert_allclose(shown, cv2.resize(trained, (wide, high)), atol=0.01)


def test_the_report_shows_the_sheet_with_its_words(samples: Samples, tmp_path: Path) -> None:
    write_augmentations(WANTED, samples=samples, seed=3, run=tmp_path)

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert (tmp_path / "figures" / "augmentations.svg").is_file()
    for text in ("as prepared", "epoch 6", "turned", "Mixup (alpha 0.4)", "noise of 2.0% of full scale"):
        assert text in page


def test_a_recipe_without_changes_has_no_sheet(samples: Samples, tmp_path: Path) -> None:
    assert write_augmentations(Augment(mixup=0.2), samples=samples, seed=0, run=tmp_path) is None
    assert augmentation_figure(tmp_path) is None


@pytest.mark.parametrize("damage", ["augmentations.json", "augmentations.png"])
def test_a_damaged_sheet_is_left_out(samples: Samples, tmp_path: Path, damage: str) -> None:
    write_augmentations(WANTED, samples=samples, seed=3, run=tmp_path)
    (tmp_path / damage).write_bytes(b"{}")

    assert augmentation_figure(tmp_path) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "unchanged"),
        ({"angle": -8, "zoom": 0.05}, "turned \N{MINUS SIGN}8°, zoom 1.05"),
        ({"contrast": 0.001, "gamma": -0.1}, "gamma 0.90"),
        ({"flip_v": 1, "dust": 1, "cut_wide": 0.2, "cut_high": 0.3}, "flipped up-down, dust, cut-out"),
    ],
)
def test_words_say_what_was_drawn(given: dict[str, float], words: str) -> None:
    assert told(of(**given)) == words


@pytest.mark.parametrize("flips", [{}, {"flip_h": 1}, {"flip_v": 1}, {"flip_h": 1, "flip_v": 1}])
@pytest.mark.parametrize("shift", [{"shift_x": 0.25}, {"shift_x": -0.25}, {"shift_y": 0.25}, {"shift_y": -0.25}])
def test_the_direction_told_is_the_one_seen(flips: dict[str, float], shift: dict[str, float]) -> None:
    pixels = torch.zeros(1, 1, 40, 40)
    pixels[0, 0, 20, 20] = 1
    parameters = of(**flips, **shift)

    words = told(parameters)
    out = apply(pixels, parameters[None], augment=Augment())[0, 0].numpy()

    row, col = np.unravel_index(out.argmax(), out.shape)
    seen = {"right": col > 25, "left": col < 15, "down": row > 25, "up": row < 15}
    assert words.endswith(f"moved 25% {next(way for way, there in seen.items() if there)}")
