"""Tomosynthesis on the command line: each slice of a volume is told, drawn and scored by itself, or a slab as one."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import BundleError
from mammoscope.images import Preprocess, read_slices
from mammoscope.images.folder import Found
from mammoscope.images.picture import MAX_FRAMES
from mammoscope.images.volumes import find_slices
from mammoscope.models import Bundle, Manifest, SimpleCnn, build, load_bundle, predict_files, prediction
from planted import half_disc, mammogram_file

SMALL = Preprocess(rows=48, cols=32)
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"


def volume(path: Path, *, slices: int = 3) -> Path:
    """Half discs that grow from slice to slice."""
    stacked = np.concatenate([half_disc(120, 100, 30 + 10 * number) for number in range(slices)])
    return mammogram_file(path, stacked, Rows=120, NumberOfFrames=slices, SOPClassUID=TOMOSYNTHESIS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume, a picture, and a volume that ends in its last but one slice."""
    named = tmp_path / "named"
    named.mkdir()
    volume(named / "a.dcm")
    mammogram_file(named / "b.dcm", half_disc(120, 100, 40))
    whole = volume(named / "c.dcm").read_bytes()
    (named / "c.dcm").write_bytes(whole[: -120 * 100 * 2 - 1000])
    return named


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    manifest = Manifest(name="tiny", meaning="m", model=SimpleCnn(channels=(4, 8)), preprocess=SMALL, threshold=0.5)
    Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval()).save_pretrained(tmp_path / "bundle")
    return tmp_path / "bundle"


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [*map(str, words)])


def test_a_volume_is_its_slices_and_every_other_file_itself(folder: Path) -> None:
    files = [folder / "a.dcm", folder / "b.dcm", folder / "gone.dcm"]
    found = find_slices([Found(path=file, name=file.name) for file in files], preprocess=SMALL)

    assert [one.label for one in found] == ["a.dcm slice 1", "a.dcm slice 2", "a.dcm slice 3", "b.dcm", "gone.dcm"]


def test_a_header_that_claims_slices_without_end_is_refused(folder: Path, bundle: Path) -> None:
    dataset = dcmread(folder / "a.dcm")
    dataset.NumberOfFrames = MAX_FRAMES + 1
    dcmwrite(folder / "a.dcm", dataset)

    rows = predict_files(load_bundle(bundle), [folder / "a.dcm"], slices=True, workers=0)

    assert [(row["slice"], row["code"]) for row in rows] == [(1, "implausible")]
    assert "claims 2,001 slices, and at most 2,000 are read" in rows[0]["message"]


def test_a_volume_that_is_refused_is_one_row(folder: Path, bundle: Path) -> None:
    dataset = dcmread(folder / "a.dcm")
    dataset.Modality = "CT"
    dcmwrite(folder / "a.dcm", dataset)

    rows = predict_files(load_bundle(bundle), [folder / "a.dcm", folder / "c.dcm"], slices=True, workers=0)

    assert [(row["file"], row["code"]) for row in rows] == [("a.dcm", "refused"), ("c.dcm", "truncated")]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can be opened and not read")
def test_a_file_that_cannot_be_read_is_no_fault_of_the_program(bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = predict_files(load_bundle(bundle), [Path("/proc/self/mem")], slices=True, workers=0)

    assert [row["code"] for row in rows] == ["unreadable"]
    assert caplog.text == ""


def test_each_slice_has_the_score_of_that_slice_alone(folder: Path, bundle: Path) -> None:
    rows = predict_files(load_bundle(bundle), [folder], slices=True, workers=0)
    alone = load_bundle(bundle).predict(list(read_slices(folder / "a.dcm", preprocess=SMALL)))

    assert [(row["file"], row["slice"], row["code"]) for row in rows] == [
        *(("a.dcm", number, None) for number in (1, 2, 3)),
        ("b.dcm", None, None),
        ("c.dcm", 1, "truncated"),
    ]
    np.testing.assert_allclose([row["score"] for row in rows[:3]], alone, rtol=0, atol=1e-6)
    assert len({row["score"] for row in rows[:3]}) == 3


def test_without_slices_a_volume_is_refused_and_says_what_to_do(folder: Path, bundle: Path) -> None:
    done = run("predict", bundle, folder / "a.dcm", "--workers", 0)

    assert done.exit_code == 1
    assert re.search(r"multi_frame +a\.dcm .*3 slices.*--slices", done.stderr)


def test_the_highest_slice_is_named_with_what_does_not_hold_for_it(folder: Path, bundle: Path) -> None:
    done = run("predict", bundle, folder / "a.dcm", folder / "b.dcm", "--slices", "--workers", 0)
    rows = json.loads(run("predict", bundle, folder / "a.dcm", "--slices", "--json", "--workers", 0).stdout)
    best = max(rows, key=lambda row: row["score"])

    assert done.exit_code == 0, done.output
    assert re.findall(r"a\.dcm slice \d  \[tomosynthesis\]", done.stdout) == [
        f"a.dcm slice {number}  [tomosynthesis]" for number in (1, 2, 3)
    ]
    assert f"a.dcm: highest {best['score']:.4f}, slice {best['slice']} of 3 that were scored" in done.stderr
    assert "hold for single pictures, not for the highest of many" in done.stderr
    assert "b.dcm: highest" not in done.stderr


def test_volumes_of_one_name_are_volumes_apart(folder: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    volume(tmp_path / "other" / "a.dcm", slices=4)

    done = run(
        "predict", bundle, folder / "a.dcm", tmp_path / "other" / "a.dcm", folder / "a.dcm", "--slices", "--workers", 0
    )

    assert re.findall(r"slice \d of (\d)", done.stderr) == ["3", "4", "3"]


def test_what_reads_for_predict_in_worker_processes_needs_no_torch(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch takes 250 MB of what a worker may have, and two seconds to start."""
    asked: list[Any] = []

    def noted(work: object, *_given: object, **_named: object) -> Iterator[object]:
        asked.append(work)
        return iter(())

    monkeypatch.setattr(prediction, "answers", noted)
    predict_files(load_bundle(bundle), [folder / "b.dcm"])
    told = f"import sys; import {asked[0].func.__module__}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", told], check=False).returncode == 0


def test_slices_of_an_exam_are_refused(folder: Path, tmp_path: Path) -> None:
    manifest = Manifest(name="pair", meaning="m", model=SimpleCnn(channels=(4, 8)), preprocess=SMALL, unit="breast")
    pair = Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval())

    with pytest.raises(BundleError, match="answers per breast, from its pictures together"):
        predict_files(pair, [folder], slices=True, workers=0)


def test_inspect_tells_and_draws_each_slice(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run("inspect", folder / "a.dcm", "--slices", "--size", 64)
    rows = json.loads(
        run("inspect", folder / "a.dcm", "--slices", "--json", "--out", out, "--size", 64, "--workers", 0).stdout
    )["files"]

    assert told.exit_code == 0, told.output
    assert [line.split("   ")[0] for line in told.stdout.splitlines() if line.startswith("a.dcm")] == [
        f"a.dcm slice {number}" for number in (1, 2, 3)
    ]
    assert [(row["file"], row["slice"], row["picture"]) for row in rows] == [
        ("a.dcm", number, f"a.dcm slice {number}.png") for number in (1, 2, 3)
    ]
    assert all((out / row["picture"]).stat().st_size for row in rows)
    assert "slice 2 of 3" in json.dumps(rows[1]["trail"])
    assert rows[0]["breast"]["share"] < rows[1]["breast"]["share"] < rows[2]["breast"]["share"]


@pytest.mark.parametrize(("slab", "told"), [("2", "slice 2 of 3"), ("1-3", "mean of slices 1 to 3 of 3")])
def test_inspect_reads_a_slab_as_one_picture(folder: Path, slab: str, told: str) -> None:
    done = run("inspect", folder / "a.dcm", "--slab", slab, "--workers", 0)

    assert done.exit_code == 0, done.output
    assert told in done.stdout


@pytest.mark.parametrize("slab", ["0", "3-2", "1-", "all", "1-2-3", "-1"])
def test_a_slab_that_is_none_is_refused_with_how_to_write_one(folder: Path, slab: str) -> None:
    done = run("inspect", folder / "a.dcm", f"--slab={slab}")

    assert done.exit_code == 2
    assert "such as 12 or 20-29" in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


def test_slab_and_slices_exclude_each_other(folder: Path) -> None:
    done = run("inspect", folder / "a.dcm", "--slab", "1-2", "--slices")

    assert done.exit_code == 2
    assert "choose one of them" in done.stderr
