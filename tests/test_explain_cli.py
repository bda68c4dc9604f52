"""`mammoscope explain` of files and of a run's lesions."""

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import BundleError
from mammoscope.explain import ExplainedExam, explain_exams, explain_files
from mammoscope.explain.exams import answer_words
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Manifest, SimpleCnn, build, predict_files
from mammoscope.records import Record, index_of, write_index
from mg_files import breast, mg, saved
from planted import picture


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three pictures, two of them with a box."""
    data, run = tmp_path / "data", tmp_path / "run"
    records, rows = [], []
    for n in range(3):
        picture(data / f"{n}.png", seed=n)
        box = {"lesion_x0": 15.0, "lesion_y0": 40.0, "lesion_x1": 40.0, "lesion_y1": 70.0} if n < 2 else {}
        about = {"source": "own", "patient_id": str(n), "image_id": str(n)}
        records.append(Record(**about, path=f"{n}.png", malignant=n == 0, **box))
        rows.append({**about, "part": "test", "label": int(n == 0), "score": 0.5, "laterality": "L", "view": "CC"})
    run.mkdir()
    write_index(index_of(records, roots={"own": data}), run / "index.parquet")
    pl.DataFrame(rows).write_parquet(run / "predictions.parquet")
    (run / "recipe.json").write_text(json.dumps({"name": "t"}))
    manifest = Manifest(
        name="t", meaning="m", model=SimpleCnn(channels=(4, 8)), preprocess=Preprocess(rows=48, cols=32)
    )
    Bundle(manifest=manifest, network=build(manifest.design, seed=0)).save_pretrained(run / "bundle")
    return run


def cli(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_files_become_pictures_and_arrays_on_their_own_pixels(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = (tmp_path / "data" / "0.png", tmp_path / "data" / "1.png")

    done = cli("explain", run / "bundle", *files, "--method", "smooth-grad", "--out", out, "--json")

    rows = json.loads(done.stdout)
    assert [row["file"] for row in rows] == ["0.png", "1.png"]
    for row in rows:
        array = np.load(out / row["array"])
        assert array.shape == (120, 80)
        assert cv2.imread(str(out / row["picture"])).std() > 5
        assert array[int(row["peak_px"][1]), int(row["peak_px"][0])] > 0.5


def test_a_file_that_cannot_be_read_is_named_and_nothing_is_drawn_for_it(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")

    done = cli("explain", run / "bundle", broken, "--out", tmp_path / "out")

    assert done.exit_code == 1
    assert "broken.png" in done.stderr
    assert not (tmp_path / "out").exists()


def test_files_of_a_bundle_of_lesions_are_crops_for_explain_as_for_predict(tmp_path: Path) -> None:
    picture(tmp_path / "crop.png", seed=4)
    manifest = Manifest(
        name="t", meaning="m", unit="lesion", model=SimpleCnn(channels=(4, 8)), preprocess=Preprocess(rows=48, cols=32)
    )
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))

    found = next(explain_files(bundle, [tmp_path / "crop.png"]))
    row = predict_files(bundle, [tmp_path / "crop.png"], workers=0)[0]

    assert found.scores is not None
    assert found.scores["yes"] == pytest.approx(row["score"], abs=1e-9)
    drawn = found.laid()
    assert drawn is not None
    rows, cols = drawn.anatomy.pixels.shape
    assert cols / rows == pytest.approx(80 / 120, abs=0.01)  # the whole file, not the breast in it


def test_maps_of_a_control_say_that_it_is_one(run: Path, tmp_path: Path) -> None:
    about = run / "bundle" / "bundle.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"recipe": {"permute_labels": 1}}))

    done = cli("explain", run / "bundle", tmp_path / "data" / "0.png", "--out", tmp_path / "out", "--json")

    assert "exchanged between patients" in json.loads(done.stdout)[0]["note"]


def test_a_bundle_without_files_is_told_what_is_missing(run: Path) -> None:
    done = cli("explain", run / "bundle")

    assert done.exit_code == 2
    assert "is a bundle. Give FILE" in " ".join(done.stderr.replace("│", " ").split())


def test_an_exam_in_the_working_folder_has_the_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "one exam" / "a.png", seed=1)
    manifest = Manifest(
        name="t", meaning="m", unit="exam", model=SimpleCnn(channels=(4, 8)), preprocess=Preprocess(rows=48, cols=32)
    )
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))
    monkeypatch.chdir(tmp_path / "one exam")

    assert predict_files(bundle, [Path("a.png")], workers=0)[0]["file"] == "one exam"
    explained = next(explain_exams(bundle, [Path("a.png")]))
    assert isinstance(explained, ExplainedExam)
    assert explained.name == "one exam"


def test_a_run_is_scored_beside_every_baseline(run: Path) -> None:
    done = cli("explain", "--run", run, "--score", "--method", "layer-cam", "--method", "smooth-grad")

    found = json.loads((run / "localisation.json").read_text())
    maps = {row["map"] for row in found["table"]}
    assert done.exit_code == 0
    assert "all, 2 pictures" in done.stdout
    assert maps == {
        *("layer-cam", "layer-cam, random weights", "smooth-grad", "smooth-grad, random weights"),
        *("centre", "brightness", "breast mask", "ceiling 12 x 8", "ceiling 48 x 32"),
    }
    assert {row["group"] for row in found["table"]} == {"all", "label: no", "label: yes"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain"], "give RUN, or BUNDLE and FILE"),
        (["explain", "RUN", "FILE", "--score"], "--score is of a run"),
    ],
)
def test_what_does_not_go_together_is_said(words: list[str], said: str) -> None:
    done = cli(*words)

    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_an_exam_whose_files_name_two_women_is_said_to_be_so(tmp_path: Path) -> None:
    for name, person in (("a", "X 1"), ("b", "X 2")):
        (tmp_path / name).mkdir()
        file = saved(mg(breast(), PatientID=person), tmp_path / name)
        (tmp_path / "both").mkdir(exist_ok=True)
        file.rename(tmp_path / "both" / f"{name}.dcm")
    manifest = Manifest(
        name="t", meaning="m", unit="exam", model=SimpleCnn(channels=(4, 8)), preprocess=Preprocess(rows=48, cols=32)
    )
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))

    (row,) = predict_files(bundle, [tmp_path / "both"], workers=0)
    (explained,) = explain_exams(bundle, [tmp_path / "both"])

    assert (row["code"], row["traits"][-1], row["files"]) == (None, "several-patients", ["a.dcm", "b.dcm"])
    assert "name 2 patients" in row["message"]
    assert "X 1" not in str(row)
    assert isinstance(explained, ExplainedExam)
    assert row["message"] in explained.notes


def test_a_score_and_a_threshold_that_differ_never_look_alike() -> None:
    manifest = Manifest(
        name="t", meaning="m", model=SimpleCnn(channels=(4,)), preprocess=Preprocess(rows=48, cols=32), threshold=0.4249
    )

    assert answer_words(manifest, {"no": 0.5779, "yes": 0.4221}, asked="yes") == (
        "malignant 0.4221, below the threshold 0.4249"
    )


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "data" / "0.png"

    bundle = Bundle.from_pretrained(run / "bundle")

    with pytest.raises(BundleError, match=r"no such layer\. It has stack, stack\.0"):
        next(explain_files(bundle, [file], layer="zzz"))
    with pytest.raises(BundleError, match=r"did you mean 'stack'\? It has"):
        next(explain_files(bundle, [file], layer="stak"))
