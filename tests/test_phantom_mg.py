"""Digital phantoms are sound DICOM mammograms, by the judgement of dciodvfy and of the reader."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.pixels import apply_windowing

from mammoscope.images import Preprocess, read_mammogram
from mammoscope.phantom import write_phantom
from mammoscope.phantom.machine import FLAT, INVERSE, STRONG, Machine, stored_values
from mammoscope.phantom.mg import Mammography, write_mammogram
from mammoscope.vocabulary import Laterality, View

GREY = np.zeros((96, 72), np.uint16)
GREY[10:80, :50] = np.linspace(4000, 63000, 50).astype(np.uint16)


def write(path: Path, machine: Machine, laterality: Laterality = Laterality.LEFT, view: View = View.CC) -> None:
    about = Mammography(
        patient_id="1",
        study_uid="2.25.1",
        series_uid="2.25.2",
        instance_uid="2.25.3",
        number=1,
        laterality=laterality,
        view=view,
        age_years=57,
        thickness_cm=5.1,
        spacing_mm=0.25,
    )
    write_mammogram(GREY, path, machine=machine, about=about)


@pytest.mark.parametrize("machine", [STRONG, FLAT, INVERSE], ids=lambda machine: machine.model)
@pytest.mark.parametrize("view", [View.CC, View.MLO])
def test_dciodvfy_finds_no_error(tmp_path: Path, machine: Machine, view: View) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    write(tmp_path / "1.dcm", machine, Laterality.RIGHT, view)

    run = subprocess.run([program, "-new", tmp_path / "1.dcm"], capture_output=True, text=True, check=False)

    lines = (run.stdout + run.stderr).splitlines()
    assert "MammographyImageForPresentation" in lines
    assert [line for line in lines if "Error" in line] == []


@pytest.mark.parametrize("machine", [STRONG, FLAT, INVERSE], ids=lambda machine: machine.model)
def test_the_first_window_shows_the_grey_that_was_drawn(tmp_path: Path, machine: Machine) -> None:
    write(tmp_path / "1.dcm", machine)
    header = dcmread(tmp_path / "1.dcm")

    shown = apply_windowing(header.pixel_array, header, index=0).astype(float)

    breast = GREY > 0
    highest = 2**machine.bits - 1
    wanted = GREY[breast] / 65535
    got = (highest - shown[breast]) / highest if machine.inverted else shown[breast] / highest
    np.testing.assert_allclose(got, wanted, atol=0.006)
    assert header.PresentationLUTShape == ("INVERSE" if machine.inverted else "IDENTITY")


def test_padding_stands_beside_the_breast_and_nowhere_else_is_the_window_left() -> None:
    stored = stored_values(GREY, machine=INVERSE)

    assert set(stored[GREY == 0].tolist()) == {3076}
    assert stored[GREY > 0].max() < 4096


@pytest.mark.parametrize("machine", [STRONG, FLAT, INVERSE], ids=lambda machine: machine.model)
def test_the_reader_sees_the_same_picture_whichever_machine_coded_it(tmp_path: Path, machine: Machine) -> None:
    write(tmp_path / "1.dcm", machine, Laterality.LEFT, View.MLO)

    whole = Preprocess(rows=96, cols=72, region="whole", flip="none", clear_background=False)
    found = read_mammogram(tmp_path / "1.dcm", preprocess=whole)

    assert (found.laterality, found.view) == ("L", "MLO")
    assert found.spacing_mm == pytest.approx((0.25, 0.25), rel=1e-3)
    assert found.pixels[90, 70] < 0.05
    assert found.pixels[40, 45] > found.pixels[40, 20] > found.pixels[40, 3]


def test_headers_name_nobody_and_no_vendor(tmp_path: Path) -> None:
    write_phantom(tmp_path / "p", layout="rsna", patients=2, rows=128)

    for path in (tmp_path / "p").rglob("*.dcm"):
        header = dcmread(path, stop_before_pixels=True)
        assert header.Manufacturer == "mammoscope phantom"
        assert str(header.PatientName).startswith("PHANTOM^")
        assert header.PatientBirthDate == ""
        assert header.BurnedInAnnotation == "NO"
        assert header.ViewCodeSequence[0].ViewModifierCodeSequence == []
