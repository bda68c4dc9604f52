"""Files and folders through the command line: pixels and validity stay, and no identifying value comes out anywhere."""

import csv
import json
import shutil
import stat
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    SecondaryCaptureImageStorage,
)
from typer.testing import CliRunner, Result

from mammoscope.cli import app
from mammoscope.deid import CODES, Dates, Flag, Key, Settings, deidentify, drawn_key
from mammoscope.deid.burned import header_suspicions, marks_outside, pixel_suspicions
from mammoscope.deid.job import LIMITS
from mammoscope.deid.reading import Refused, read_image
from mammoscope.dicom.parsing import quiet
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images import Limits, Preprocess, read_mammogram
from mammoscope.phantom.machine import STRONG
from mammoscope.phantom.mg import Mammography, write_mammogram
from mammoscope.vocabulary import Laterality, View

KEY = Key(secret=bytes(32))
GREY = np.zeros((192, 144), np.uint16)
GREY[20:160, :100] = np.linspace(4000, 63000, 100).astype(np.uint16)
CANARIES = (
    b"Familyname",
    b"Givenname",
    b"HOSP-0815",
    b"ACC4711",
    b"19310704",
    b"2.25.777",
    b"Clinicname",
    b"Privatename",
)


def plant(path: Path, *, patient: str = "HOSP-0815", instance: str = "2.25.7771", **more: object) -> Path:
    """A sound mammogram with canaries wherever a name may stand."""
    about = Mammography(
        patient_id=patient,
        study_uid="2.25.7779",
        series_uid="2.25.7778",
        instance_uid=instance,
        number=1,
        laterality=Laterality.LEFT,
        view=View.CC,
        age_years=61,
        thickness_cm=5.1,
        spacing_mm=0.25,
    )
    write_mammogram(GREY, path, machine=STRONG, about=about)
    found = pydicom.dcmread(path)
    found.PatientName, found.PatientBirthDate, found.AccessionNumber = "Familyname^Givenname", "19310704", "ACC4711"
    found.InstitutionName, found.StudyDescription = "Clinicname", "Familyname, seen by Clinicname"
    found.ReferringPhysicianName = "Privatename^Doctor"
    found.private_block(0x0019, "Privatename", create=True).add_new(1, "LO", "Familyname")
    request = Dataset()
    request.RequestedProcedureID, request.AccessionNumber = "HOSP-0815", "ACC4711"
    found.RequestAttributesSequence = Sequence([request])
    with quiet():
        for keyword, value in more.items():
            setattr(found, keyword, value)
        found.save_as(path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["deid", *map(str, arguments), "--workers", "0"])


def written(out: Path) -> list[Path]:
    return sorted(out.glob("*/*.dcm"))


@pytest.mark.parametrize("length", ["right", "absent", "too short"])
def test_a_deflate_bomb_is_refused_whatever_its_group_length_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr("mammoscope.dicom.parsing.MAX_INFLATED_BYTES", 1 << 20)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(bytes(1 << 24)) + squeeze.flush()
    meta = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    claimed = {"right": len(meta), "too short": 4}.get(length)
    group = b"" if claimed is None else b"\x02\x00\x00\x00UL\x04\x00" + claimed.to_bytes(4, "little")
    file = tmp_path / "Familyname.dcm"
    file.write_bytes(bytes(128) + b"DICM" + group + meta + body)

    with pytest.raises(Refused) as refused:
        read_image(file)

    assert (refused.value.code, refused.value.detail) == ("implausible", "inflates to more than 1,048,576 bytes")


def test_a_worker_may_not_take_more_than_the_limit_of_reading() -> None:
    assert LIMITS.memory_bytes == Limits().memory_bytes < 1536 << 20


def test_no_identifying_value_comes_out_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "in" / "Familyname").mkdir(parents=True)
    plant(tmp_path / "in" / "Familyname" / "Givenname.dcm", StudyDate="not a date, Familyname")
    (tmp_path / "in" / "Familyname.txt").write_text("HOSP-0815")

    done = run(tmp_path / "in", "--out", tmp_path / "out", "--key", tmp_path / "key")

    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert done.exit_code == 1  # the text file was refused
    assert len(written(tmp_path / "out")) == 1
    said = (done.output + done.stderr + caplog.text).encode()
    for content in (said, *(path.read_bytes() + str(path.relative_to(tmp_path)).encode() for path in files)):
        assert not [canary for canary in CANARIES if canary in content]


def test_the_result_reads_as_the_original_pixel_by_pixel(tmp_path: Path) -> None:
    original = plant(tmp_path / "1.dcm")
    before = original.read_bytes()

    assert run(original, "--out", tmp_path / "out", "--retain", "uids,device").exit_code in {0, 1}

    (result,) = written(tmp_path / "out")
    one, other = read_mammogram(original, preprocess=Preprocess()), read_mammogram(result, preprocess=Preprocess())
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert (one.laterality, one.view, one.spacing_mm) == (other.laterality, other.view, other.spacing_mm)
    assert pydicom.dcmread(original).PixelData == pydicom.dcmread(result).PixelData
    assert original.read_bytes() == before
    assert result.read_bytes()[:128] == bytes(128)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_encoding_of_the_header_is_kept_and_cleaned(tmp_path: Path, syntax: UID) -> None:
    original = plant(tmp_path / "1.dcm")
    found = pydicom.dcmread(original)
    values = found.pixel_array
    found.file_meta.TransferSyntaxUID = syntax
    found.PixelData = values.astype(">u2" if syntax == ExplicitVRBigEndian else "<u2").tobytes()
    assert list(found.iterall())  # decoded, to be encoded anew
    pydicom.dcmwrite(original, found, enforce_file_format=True)

    (outcome,) = deidentify([original], out=tmp_path / "out", key=KEY, workers=0).outcomes

    assert outcome.code is None
    result = pydicom.dcmread(tmp_path / "out" / str(outcome.output))
    assert result.file_meta.TransferSyntaxUID == syntax
    assert result.PatientID == KEY.pseudonym("HOSP-0815")
    np.testing.assert_array_equal(result.pixel_array, values)


@pytest.mark.parametrize("dates", list(Dates))
def test_dciodvfy_finds_no_more_errors_than_before(tmp_path: Path, dates: Dates) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    original = plant(tmp_path / "1.dcm")

    deidentify([original], out=tmp_path / "out", key=KEY, settings=Settings(dates=dates), workers=0)

    def errors(path: Path) -> list[str]:
        done = subprocess.run([program, "-new", path], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        assert "MammographyImageForPresentation" in lines
        return [line for line in lines if "Error" in line]

    assert errors(*written(tmp_path / "out")) == errors(original) == []


def test_it_goes_on_where_it_stopped_and_gives_the_same_bytes(tmp_path: Path) -> None:
    plant(tmp_path / "in" / "1.dcm")
    first = deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)
    before = {path: path.read_bytes() for path in written(tmp_path / "out")}
    plant(tmp_path / "in" / "2.dcm", instance="2.25.7772")

    second = deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)

    assert (len(first.outcomes), len(second.outcomes)) == (1, 2)
    assert len(written(tmp_path / "out")) == 2
    assert all(path.read_bytes() == content for path, content in before.items())
    assert {path.parent.name for path in written(tmp_path / "out")} == {KEY.pseudonym("HOSP-0815")}


def test_guarded_processes_give_what_this_one_gives(tmp_path: Path) -> None:
    plant(tmp_path / "in" / "1.dcm")
    plant(tmp_path / "in" / "2.dcm", patient="HOSP-0816", instance="2.25.7772")

    reports = [
        deidentify([tmp_path / "in"], out=tmp_path / str(workers), key=KEY, workers=workers) for workers in (0, 2)
    ]

    assert reports[0] == reports[1]
    assert [path.read_bytes() for path in written(tmp_path / "0")] == [p.read_bytes() for p in written(tmp_path / "2")]


def test_what_was_de_identified_before_can_be_again(tmp_path: Path) -> None:
    plant(tmp_path / "1.dcm", PatientName="ANONYMIZED", PatientID="Anonymized", InstitutionName="ANONYMIZED")
    deidentify([tmp_path / "1.dcm"], out=tmp_path / "once", key=KEY, workers=0)

    report = deidentify([tmp_path / "once"], out=tmp_path / "twice", key=KEY, workers=0)

    assert [one.code for one in report.outcomes] == [None, "not_dicom"]  # the picture, and the first report


def test_a_copy_is_told_from_another_file_of_the_same_uid(tmp_path: Path) -> None:
    plant(tmp_path / "in" / "1.dcm")
    shutil.copy(tmp_path / "in" / "1.dcm", tmp_path / "in" / "2.dcm")
    plant(tmp_path / "in" / "3.dcm", KVP="31")

    report = deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0).as_json()

    assert (report["inputs"], report["written"], report["copies"]) == (3, 1, 1)
    assert report["refused"]["inputs"] == [{"input": 3, "code": "same_instance", "detail": ""}]


def test_other_keys_settings_and_strange_folders_are_refused(tmp_path: Path) -> None:
    plant(tmp_path / "in" / "1.dcm")
    deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "a.txt").write_text("")

    with pytest.raises(RecipeError, match="out: was made with another key"):
        deidentify([tmp_path / "in"], out=tmp_path / "out", key=drawn_key(), workers=0)
    with pytest.raises(RecipeError, match="out: was made with other settings"):
        deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, settings=Settings(dates=Dates.KEEP), workers=0)
    with pytest.raises(RecipeError, match="strange: holds something else"):
        deidentify([tmp_path / "in"], out=tmp_path / "strange", key=KEY, workers=0)
    with pytest.raises(RecipeError, match="out: lies inside what is to be de-identified"):
        deidentify([tmp_path / "in"], out=tmp_path / "in" / "out", key=KEY, workers=0)
    with pytest.raises(RecipeError, match="given away"):
        deidentify([tmp_path / "in"], out=tmp_path / "new", key=KEY, table=tmp_path / "new" / "map.csv", workers=0)


def test_the_key_does_not_go_into_the_folder_that_is_given_away(tmp_path: Path) -> None:
    done = run(plant(tmp_path / "1.dcm"), "--out", tmp_path / "out", "--key", tmp_path / "out" / "key")

    assert isinstance(done.exception, RecipeError)
    assert not (tmp_path / "out").exists()


def test_the_table_is_for_its_owner_and_says_which_is_which(tmp_path: Path) -> None:
    original = plant(tmp_path / "1.dcm")

    run(
        original, tmp_path / "gone.dcm", "--out", tmp_path / "out", "--key", tmp_path / "key", "--map", tmp_path / "map"
    )

    rows = list(csv.DictReader((tmp_path / "map").read_text(encoding="utf-8").splitlines()))
    assert stat.S_IMODE((tmp_path / "map").stat().st_mode) == 0o600
    assert [row["refused"] for row in rows] == ["", "missing"]
    assert (rows[0]["path"], rows[0]["patient_id"]) == (str(original), "HOSP-0815")
    assert (tmp_path / "out" / rows[0]["output"]).is_file()


def test_the_report_counts_and_its_page_shows_the_same(tmp_path: Path) -> None:
    done = run(plant(tmp_path / "1.dcm"), "--out", tmp_path / "out", "--key", tmp_path / "key", "--json")

    said = json.loads(done.stdout)
    assert said == json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert said["key_fingerprint"] != (tmp_path / "key").read_text()[:12]
    assert {"tag": "(0010,0010)", "name": "Patient's Name", "deed": "pseudonym", "count": 1, "files": 1} in said[
        "elements"
    ]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(row["tag"] in page for row in said["elements"])
    assert "http" not in page.replace("http-equiv", "")


def report_document(path: Path) -> None:
    plant(path)
    found = pydicom.dcmread(path)
    found.ContentSequence = Sequence([Dataset()])
    found.save_as(path)


def no_picture(path: Path) -> None:
    plant(path)
    found = pydicom.dcmread(path)
    del found.PixelData
    found.save_as(path)


def no_uid(path: Path) -> None:
    plant(path)
    found = pydicom.dcmread(path)
    del found.SOPInstanceUID
    found.save_as(path)


def name_in_the_pixels(path: Path) -> None:
    """As a comment segment of a codestream may hold one."""
    plant(path)
    found = pydicom.dcmread(path)
    found.PixelData = b"\0\0HOSP-0815\0\0" + found.PixelData[13:]
    found.save_as(path)


def name_in_deflated_pixels(path: Path) -> None:
    name_in_the_pixels(path)
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    found.save_as(path)


def comment_in_a_codestream(path: Path) -> None:
    plant(path)
    found = pydicom.dcmread(path)
    found.file_meta.TransferSyntaxUID = JPEG2000Lossless
    found.PixelData = encapsulate([b"\xff\x4f\xff\x64\0\x10Familyname^Givenname\xff\xd9"])
    found["PixelData"].is_undefined_length = True
    found.save_as(path)


MAKERS = {
    "empty": lambda path: path.write_bytes(b""),
    "not_dicom": lambda path: path.write_bytes(b"HOSP-0815" * 100),
    "no_image": report_document,
}


@pytest.mark.parametrize(
    ("code", "make"),
    [
        *MAKERS.items(),
        ("no_image", no_picture),
        ("damaged", no_uid),
        ("identifying", name_in_the_pixels),
        ("identifying", name_in_deflated_pixels),
        ("identifying", comment_in_a_codestream),
    ],
)
def test_a_refused_file_has_a_code_and_leaves_nothing_behind(tmp_path: Path, code: str, make: object) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "1.dcm")  # type: ignore[operator]

    report = deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)

    assert [one.code for one in report.outcomes] == [code]
    assert code in CODES
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["report.json"]
    assert not [canary for canary in CANARIES if canary in (tmp_path / "out" / "report.json").read_bytes()]


@pytest.mark.parametrize("length", range(140, 3000, 131))
def test_a_file_that_ends_too_early_has_a_code_or_is_written(tmp_path: Path, length: int) -> None:
    content = plant(tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(content[:length])

    (outcome,) = deidentify([tmp_path / "cut.dcm"], out=tmp_path / "out", key=KEY, workers=0).outcomes

    assert outcome.code in {"damaged", "no_image", None}


def test_what_the_header_says_of_text_in_the_pixels_is_flagged() -> None:
    dataset = Dataset()
    dataset.BurnedInAnnotation = dataset.RecognizableVisualFeatures = "YES"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.add_new(0x60000102, "US", 12)

    assert {one.flag for one in header_suspicions(dataset)} == {Flag.SAYS_SO, Flag.FEATURES, Flag.CAPTURE, Flag.OVERLAY}
    assert header_suspicions(Dataset()) == ()


def test_letters_beside_the_breast_are_seen_and_a_bare_breast_is_not_flagged() -> None:
    rows, cols = np.mgrid[0:1024, 0:1024]
    bare = np.where(np.hypot(rows - 512, cols) < 400, 0.6, 0.02).astype(np.float32)
    lettered = bare.copy()
    lettered[60:90, 800:806] = lettered[84:90, 800:820] = 0.9  # an L

    assert marks_outside(bare) == []
    assert marks_outside(lettered) == [(800, 60, 820, 90)]


def test_pixels_that_cannot_be_read_are_not_checked(tmp_path: Path) -> None:
    comment_in_a_codestream(tmp_path / "1.dcm")

    (one,) = pixel_suspicions(tmp_path / "1.dcm")

    assert one.flag is Flag.NOT_CHECKED
    assert one.detail.startswith("the pixels were not read (")


@pytest.mark.data
def test_real_files_keep_their_pixels_and_most_markers_are_seen(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "rsna_dicom").rglob("*.dcm"))

    report = deidentify(files, out=tmp_path / "out", key=KEY, workers=0)

    assert report.refused == ()
    for file, outcome in zip(files, report.outcomes, strict=True):
        assert pydicom.dcmread(file).PixelData == pydicom.dcmread(tmp_path / "out" / str(outcome.output)).PixelData
    lettered = {n for n, file in enumerate(files) if file.parent.name == "10011"}  # all four show a marker in letters
    assert lettered <= {n for n, one in enumerate(report.outcomes) if one.suspicions}


def test_a_name_of_a_file_that_is_no_text_stands_in_the_table_as_its_bytes(tmp_path: Path) -> None:
    """Archives hold names in old encodings. One of them once ended a run after its last file, without a table."""
    strange = plant(tmp_path / "in" / "a.dcm").rename(tmp_path / "in" / "m\udcfcller.dcm")

    deidentify([strange], out=tmp_path / "out", key=KEY, table=tmp_path / "map.csv", workers=0)

    rows = list(csv.DictReader((tmp_path / "map.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0]["path"].endswith(r"m\udcfcller.dcm")


def test_the_command_accounts_for_every_input(tmp_path: Path) -> None:
    """Copies were once in no line: of three inputs, one was written, one refused, and one was nowhere."""
    plant(tmp_path / "in" / "1.dcm")
    shutil.copy(tmp_path / "in" / "1.dcm", tmp_path / "in" / "2.dcm")
    plant(tmp_path / "in" / "3.dcm", KVP="31")

    told = CliRunner().invoke(app, ["deid", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "0"])

    assert "1 of 3 files written" in told.output
    assert "copies        1  equal to a file that was written already" in told.output
    assert "refused       1  same_instance" in told.output


def test_linked_folders_and_looping_links_are_accounted_for(tmp_path: Path) -> None:
    plant(tmp_path / "far" / "1.dcm")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "loop").symlink_to("loop")

    report = deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)

    assert [one.code for one in report.outcomes] == [None, "unreadable"]


def test_a_folder_without_files_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    with pytest.raises(SourceError, match="there is no file"):
        deidentify([tmp_path / "in"], out=tmp_path / "out", key=KEY, workers=0)


def test_another_run_into_the_same_folder_loses_no_report_and_no_row(tmp_path: Path) -> None:
    """The second run once wrote its report and its table over those of the first."""
    out, table = tmp_path / "out", tmp_path / "map.csv"
    plant(tmp_path / "a" / "1.dcm")
    plant(tmp_path / "b" / "2.dcm", patient="HOSP-0816", instance="2.25.7772")

    for folder in ("a", "a", "b", "b", "a"):
        deidentify([tmp_path / folder], out=out, key=KEY, table=table, workers=0)

    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    kept = [json.loads((out / name).read_text()) for name in ("report-1.json", "report-2.json", "report.json")]
    assert [(row["run"], row["patient_id"]) for row in rows] == [
        ("1", "HOSP-0815"),
        ("2", "HOSP-0816"),
        ("3", "HOSP-0815"),
    ]
    assert [one["written"] for one in kept] == [1, 1, 1]
    assert kept[0]["inputs_fingerprint"] == kept[2]["inputs_fingerprint"] != kept[1]["inputs_fingerprint"]
    assert not (out / "report-3.json").exists()


def test_the_page_of_earlier_inputs_is_kept_beside_its_report(tmp_path: Path) -> None:
    for name in ("1", "2"):
        run(
            plant(tmp_path / f"{name}.dcm", instance=f"2.25.777{name}"),
            "--out",
            tmp_path / "out",
            "--key",
            tmp_path / "k",
        )

    found = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file())
    assert found == ["report-1.html", "report-1.json", "report.html", "report.json"]


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "my notes", "run,input,path,patient_id,output,pseudonym,refused\n1,2\n"]
)
def test_a_file_that_is_no_table_of_this_command_is_not_written_to(tmp_path: Path, text: str) -> None:
    original, table = plant(tmp_path / "1.dcm"), tmp_path / "map.csv"
    table.write_text(text)

    with pytest.raises(RecipeError, match=r"map\.csv: holds something else"):
        deidentify([original], out=tmp_path / "out", key=KEY, table=table, workers=0)

    assert table.read_text() == text
    assert not (tmp_path / "out").exists()
