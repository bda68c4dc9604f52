"""Malformed DICOM through the guarded path: in time, in memory, with a code of the closed set, and discreet."""

import logging
from pathlib import Path

import numpy as np
import pytest

from malformed import FAMILIES, malformed, one
from malformed_base import (
    BIG,
    CANARY,
    CANARY_BORN,
    CODECS,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    changed,
    compressed,
    element,
    mammogram,
    part10,
    wrapped,
)
from malformed_sweep import LIMIT_S, Outcome, summed, swept
from mammoscope.errors import ImageError
from mammoscope.images import CODES, read_mammogram

SEED = 0
LIMIT_MB = 1536
EACH = 40  # of a family: 2,560 files; bench/malformed.py reads more
BUSY_S = 30  # on a machine that has other work; the 5 s are then measured on the clock of the processor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # all files are read once, by whichever test comes first


@pytest.fixture(scope="module")
def log() -> list[str]:
    return []


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, log: list[str]) -> list[Outcome]:
    """Of every file, read once for all the tests here."""

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.append(record.getMessage())

    kept = Kept(logging.NOTSET)
    logging.getLogger().addHandler(kept)
    try:
        return list(swept(malformed(SEED, each=EACH), tmp_path_factory.mktemp("malformed"), limit_s=BUSY_S))
    finally:
        logging.getLogger().removeHandler(kept)


def names(outcomes: list[Outcome]) -> list[str]:
    return [f"{outcome.name}: {outcome.code}: {outcome.said[-200:]}" for outcome in outcomes]


def test_no_file_is_lost_on_the_way(outcomes: list[Outcome]) -> None:
    assert len(outcomes) == len(FAMILIES) * EACH >= 2_500
    assert len({outcome.name for outcome in outcomes}) == len(outcomes)
    assert summed(outcomes)[-1].files == len(outcomes)


def test_every_outcome_is_a_mammogram_or_a_code(outcomes: list[Outcome]) -> None:
    assert names([outcome for outcome in outcomes if outcome.code not in {"read", *CODES}]) == []


def test_pixels_that_are_given_are_pixels(outcomes: list[Outcome]) -> None:
    assert names([outcome for outcome in outcomes if not outcome.sound]) == []
    assert sum(outcome.code == "read" for outcome in outcomes) > 100


def test_no_file_takes_over_five_seconds(outcomes: list[Outcome]) -> None:
    assert names([outcome for outcome in outcomes if outcome.code == "timeout" or outcome.busy_s > LIMIT_S]) == []


def test_no_worker_needs_over_one_and_a_half_gibibytes(outcomes: list[Outcome]) -> None:
    assert names([outcome for outcome in outcomes if outcome.peak_mb > LIMIT_MB]) == []


def test_no_name_and_no_birth_date_is_told(outcomes: list[Outcome], log: list[str]) -> None:
    assert names([outcome for outcome in outcomes if outcome.tells]) == []
    assert [text for text in log if CANARY in text.upper() or CANARY_BORN in text] == []


def test_a_seed_makes_the_same_bytes_again_and_another_makes_others() -> None:
    for family in FAMILIES:
        again, other = one(family, 1, seed=SEED), one(family, 1, seed=SEED + 1)
        assert again == one(family, 1, seed=SEED)
        assert again.name == other.name


def read_back(data: bytes, folder: Path) -> tuple[int, int]:
    file = folder / "sound.dcm"
    file.write_bytes(data)
    return read_mammogram(file).original_shape


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
def test_what_is_spoiled_was_sound_native(tmp_path: Path, syntax: str) -> None:
    elements = [each for each in mammogram(np.random.default_rng(1)) if each.vr != "SQ"]

    assert min(read_back(part10(elements, syntax=syntax), tmp_path)) >= 40


@pytest.mark.parametrize("codec", sorted(set(CODECS) - {"htj2k", "jpeg-extended"}))
def test_what_is_spoiled_was_sound_compressed(tmp_path: Path, codec: str) -> None:
    stream, header = compressed(CODECS[codec], 1)

    assert read_back(wrapped(stream, header, CODECS[codec]), tmp_path) == (96, 64)


def test_twelve_bit_extended_jpeg_and_damaged_high_throughput_blocks_are_refused(tmp_path: Path) -> None:
    for codec in ("htj2k", "jpeg-extended"):  # the first has plain blocks marked as High-Throughput
        stream, header = compressed(CODECS[codec], 0)
        with pytest.raises(ImageError) as refused:
            read_back(wrapped(stream, header, CODECS[codec]), tmp_path)
        assert refused.value.code in {"damaged", "unsupported_syntax", "unsupported_pixels"}


def test_a_birth_date_where_a_number_is_due_is_not_told(tmp_path: Path) -> None:
    samples = element("SamplesPerPixel", CANARY_BORN, vr="IS")

    with pytest.raises(ImageError) as refused:
        read_back(part10(changed(mammogram(np.random.default_rng(1)), samples)), tmp_path)

    assert refused.value.code == "damaged"
    assert CANARY_BORN not in str(refused.value)


@pytest.mark.parametrize(("keyword", "told"), [("WindowWidth", "was passed over"), ("RescaleSlope", "was ignored")])
def test_numbers_beyond_all_pictures_are_ignored_and_noted(tmp_path: Path, keyword: str, told: str) -> None:
    file = tmp_path / "huge.dcm"
    file.write_bytes(part10(changed(mammogram(np.random.default_rng(1)), element(keyword, "1e300"))))

    found = read_mammogram(file)

    assert any(step.name == "oddity" and told in step.detail for step in found.trail)
    assert found.pixels.max() - found.pixels.min() > 0.5


def test_indices_into_a_palette_are_not_grey_values(tmp_path: Path) -> None:
    palette = element("PhotometricInterpretation", "PALETTE COLOR")

    with pytest.raises(ImageError, match="a mammogram is grey") as refused:
        read_back(part10(changed(mammogram(np.random.default_rng(1)), palette)), tmp_path)

    assert refused.value.code == "colour"
