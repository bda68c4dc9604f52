"""A run's gallery, and sheets of breasts and exams from files and from runs."""

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.explain import Explained, explain_exams, explain_files, explain_predictions, view_weights
from mammoscope.explain.again import origin_of
from mammoscope.explain.mapped import inputs_of
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.models import Bundle, Manifest, SimpleCnn, build, predict_files
from mammoscope.records import Index, Record, index_of, write_index
from mammoscope.report import write_gallery, write_report
from mammoscope.vocabulary import Laterality, LesionKind, Pathology, View
from planted import half_disc, mammogram_file, picture
from report_runs import Checker

SIZE = Preprocess(rows=48, cols=32)


def cli(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def bundle_of(unit: str = "image", *, threshold: float | None = 0.5) -> Bundle:
    model = SimpleCnn(channels=(4, 8), views="attention" if unit != "image" else "mean")
    manifest = Manifest(
        name="t",
        meaning="m",
        unit=unit,
        model=model,
        preprocess=SIZE,
        threshold=threshold,
        recipe={"input": {"unit": unit}},
    )
    return Bundle(manifest=manifest, network=build(manifest.design, seed=0))


def exam_folder(folder: Path, *, views: str = "LCC RCC LMLO") -> Path:
    folder.mkdir(parents=True)
    for number, place in enumerate(views.split()):
        pixels = half_disc(120, 80, 55 + number)
        about = {"ImageLaterality": place[0], "ViewPosition": place[1:]}
        mammogram_file(folder / f"{place}.dcm", pixels if place[0] == "R" else pixels[:, ::-1].copy(), **about)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures: right and wrong calls, one lesion with a box, one said to lie elsewhere, one file lost."""
    folder = tmp_path_factory.mktemp("gallery")
    data, run = folder / "data", folder / "run"
    records, rows = [], []
    for n in range(4):
        picture(data / f"{n}.png", seed=n)
        box = {"lesion_x0": 15.0, "lesion_y0": 40.0, "lesion_x1": 40.0, "lesion_y1": 70.0} if n == 0 else {}
        box |= {"lesion_x0": 700.0, "lesion_y0": 700.0, "lesion_x1": 800.0, "lesion_y1": 800.0} if n == 1 else {}
        about = {"source": "own", "patient_id": str(n), "image_id": str(n)}
        kind = {"lesion_kind": LesionKind.MASS, "pathology": Pathology.MALIGNANT} if n == 0 else {}
        records.append(Record(**about, path=f"{n}.png", malignant=n < 2, **box, **kind))
        shown = {"laterality": "L", "view": "CC", "density": "C", "age_years": 61.0}
        rows.append({**about, **shown, "part": "test", "label": int(n < 2), "score": (0.9, 0.2, 0.7, 0.1)[n]})
    run.mkdir()
    write_index(index_of(records, roots={"own": data}), run / "index.parquet")
    pl.DataFrame(rows).write_parquet(run / "predictions.parquet")
    (run / "recipe.json").write_text(json.dumps({"name": "<tiny>"}))
    bundle_of().save_pretrained(run / "bundle")
    (data / "3.png").unlink()
    return run


@pytest.fixture(scope="module")
def explained(run: Path) -> str:
    words = ("--method", "grad-cam", "--method", "smooth-grad", "--svg")
    done = cli("explain", run, *words)
    assert done.exit_code == 0, done.output
    return done.stdout


def rows_of(run: Path) -> list[dict]:
    return json.loads((run / "explanations.json").read_text())


@pytest.mark.usefixtures("explained")
def test_every_method_has_a_row_with_its_own_picture_and_svg(run: Path) -> None:
    rows = [row for row in rows_of(run) if row["image_id"] != "3"]

    assert [row["method"] for row in rows] == ["Grad-CAM", "SmoothGrad"] * 3
    assert len({row["file"] for row in rows}) == 6
    for row in rows:
        assert cv2.imread(str(run / row["file"])).std() > 5
        assert (run / row["svg"]).read_text().startswith("<svg")
    assert {row["layer"] for row in rows} == {"last feature map", None}


@pytest.mark.usefixtures("explained")
def test_what_is_wrong_with_a_picture_is_said_beside_it(run: Path) -> None:
    rows = {row["image_id"]: row for row in rows_of(run)}

    assert rows["3"]["code"] == "missing"
    assert "could not be read again" in rows["3"]["note"]
    assert "known lesion outlined" in rows["0"]["note"]
    assert "lesion lies outside what the network sees" in rows["1"]["note"]
    assert "outlined" not in rows["1"]["note"]
    assert rows["0"]["lesions"] == [
        {"lesion_id": None, "lesion_kind": "mass", "pathology": "malignant", "malignant": True, "mm": None}
    ]


def test_the_gallery_has_every_sample_with_score_threshold_facts_and_methods(run: Path, explained: str) -> None:
    page = (run / "gallery.html").read_text()

    assert explained.rstrip().endswith("gallery.html")
    for words in ("&lt;tiny&gt;", "Score 0.900 ≥ threshold 0.500, label positive", "mass, malignant, size not known"):
        assert words in page
    assert page.count("data:image/jpeg") == 6
    assert page.count('<div class="gone">no picture</div>') == 2
    assert page.count("<b>SmoothGrad</b>") == 4
    assert page.index("True positives") < page.index("False positives") < page.index("False negatives")
    assert Checker(page).wrong == []


@pytest.mark.usefixtures("explained")
def test_the_report_shows_the_first_method_and_names_the_gallery(run: Path) -> None:
    page = write_report(run).read_text()

    assert page.count("data:image/jpeg") == 3
    assert "<code>gallery.html</code>" in page


def test_a_picture_outside_the_run_folder_is_not_shown(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    cv2.imwrite(str(tmp_path / "secret.png"), np.full((4, 4), 99, dtype=np.uint8))
    row = {"image_id": "a", "group": "true positive", "label": 1, "score": 0.9, "file": "../secret.png"}
    (run / "explanations.json").write_text(json.dumps([row]))

    assert "data:image" not in write_gallery(run).read_text()


@pytest.mark.parametrize(
    ("text", "said"), [(None, "has no explanations.json"), ("{", "is damaged"), ("{}", "is damaged")]
)
def test_a_run_that_was_not_explained_has_no_gallery(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "explanations.json").write_text(text)

    with pytest.raises(SourceError, match=f"{said}.*mammoscope explain"):
        write_gallery(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "grad-cm"), "did you mean 'grad-cam'"),
        (("--class", "maybe"), "class 'maybe': malignant has no, yes"),
        (("--layer", "stack.99"), "the network has no such layer"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_drawn(run: Path, words: tuple, said: str) -> None:
    before = sorted(run.glob("explanations/*"))

    with pytest.raises((RecipeError, BundleError), match=said):
        CliRunner().invoke(app, ["explain", str(run), *words], catch_exceptions=False, standalone_mode=False)

    assert sorted(run.glob("explanations/*")) == before


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((120, 80), dtype=np.uint8), "marks no lesion"),
        (np.full((60, 80), 255, dtype=np.uint8), "its picture 120 and 80"),
        (None, "no readable mask"),
    ],
)
def test_a_mask_that_says_nothing_is_named(tmp_path: Path, mask: np.ndarray | None, said: str) -> None:
    picture(tmp_path / "0.png")
    if mask is not None:
        cv2.imwrite(str(tmp_path / "m.png"), mask)
    record = Record(source="own", patient_id="0", image_id="0", path="0.png", mask_path="m.png", malignant=True)
    index = index_of([record], roots={"own": tmp_path})
    row = {"source": "own", "image_id": "0", "laterality": None, "view": None}

    found = origin_of(row, index=index, sample=bundle_input())

    assert found.lesions == []
    assert said in found.notes[0]


def bundle_input() -> object:
    from mammoscope.cohort import Input

    return Input()


@pytest.mark.parametrize(("unit", "samples"), [("exam", 1), ("breast", 2)])
def test_the_answer_of_a_sheet_is_that_of_predict_and_its_weights_add_up(
    tmp_path: Path, unit: str, samples: int
) -> None:
    bundle, folder = bundle_of(unit), exam_folder(tmp_path / "e1")

    found = list(explain_exams(bundle, [folder]))
    expected = {row["laterality"]: row["score"] for row in predict_files(bundle, [folder], workers=0)}

    assert {one.laterality: one.scores["yes"] for one in found} == expected
    assert len(found) == samples
    for one in found:
        assert sum(picture.weight for picture in one.pictures) == pytest.approx(1)
        seen = [picture.mammogram for picture in one.pictures]
        weights = view_weights(bundle.network, inputs_of(bundle, seen))[0]
        assert [picture.weight for picture in one.pictures] == pytest.approx(weights.tolist())
        alone = bundle.predict([[seen[0]]])[0]
        assert one.pictures[0].scores["yes"] == pytest.approx(alone)
        strongest = max(float(picture.heat.max()) for picture in one.pictures if picture.heat is not None)
        assert strongest == pytest.approx(1)


def test_folders_become_sheets_and_each_picture_an_array(tmp_path: Path) -> None:
    bundle_of("exam").save_pretrained(tmp_path / "bundle")
    folder = exam_folder(tmp_path / "e1")
    (folder / "broken.dcm").write_bytes(b"nothing")
    out = tmp_path / "out"

    done = cli("explain", tmp_path / "bundle", folder, "--out", out, "--method", "smooth-grad", "--json", "--svg")

    rows = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [row["file"] for row in rows] == ["broken.dcm", "e1"]
    sheet = rows[1]
    assert {(one["laterality"], one["view"]) for one in sheet["pictures"]} == {("L", "CC"), ("R", "CC"), ("L", "MLO")}
    assert all(np.load(out / one["array"]).shape == (120, 80) for one in sheet["pictures"])
    assert cv2.imread(str(out / sheet["picture"])).std() > 5
    svg = (out / sheet["svg"]).read_text()
    assert "no such picture" in svg
    assert "e1: malignant" in svg


def test_a_bundle_of_exams_and_one_of_images_name_each_others_function() -> None:
    with pytest.raises(BundleError, match="answers per exam. Use explain_exams"):
        next(explain_files(bundle_of("exam"), []))
    with pytest.raises(BundleError, match="answers per image. Use explain_files"):
        next(explain_exams(bundle_of(), []))


def test_the_sheets_of_a_run_show_the_pictures_of_its_cohort(tmp_path: Path) -> None:
    bundle, data = bundle_of("breast"), tmp_path / "data"
    rows, index = cohort_of_breasts(exam_folder(data))
    samples = pl.DataFrame(
        [{**rows[0], "image_id": "p_L", "sample_id": "p_L", "part": "test", "label": 1, "score": 0.7, "view": "CC"}]
    )
    folder = tmp_path / "run" / "explanations"

    (row,) = explain_predictions(samples, bundle=bundle, index=index, folder=folder, pictures=pl.DataFrame(rows))

    assert [one["view"] for one in row["pictures"]] == ["CC", "MLO"]
    assert sum(one["weight"] for one in row["pictures"]) == pytest.approx(1)
    assert cv2.imread(str(tmp_path / "run" / row["file"])).std() > 5
    with pytest.raises(RecipeError, match="a sample is a whole breast, and it is not told which pictures"):
        explain_predictions(samples, bundle=bundle, index=index, folder=folder)


def cohort_of_breasts(data: Path) -> tuple[list[dict], Index]:
    records, rows = [], []
    for name in ("LCC", "LMLO"):
        about = {"source": "own", "patient_id": "p", "image_id": name}
        shown = {"laterality": Laterality.LEFT, "view": View(name[1:])}
        records.append(Record(**about, **shown, path=f"{name}.dcm", malignant=True))
        rows.append({**about, "laterality": "L", "view": name[1:], "sample_id": "p_L", "file": "x"})
    return rows, index_of(records, roots={"own": data})


def test_a_file_that_vanished_is_not_drawn_blank(tmp_path: Path) -> None:
    found = next(explain_files(bundle_of(), [picture(tmp_path / "a.png")], method="smooth-grad"))

    assert isinstance(found, Explained)
    assert found.laid().anatomy.pixels.shape[0] > found.mammogram.pixels.shape[0]
    assert read_mammogram(tmp_path / "a.png", preprocess=SIZE).pixels.shape == found.heat.shape
