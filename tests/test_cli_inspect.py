"""`mammoscope inspect`: words for a few, a table and pages for many, JSON for programs; nothing about the patient."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mammoscope.cli import app, main
from mammoscope.images import Preprocess
from mammoscope.images.inspection import Inspected
from mammoscope.report import inspection as pages
from mammoscope.report.inspection import ContactSheets
from planted import half_disc, mammogram_file, picture

SECRETS = ("Surname", "Given", "19480229")


def inspected(*words: object) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, words), "--workers", "0"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DICOM file, a PNG, a DICOM file with an oddity, one that is broken."""
    named = tmp_path / "named"
    (named / "deep").mkdir(parents=True)
    mammogram_file(named / "a.dcm", half_disc(120, 100, 40), ImageLaterality="R")
    picture(named / "b.png")
    mammogram_file(named / "deep" / "c.dcm", half_disc(120, 100, 40), ImageLaterality="L")
    (named / "d.dcm").write_bytes(b"nothing like it")
    return named


def test_one_file_is_told_in_words_with_the_element_behind_each_decision(folder: Path) -> None:
    done = inspected(folder / "a.dcm", "--size", "96x64")

    assert done.exit_code == 0, done.output
    first, *lines = done.stdout.splitlines()
    assert first == "a.dcm   R MLO   1 x 2 mm   120 x 200 mm   120 x 100 -> 96 x 64 px"
    assert re.search(
        r"^  window +LINEAR, centre 2048, width 4096.* by Window Center \(0028,1050\)", "\n".join(lines), re.MULTILINE
    )
    assert re.search(r"^  laterality +R +by Image Laterality \(0020,0062\) = R$", "\n".join(lines), re.MULTILINE)
    assert max(map(len, lines)) <= 110
    assert all(line == line.rstrip() for line in lines)


def test_what_is_broken_is_a_code_and_the_others_are_told_all_the_same(folder: Path) -> None:
    done = inspected(folder / "d.dcm", folder / "a.dcm", folder / "gone.dcm")

    assert done.exit_code == 1
    assert re.search(r"^d\.dcm\n  not_an_image +neither DICOM nor", done.stdout)
    assert "\na.dcm   R MLO" in done.stdout
    assert re.search(r"^gone\.dcm\n  missing +there is no such file", done.stdout, re.MULTILINE)


def test_a_folder_is_a_table_a_page_and_pictures(folder: Path, tmp_path: Path) -> None:
    done = inspected(folder, "--out", tmp_path / "out", "--size", "64")

    assert done.exit_code == 1
    head, *rows = done.stdout.splitlines()
    assert head.split() == "side view size spacing stored as window chest odd traits code file".split()
    assert [row.split()[-1] for row in rows[:4]] == ["a.dcm", "b.png", "d.dcm", "deep/c.dcm"]
    assert rows[0].split()[:7] == ["R", "MLO", "120", "x", "100", "1", "x"]
    assert rows[2].split() == ["not_an_image", "d.dcm"]
    assert rows[4] == "4 files: 3 read, 1 of them with oddities; 1 failed (1 not_an_image)"
    assert rows[5].endswith("sheet.html")
    files = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert files == ["a.dcm.png", "b.png.png", "deep_c.dcm.png", "sheet.html"]
    page = (tmp_path / "out" / "sheet.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == page.count("<path d=") == 3
    assert "1 file of 4 cannot be read" in page
    assert 'href="deep_c.dcm.png"' in page
    assert "the picture is mirrored, or its side is wrong" in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_pictures_of_an_earlier_run_are_not_looked_at(folder: Path) -> None:
    first = inspected(folder, "--out", folder / "out", "--size", "64")
    second = inspected(folder, "--out", folder / "out", "--size", "64")

    assert second.stdout == first.stdout


@pytest.mark.parametrize(("option", "drawn"), [("--no-pictures", 0), ("--pictures", 3)])
def test_pictures_are_a_matter_of_choice(folder: Path, tmp_path: Path, option: str, drawn: int) -> None:
    inspected(folder, "--out", tmp_path / "out", "--size", "64", option)

    assert len(list((tmp_path / "out").glob("*.png"))) == drawn


def test_json_has_every_file_in_order(folder: Path) -> None:
    done = inspected(folder, folder / "gone.dcm", "--size", "64x48", "--json")

    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert answer["schema"] == "1"
    assert answer["preprocess"] == Preprocess(rows=64, cols=48).model_dump(mode="json")
    assert [row["file"] for row in answer["files"]] == ["a.dcm", "b.png", "d.dcm", "deep/c.dcm", "gone.dcm"]
    assert [row["code"] for row in answer["files"]] == [None, None, "not_an_image", None, "missing"]
    assert answer["counts"] == {"files": 5, "failed": 2, "codes": {"not_an_image": 1, "missing": 1}}
    assert answer["files"][0]["geometry"]["flipped"] is True
    assert answer["files"][3]["oddities"] == 1
    assert {"name", "detail", "cause"} == set(answer["files"][0]["trail"][0])


def test_nothing_tells_the_patient_or_the_place(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = [inspected(folder, "--out", out).stdout.replace(str(out), "")]
    told += [inspected(folder, "--json").stdout, inspected(folder / "a.dcm", folder / "d.dcm").stdout]

    written = [file.read_bytes() for file in out.iterdir()] + [text.encode() for text in told]

    assert [word for word in (*SECRETS, str(tmp_path)) for text in written if word.encode() in text] == []


def test_a_name_from_outside_is_neither_obeyed_nor_markup(tmp_path: Path) -> None:
    named = tmp_path / "named"
    picture(named / "red\x1b[31m<b>&.png")

    done = inspected(named, "--out", tmp_path / "out", "--size", "64")

    assert "\x1b" not in done.stdout
    assert "red?[31m<b>&.png" in done.stdout
    page = (tmp_path / "out" / "sheet.html").read_text(encoding="utf-8")
    assert "red?[31m&lt;b&gt;&amp;.png" in page
    assert "\x1b" not in page


def test_a_recipe_or_a_bundle_decides_how_files_are_read(folder: Path, tmp_path: Path) -> None:
    from mammoscope.models import Bundle, Manifest, SimpleCnn, build
    from mammoscope.training import find_recipe

    settings = Preprocess(rows=40, cols=32, margin=0.2)
    manifest = Manifest(name="tiny", meaning="malignant", model=SimpleCnn(channels=(4,)), preprocess=settings)
    Bundle(manifest=manifest, network=build(manifest.design, seed=0)).save_pretrained(tmp_path / "bundle")

    by_bundle = json.loads(inspected(folder / "a.dcm", "--bundle", tmp_path / "bundle", "--json").stdout)
    by_recipe = json.loads(inspected(folder / "a.dcm", "--recipe", "mias-resnet18", "--json").stdout)

    assert by_bundle["preprocess"] == settings.model_dump(mode="json")
    assert by_bundle["files"][0]["input"]["rows"] == 40
    assert by_recipe["preprocess"] == find_recipe("mias-resnet18").preprocess.model_dump(mode="json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "big"], "'big' is not a number of pixels"),
        (["--size", "8"], "8: rows: Input should be greater than or equal to 16"),
        (["--size", "64x9000"], "64x9000: cols"),
        (["--size", "64", "--recipe", "mias-resnet18"], "choose one of them"),
        (["--recipe", "no-such-recipe"], "no recipe 'no-such-recipe'"),
        (["--bundle", "gone"], "gone: is not a bundle"),
    ],
)
def test_misuse_is_a_sentence_and_exit_code_2(
    words: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mammoscope", "inspect", str(folder / "a.dcm"), *words])

    with pytest.raises(SystemExit) as stopped:
        main()

    assert stopped.value.code == 2
    assert said in " ".join(re.sub(r"[│╭╮╰╯─]", " ", capsys.readouterr().err).split())


def test_guarded_processes_answer_on_stdout_and_the_bar_is_on_stderr(folder: Path) -> None:
    code = "from mammoscope.cli import main; main()"
    command = [sys.executable, "-c", code, "inspect", str(folder), "--json", "--size", "64", "--workers", "2"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert [row["code"] for row in json.loads(done.stdout)["files"]] == [None, None, "not_an_image", None]
    assert "4/4" in done.stderr


def failed(number: int) -> Inspected:
    return Inspected(file=f"{number}.dcm", code="empty", message=f"{number}.dcm: has no bytes. Fetch the file again")


def sheets(out: Path, expected: int, **changes: Any) -> ContactSheets:
    return ContactSheets(out, title="t", settings=Preprocess(), source="--size 224", expected=expected, **changes)


def test_many_files_are_turned_over_to_further_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    made = sheets(tmp_path, 5)

    for number in range(5):
        made.add(failed(number))
    first = made.finish()

    texts = [(tmp_path / name).read_text(encoding="utf-8") for name in ("sheet.html", "sheet-2.html", "sheet-3.html")]
    assert first == tmp_path / "sheet.html"
    assert [re.findall(r'<figure id="f(\d)"', text) for text in texts] == [["1", "2"], ["3", "4"], ["5"]]
    assert all('href="sheet-3.html"' in text for text in texts[:2])
    assert 'href="sheet-2.html#f3">2.dcm<' in texts[0]
    assert "5 files of 5 cannot be read" in texts[0]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sheet-2.html", "sheet-3.html", "sheet.html"]


def test_a_page_of_nothing_is_a_page(tmp_path: Path) -> None:
    assert "Every file can be read" in sheets(tmp_path, 0).finish().read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [2, 4])
def test_as_many_files_as_fit_are_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    made = sheets(tmp_path, count)

    for number in range(count):
        made.add(failed(number))
    made.finish()

    assert len(list(tmp_path.iterdir())) == count // 2
