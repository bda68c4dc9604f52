"""An audit names what is missing, broken, contradictory or too small, and is quiet about what is sound."""

import io
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage
from sklearn.metrics import roc_auc_score

from mammoscope.cohort import (
    Findings,
    OfficialRawSplit,
    OfficialRepairedSplit,
    RatioSplit,
    auc_half_width,
    audit,
    cohort_summary,
    split,
)
from mammoscope.errors import ImageError
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.sources import MINI_MIAS, RSNA, build_index
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, Part, View

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
ONE = Record(source="own", patient_id="p", image_id="a", path="a.png", malignant=False)


def index(root: Path, *records: Record) -> Index:
    return index_of(records, roots={"own": root})


def checks(found: Findings, *severities: str) -> list[str]:
    return found.table.filter(pl.col("severity").is_in(severities))["check"].to_list() if severities else []


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format=kind)
    return buffer.getvalue()


def dicom(*, compressed: bool = False) -> bytes:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless if compressed else ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.Rows, file.Columns = PIXELS.shape
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation, file.SamplesPerPixel = 7, 0, 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.PixelData = encapsulate([b"x" * 600]) if compressed else PIXELS.tobytes()
    file["PixelData"].VR = "OB"
    buffer = io.BytesIO()
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


WHOLE = {
    "a.png": picture("PNG"),
    "a.jpg": picture("JPEG"),
    "a.pgm": b"P5\n# film\n30 20\n255\n" + PIXELS.tobytes(),
    "a.dcm": dicom(),
    "b.dcm": dicom(compressed=True),
}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_whole_file_is_sound_and_half_of_it_is_truncated(tmp_path: Path, name: str) -> None:
    record = replace(ONE, path=name)
    (tmp_path / name).write_bytes(WHOLE[name])
    sound = audit(index(tmp_path, record))
    (tmp_path / name).write_bytes(WHOLE[name][:-100])
    cut = audit(index(tmp_path, record))

    assert checks(sound, "error") == []
    assert checks(cut, "error") == ["truncated-file"]
    assert f"own/a: {name} is" in cut.table["message"][0]


@pytest.fixture
def usual_depth() -> Iterator[None]:
    """Python's own limit of recursion, which other libraries raise for the whole process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("usual_depth")
def test_a_header_that_nests_without_end_is_a_finding(tmp_path: Path) -> None:
    level = bytes.fromhex("54002002 5351 0000 ffffffff feff00e0 ffffffff")
    whole = dicom()
    (tmp_path / "a.dcm").write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")] + level * 3000)

    found = audit(index(tmp_path, replace(ONE, path="a.dcm")))

    assert checks(found, "error") == ["unreadable-file"]
    assert "(implausible)" in str(found)


def test_a_header_that_ends_early_is_truncated(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom()[:200])

    assert checks(audit(index(tmp_path, replace(ONE, path="a.dcm"))), "error") == ["truncated-file"]


@pytest.mark.parametrize(
    ("content", "severity", "check", "words"),
    [
        (None, "error", "missing-file", "is not there. Download it"),
        (b"", "error", "empty-file", "has no bytes"),
        (b"<html>not found</html>", "error", "wrong-format", "does not begin like PNG"),
        (WHOLE["a.jpg"], "warning", "wrong-format", "holds JPEG. Rename it"),
    ],
)
def test_a_file_that_is_no_picture_is_named(
    tmp_path: Path, content: bytes | None, severity: str, check: str, words: str
) -> None:
    (tmp_path / "b.png").write_bytes(WHOLE["a.png"])
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)

    found = audit(index(tmp_path, ONE, replace(ONE, image_id="b", path="b.png")))

    (row,) = found.table.filter(pl.col("image_id").is_not_null()).to_dicts()
    assert (row["severity"], row["check"], row["image_id"], row["patient_id"]) == (severity, check, "a", "p")
    assert words in row["message"]
    assert str(tmp_path) not in row["message"]


def test_a_folder_without_any_of_the_files_is_one_finding(tmp_path: Path) -> None:
    records = [replace(ONE, image_id=str(n), path=f"deep/{n}.png") for n in range(5)]

    found = audit(index(tmp_path, *records))

    assert found.counts["error"] == 1
    assert "none of its 5 files is in" in found.table["message"][0]


def test_a_reader_that_is_handed_in_sees_only_whole_files_and_its_refusals_are_findings(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(WHOLE["a.png"])
    (tmp_path / "b.png").write_bytes(b"")
    seen = []

    def reader(path: Path) -> None:
        seen.append(path.name)
        raise ImageError("a.png: no breast in it", code="blank")

    found = audit(index(tmp_path, ONE, replace(ONE, image_id="b", path="b.png")), reader=reader)

    assert seen == ["a.png"]
    assert checks(found, "error") == ["empty-file", "unreadable-file"]
    assert "(blank): a.png: no breast in it" in found.table["message"][1]


@pytest.mark.parametrize(("patient", "severity"), [("p", "warning"), ("q", "error")])
def test_the_same_bytes_under_two_ids_are_found_on_request(tmp_path: Path, patient: str, severity: str) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(WHOLE["a.png"])
    two = index(tmp_path, ONE, replace(ONE, image_id="b", path="b.png", patient_id=patient))

    found = audit(two, duplicates=True)

    assert checks(audit(two), "error") == []
    assert {"p": "same-bytes", "q": "same-bytes-patients"}[patient] in checks(found, severity)
    assert "b.png is byte for byte a of patient p" in " ".join(found.table["message"])


def test_missing_masks_are_counted_and_not_laid_to_the_images(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(WHOLE["a.png"])
    (tmp_path / "a.png").write_bytes(WHOLE["a.png"])
    records = [replace(ONE, lesion_id=str(n), mask_path=name) for n, name in enumerate(["m.png", "x/n.png"])]

    found = audit(index(tmp_path, *records))

    assert "missing-masks" in checks(found, "warning")
    assert "own/a: n.png is not there: the mask of lesion 1. Whole images need none" in found.table["message"]


def test_many_missing_crops_are_one_finding(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(WHOLE["a.png"])
    records = [replace(ONE, lesion_id=str(n), crop_path=f"x/{n}.png") for n in range(9)]

    found = audit(index(tmp_path, *records))

    assert "9 of 9 lesion crops are not there, the first is 0.png in x" in " ".join(found.table["message"])


def test_files_are_left_alone_on_request(tmp_path: Path) -> None:
    assert checks(audit(index(tmp_path, ONE), files=False), "error") == []


def four_views() -> list[Record]:
    views = [(side, view) for side in Laterality for view in (View.CC, View.MLO)]
    return [
        replace(ONE, image_id=f"{n}", path=f"{n}.png", laterality=side, view=view)
        for n, (side, view) in enumerate(views)
    ]


def test_contradictory_labels_of_one_breast_are_named(tmp_path: Path) -> None:
    records = four_views()
    records[0] = replace(records[0], malignant=True)

    found = audit(index(tmp_path, *records), files=False)

    (row,) = found.table.filter(pl.col("check") == "contradictory-labels").to_dicts()
    assert (row["severity"], row["patient_id"]) == ("warning", "p")
    assert "own/p L: malignant on one picture of the breast and not on another: 1, 0" in row["message"]


def test_agreeing_breasts_are_no_contradiction(tmp_path: Path) -> None:
    records = [replace(record, malignant=record.laterality is Laterality.LEFT) for record in four_views()]

    found = audit(index(tmp_path, *records), files=False)

    assert "contradictory-labels" not in found.table["check"]
    assert "same-view-twice" not in found.table["check"]


def test_what_a_reader_of_the_result_should_know_is_noted(tmp_path: Path) -> None:
    records = [
        replace(ONE, malignant=None),
        replace(ONE, image_id="b", path="b.png", density=Density.A, implant=True, label_origin=LabelOrigin.BIOPSY),
        replace(ONE, image_id="c", path="c.png", label_origin=LabelOrigin.READER),
        *(replace(record, image_id=f"{record.image_id}.{n}", path=f"{record.image_id}.{n}.png")
          for n in range(2) for record in four_views()[:1]),
    ]  # fmt: skip

    found = audit(index(tmp_path, *records), files=False)

    said = dict(found.table.select("check", "message").rows())
    assert "own: 1 of 5 images do not say malignant or not" in said["unknown-label"]
    assert "biopsy 1, reader 1" in said["label-origin"]
    assert "1 images of 1 patients show an implant" in said["implants"]
    assert "the columns density were filled in by a radiologist" in said["reader-columns"]
    assert "own: 1 views were taken more than once" in said["same-view-twice"]


def on_both_sides(root: Path) -> Index:
    records = [
        replace(
            ONE,
            patient_id=f"p{n}",
            image_id=f"{n}.{m}",
            path=f"{n}.{m}.png",
            malignant=n % 2 == 0,
            official_part=Part.TEST if n > 8 or (n == 0 and m) else Part.TRAIN,
        )
        for n in range(14)
        for m in range(2)
    ]
    return index(root, *records)


def test_a_leak_of_the_published_split_is_a_warning_and_in_the_split_used_an_error(tmp_path: Path) -> None:
    both = on_both_sides(tmp_path)
    images = image_table(both)

    plain = audit(both, files=False)
    raw = audit(both, split=split(images, OfficialRawSplit(), seed=0), files=False)
    repaired = audit(both, split=split(images, OfficialRepairedSplit(), seed=0), files=False)

    assert "official-leak" in checks(plain, "warning")
    assert checks(raw, "error") == ["split-leak"]
    assert "own/p0: is in test and train" in raw.table["message"][0]
    assert repaired.counts["error"] == 0
    assert "official-leak" in checks(repaired, "note")


def test_each_part_states_its_balance_and_a_small_test_its_width(tmp_path: Path) -> None:
    both = on_both_sides(tmp_path)

    found = audit(both, split=split(image_table(both), RatioSplit(), seed=0), files=False)

    balance = found.table.filter(pl.col("check") == "class-balance")["message"].to_list()
    assert [message.split(":")[0] for message in balance] == ["test", "train", "tune"]
    assert "few-patients" in checks(found, "warning")


def test_findings_come_worst_first_and_json_holds_them(tmp_path: Path) -> None:
    found = audit(on_both_sides(tmp_path))

    stored = json.loads(json.dumps(found.as_json()))

    ranks = [["error", "warning", "note"].index(row["severity"]) for row in stored["findings"]]
    assert ranks == sorted(ranks)
    assert set(stored["findings"][0]) == {"severity", "check", "source", "image_id", "patient_id", "message"}
    assert sum(stored["counts"].values()) == len(ranks)


def test_the_order_of_the_rows_does_not_change_the_findings(tmp_path: Path) -> None:
    both = on_both_sides(tmp_path)

    turned = audit(Index(table=both.table.reverse(), roots=both.roots), files=False)

    assert turned.table.equals(audit(both, files=False).table)


def test_the_foretold_width_is_that_of_simulated_scores() -> None:
    generator = np.random.default_rng(1)
    labels = np.repeat([1, 0], [40, 60])
    rate = 0.8 / (1 - 0.8)  # exponential scores with this ratio of means have an AUC of 0.8
    areas = [roc_auc_score(labels, generator.exponential(np.where(labels == 1, rate, 1.0))) for _ in range(600)]

    assert np.mean(areas) == pytest.approx(0.8, abs=0.01)
    assert auc_half_width(0.8, positives=40, negatives=60) == pytest.approx(1.96 * np.std(areas), rel=0.1)


def test_without_one_of_the_classes_there_is_no_width() -> None:
    assert math.isinf(auc_half_width(0.8, positives=0, negatives=9))


def test_a_summary_counts_by_part_and_keeps_unknown_apart(tmp_path: Path) -> None:
    records = four_views()
    records[0] = replace(records[0], malignant=None, density=Density.B, age_years=40.0)
    images = image_table(index(tmp_path, *[replace(r, age_years=40.0, machine_id="m") for r in records]))
    cohort = images.with_columns(pl.Series("part", ["train", "train", "test", "test"]))

    summary = cohort_summary(cohort)

    assert sorted(summary) == ["all", "test", "train"]
    every, train = summary["all"], summary["train"]
    assert (every["patients"], every["breasts"], every["images"]) == (1, 2, 4)
    assert (train["malignant"], train["not_malignant"], train["unknown"]) == (0, 1, 1)
    assert every["density"] == {"B": 1, "unknown": 3}
    assert every["view"] == {"CC": 2, "MLO": 2}
    assert every["machine_id"] == {"m": 4}
    assert every["age_years"]["median"] == 40.0
    assert "tissue" not in every
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.data
def test_the_audit_of_real_folders_names_the_one_missing_file_and_no_sound_one(real_data: Path) -> None:
    dicoms = audit(build_index(RSNA, real_data / "rsna_dicom"))
    jpegs = audit(build_index(RSNA, real_data / "rsna_jpeg640"))
    films = audit(build_index(MINI_MIAS, real_data / "mini_mias"))

    assert dicoms.table.filter(pl.col("severity") == "error")["image_id"].to_list() == ["1459541791"]
    assert jpegs.counts["error"] == 0
    assert set(checks(films, "error")) == {"missing-file"}
    assert films.counts["error"] == 172
