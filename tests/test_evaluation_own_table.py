"""Anybody's table: columns, words, parts, what is refused and what is reported, the command and its files."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import SourceError
from mammoscope.evaluation import Columns, evaluate, metric_table, read_own_table, write_evaluation

MINE = Columns(score="prob", label="truth", patient="woman", breast="side")


def table(rows: int = 240, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    label = rng.random(rows) < 0.3
    return pl.DataFrame(
        {
            "woman": [f"w{number}" for number in rng.integers(0, rows // 3, rows)],
            "side": rng.choice(["L", "R"], rows),
            "truth": np.where(label, "cancer", "normal"),
            "prob": np.round(1 / (1 + np.exp(-rng.normal(size=rows) - 1.5 * label)), 6),
        }
    )


def saved(rows: pl.DataFrame, folder: Path, name: str = "mine.csv", *, separator: str = ",") -> Path:
    file = folder / name
    file.write_bytes(b"")
    rows.write_parquet(file) if name.endswith("parquet") else rows.write_csv(file, separator=separator)
    return file


def run(*arguments: object):
    return CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments)])


OPTIONS = "--score prob --label truth --patient woman --breast side --positive cancer --replicates 100".split()


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.parquet", ",")])
def test_every_kind_of_file_gives_the_same_rows(name: str, separator: str, tmp_path: Path) -> None:
    rows = table()

    found = read_own_table(saved(rows, tmp_path, name, separator=separator), columns=MINE, positive=["cancer"])

    assert found.rows["score"].to_list() == rows["prob"].to_list()
    assert found.rows["label"].to_list() == (rows["truth"] == "cancer").cast(pl.Int8).to_list()
    assert found.rows["breast_id"].to_list() == rows["side"].to_list()
    assert found.used == {"score": "prob", "label": "truth", "patient": "woman", "breast": "side"}


def test_the_numbers_are_those_of_scikit_learn_at_each_unit(tmp_path: Path) -> None:
    rows = table().with_columns((pl.col("truth") == "cancer").alias("y"))
    breasts = rows.group_by("woman", "side").agg(pl.col("y").max(), pl.col("prob").mean())
    women = breasts.group_by("woman").agg(pl.col("y").max(), pl.col("prob").max())
    highest = rows.group_by("woman").agg(pl.col("y").max(), pl.col("prob").max())

    mine = read_own_table(saved(table(), tmp_path), columns=MINE, positive=["cancer"]).rows
    found = evaluate(mine, replicates=20)
    answer = json.loads(run(tmp_path / "mine.csv", *OPTIONS, "--views", "max", "--json").stdout)

    for unit, expected in (("image", rows), ("breast", breasts), ("patient", women)):
        assert found.units[unit].test["auc"].value == pytest.approx(roc_auc_score(expected["y"], expected["prob"]))
    assert answer["units"]["patient"]["test"]["auc"]["value"] == pytest.approx(
        roc_auc_score(highest["y"], highest["prob"])
    )


def test_our_own_predictions_need_no_options(tmp_path: Path) -> None:
    ours = pl.DataFrame(
        {
            "source": ["s"] * 6,
            "image_id": list("abcdef"),
            "patient_id": list("123456"),
            "part": ["tune", "tune", "test", "test", "test", "test"],
            "label": [0, 1, 0, 1, 0, 1],
            "score": [0.2, 0.7, 0.1, 0.8, 0.9, 0.95],
        }
    )

    done = run(saved(ours, tmp_path, "predictions.parquet"), "--replicates", 20, "--json")

    assert json.loads(done.stdout)["units"]["image"] == evaluate(ours, replicates=20).to_json()["units"]["image"]


@pytest.mark.parametrize("word", ["val", "Validation", "tune"])
def test_a_tune_part_goes_by_many_names_and_chooses_the_threshold(word: str, tmp_path: Path) -> None:
    rows = table().with_columns(
        pl.when(pl.col("woman") < "w4").then(pl.lit(word)).otherwise(pl.lit("test")).alias("split")
    )

    done = run(saved(rows, tmp_path), *OPTIONS, "--part", "split", "--rule", "sensitivity", "--at-least", 0.8)

    assert done.exit_code == 0
    assert "(sensitivity of at least 0.8 on tune): sensitivity 0." in done.stdout
    assert "taken for a test row" not in done.stdout


def test_without_a_part_nothing_is_chosen_and_it_is_said(tmp_path: Path) -> None:
    file = saved(table(), tmp_path)

    without, fixed = run(file, *OPTIONS), run(file, *OPTIONS, "--threshold", 0.5, "--prevalence", 0.006)

    assert "no threshold: there is no tune part: no threshold can be chosen" in without.stdout
    assert "every row is taken for a test row, and a threshold cannot be chosen" in without.stdout
    line = next(line for line in without.stdout.splitlines() if line.startswith("Sensitivity  "))
    assert line.split()[1:5] == ["\N{EN DASH}", "\N{EN DASH}", "(no", "threshold)"]
    assert "at score >= 0.5 (fixed beforehand): sensitivity 0." in fixed.stdout
    assert "PPV at prevalence 0.006" in fixed.stdout


def test_the_printed_table_has_a_line_a_metric_with_what_it_rests_on(tmp_path: Path) -> None:
    found = evaluate(read_own_table(saved(table(), tmp_path), columns=MINE, positive=["cancer"]).rows, replicates=100)
    auc = found.units["image"].test["auc"]

    lines = run(tmp_path / "mine.csv", *OPTIONS).stdout.splitlines()

    assert lines[0] == "per image: each image by itself"
    assert lines[1].split("  ")[0] == "metric"
    first = lines[2].split()
    assert (
        first
        == f"ROC AUC {auc.value:.3f} {auc.low:.3f} to {auc.high:.3f} {auc.n} {auc.positives} {auc.patients}".split()
    )


def test_out_holds_the_same_numbers_as_json_and_as_tables(tmp_path: Path) -> None:
    done = run(saved(table(), tmp_path), *OPTIONS, "--threshold", 0.5, "--out", tmp_path / "out", "--json")

    facts = json.loads((tmp_path / "out" / "metrics.json").read_text())
    numbers = pl.read_csv(tmp_path / "out" / "metrics.csv")
    confusion = pl.read_csv(tmp_path / "out" / "confusion.csv")
    curves = pl.read_csv(tmp_path / "out" / "curves.csv")

    assert json.loads(done.stdout) == facts
    auc = numbers.filter((pl.col("unit") == "breast") & (pl.col("metric") == "auc")).row(0, named=True)
    assert auc["high"] == facts["units"]["breast"]["test"]["auc"]["high"]
    assert confusion.filter(pl.col("unit") == "image").row(0)[2:] == tuple(
        facts["units"]["image"]["confusion"].values()
    )
    assert set(curves["curve"]) == {"roc", "precision_recall"}
    assert numbers.filter(pl.col("value").is_null())["reason"].is_not_null().all()


def test_a_table_of_breasts_has_no_result_per_image(tmp_path: Path) -> None:
    rows = table().unique(["woman", "side"], maintain_order=True)

    done = run(saved(rows, tmp_path), *OPTIONS, "--row", "breast", "--json")

    facts = json.loads(done.stdout)
    assert facts["headline"] == "breast"
    assert set(facts["units"]) == {"breast", "patient"}
    assert facts["units"]["patient"]["aggregation"] == "highest breast score of the patient; positive if any breast is"


def test_a_run_folder_takes_no_options_of_a_table(tmp_path: Path) -> None:
    done = run(tmp_path, "--seed", 3)

    assert done.exit_code == 2
    assert "--seed is for a table" in done.output


# ------------------------------------------------------------------ bad input


def one(**changes: object) -> pl.DataFrame:
    """Four sound rows of three women, with some cells changed in the third."""
    rows = [
        {"score": 0.1, "label": 0, "patient_id": "a", "image_id": "1", "part": "test"},
        {"score": 0.7, "label": 1, "patient_id": "b", "image_id": "2", "part": "test"},
        {"score": 0.3, "label": 0, "patient_id": "b", "image_id": "3", "part": "test"},
        {"score": 0.6, "label": 1, "patient_id": "c", "image_id": "4", "part": "test"},
    ]
    rows[2] |= changes
    return pl.DataFrame([{name: None if cell is None else str(cell) for name, cell in row.items()} for row in rows])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (one(score=1.3), r"'score': row 3: '1.3' is not a number in \[0, 1\].*logistic"),
        (one(score=-0.1), r"row 3: '-0.1' is not a number in \[0, 1\]"),
        (one(score="NaN"), r"row 3: 'NaN' is not a number"),
        (one(score="inf"), r"row 3: 'inf' is not a number"),
        (one(score=None), r"row 3: None is not a number"),
        (one(score="0,3"), r"row 3: '0,3' is not a number"),
        (one(label="benign"), r"'label': row 3: 'benign' is not 0 or 1, true or false. Say which words are positive"),
        (one(label=None), r"row 3: None is no label. Leave unlabelled rows out"),
        (one(label=2), r"row 3: '2' is not 0 or 1"),
        (one(part="holdout"), r"'part': row 3: 'holdout' is not one of train"),
        (one(part="tune"), r"patients in several parts: b \(test and tune\). Split by patient"),
        (one(patient_id=None), r"patient_id None is empty"),
        (one(image_id=2), r"image_id '2' stands twice.*\(and 1 more rows\)"),
        (one().drop("score"), r"mine.csv: has no column 'score' for the score. It has label, .*--score"),
        (one().drop("label"), r"has no column 'label'"),
        (one().drop("patient_id"), r"has no column 'patient_id' for the patient. It has score"),
        (one().with_columns(part=pl.lit("tune")), r"no row of part 'test'"),
        (one().head(0), r"has no rows below its head"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_row(rows: pl.DataFrame, says: str, tmp_path: Path) -> None:
    file = saved(rows, tmp_path)

    with pytest.raises(SourceError, match=says):
        evaluate(read_own_table(file).rows, replicates=5)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (one().with_columns(score=pl.lit("0.5")), "every test image has the same score: the model tells nothing apart"),
        (one().with_columns(label=pl.lit("0")), "a single class (0 positive of 4): AUC is not defined"),
        (
            one(),
            "2 positive and 2 negative patients: with fewer than 10 of either class intervals",
        ),
        (one().drop("part"), "no column of parts: every row is taken for a test row"),
        (
            pl.concat([one(), one()]).drop("image_id"),
            "4 rows equal another row in every column: if they are copies they count twice",
        ),
    ],
)
def test_what_can_be_measured_but_misread_is_said(rows: pl.DataFrame, says: str, tmp_path: Path) -> None:
    done = run(saved(rows, tmp_path), "--replicates", 20)

    assert done.exit_code == 0
    assert f"warning: {says}" in done.stdout.replace("test part, per image: ", "")


def test_a_single_class_gives_no_auc_and_no_silent_number(tmp_path: Path) -> None:
    done = run(saved(one().with_columns(label=pl.lit("0")), tmp_path), "--replicates", 20, "--json")

    found = json.loads(done.stdout)["units"]["image"]["test"]
    assert found["auc"]["value"] is None
    assert found["auc"]["reason"] == "single class: no positive among 4 rows"
    assert all(number["value"] is not None or number["reason"] for number in found.values())


def test_a_word_that_does_not_occur_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no row holds 'Cancer'; did you mean 'cancer'"):
        read_own_table(saved(table(), tmp_path), columns=MINE, positive=["Cancer"])


def test_a_stated_column_that_is_missing_is_refused_though_it_could_be_done_without(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no column 'sides' for the breast; did you mean 'side'"):
        read_own_table(
            saved(table(), tmp_path), columns=Columns(score="prob", label="truth", patient="woman", breast="sides")
        )


def test_a_breast_with_two_rows_is_no_table_of_breasts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="said to be one breast, but the breast of 'row .*' has several rows"):
        read_own_table(saved(table(), tmp_path), columns=MINE, positive=["cancer"], row="breast")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", b"", "a.xlsx: is not one of .csv, .tsv, .txt, .parquet. Save the table as CSV"),
        ("a.csv", b"score,label\n\xff\xfe,1\n", "is not a readable table"),
        ("a.parquet", b"PAR1", "is not a readable table"),
        ("a.csv", b"", "is not a readable table|no rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SourceError, match=says):
        read_own_table(tmp_path / name)


def test_a_file_that_is_not_there_is_no_run_folder(tmp_path: Path) -> None:
    done = run(tmp_path / "gone.csv")

    assert isinstance(done.exception, SourceError)
    assert str(done.exception) == "gone.csv: no such file"


def test_the_flat_table_leaves_out_parts_without_rows(tmp_path: Path) -> None:
    found = evaluate(read_own_table(saved(one(), tmp_path)).rows, replicates=5)

    assert set(metric_table(found)["part"]) == {"test"}
    assert [file.name for file in write_evaluation(found, tmp_path)] == [
        *("metrics.json", "metrics.csv", "confusion.csv", "curves.csv"),
    ]


# ------------------------------------------------------------------ several classes, marks


def classes_table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), size=60)
    return pl.DataFrame(
        {
            "woman": [f"w{number // 2}" for number in range(60)],
            "grade": rng.choice(list("ABC"), 60),
            **{f"p({name})": np.round(scores[:, k], 4) for k, name in enumerate("ABC")},
        }
    )


CLASS_OPTIONS = "--classes A,B,C --label grade --patient woman --score p({}) --replicates 50".split()


def test_a_table_of_several_classes_is_measured_printed_and_written(tmp_path: Path) -> None:
    file = saved(classes_table(), tmp_path)

    printed = run(file, *CLASS_OPTIONS, "--positive", "C", "--out", tmp_path / "out")
    answer = json.loads(run(file, *CLASS_OPTIONS, "--positive", "C", "--json").stdout)

    assert "Kappa, quadratic weights" in printed.stdout
    assert "C: Matthews correlation" in printed.stdout
    assert "warning: no column of parts" in printed.stdout
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == answer
    counts = pl.read_csv(tmp_path / "out" / "confusion.csv")
    assert counts["count"].sum() == 60
    numbers = pl.read_csv(tmp_path / "out" / "classes.csv")
    kappa = numbers.filter((pl.col("group") == "all") & (pl.col("metric") == "kappa_linear")).row(0, named=True)
    assert kappa["value"] == answer["test"]["kappa_linear"]["value"]


def test_calls_alone_are_enough_and_their_column_may_have_any_name(tmp_path: Path) -> None:
    rows = classes_table().select("woman", "grade", pl.col("grade").alias("said"))

    done = run(saved(rows, tmp_path), *CLASS_OPTIONS[:6], "--prediction", "said", "--replicates", 10, "--json")

    assert json.loads(done.stdout)["test"]["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--score", "p"], r"'p': holds no {} for the name of the class"),
        (["--prediction", "sad"], "has no column 'sad' for the prediction"),
        (["--classes", "A,B"], r"label 'C' is not one of A, B"),
        (["--classes", "A,B,C,D"], r"columns \['score_D'\] are missing"),
    ],
)
def test_a_table_of_classes_that_cannot_be_measured_is_refused(options: list[str], says: str, tmp_path: Path) -> None:
    done = run(saved(classes_table(), tmp_path), *CLASS_OPTIONS, *options)

    assert done.exit_code != 0
    assert re.search(says, str(done.exception))


def test_a_table_of_marks_is_measured_against_lesions(tmp_path: Path) -> None:
    images = pl.DataFrame({"image_id": ["a", "b"], "patient_id": ["1", "2"]})
    lesions = pl.DataFrame({"image_id": ["a"], "x_min": [10], "y_min": [10], "x_max": [20], "y_max": [20]})
    marks = pl.DataFrame({"image_id": ["a", "b"], "x": [15, 5], "y": [12, 5], "score": [0.6, 0.9]})
    files = [saved(rows, tmp_path, f"{name}.csv") for name, rows in (("m", marks), ("l", lesions), ("i", images))]

    done = run(files[0], "--lesions", files[1], "--images", files[2], "--replicates", 20, "--out", tmp_path)
    alone = run(files[0], "--lesions", files[1])

    assert "Sensitivity at 0.25 false positives per image  0.000" in done.stdout
    assert "Pointing game" in done.stdout
    assert json.loads((tmp_path / "localisation.json").read_text())["froc"]["1"]["value"] == 1.0
    assert alone.exit_code == 2
    assert "both --lesions and --images" in alone.output


def tuned_table() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    women = np.arange(120)
    labels = (women % 3 == 0).astype(int)
    return pl.DataFrame(
        {
            "patient_id": [f"w{woman}" for woman in women],
            "image_id": [f"i{woman}" for woman in women],
            "part": np.where(women < 60, "tune", "test"),
            "label": labels,
            "score": 1 / (1 + np.exp(-(2 * labels + rng.normal(size=120) - 1))),
        }
    )


def test_probabilities_coverage_and_patients_needed_are_printed_where_they_are_asked_for(tmp_path: Path) -> None:
    file = saved(tuned_table(), tmp_path)
    asked = "--calibration platt --coverage 0.8 --wished-width 0.1 --prevalence 0.01 --replicates 40".split()

    printed = run(file, *asked).stdout
    plain = run(file, "--replicates", 40).stdout
    found = json.loads(run(file, *asked, "--json").stdout)["units"]["image"]

    assert "Platt scaling, fitted on tune: slope" in printed
    assert "coverage of 0.8 stated on tune, negative up to" in printed
    assert f"an interval of AUC no wider than 0.1 takes {found['needed']['patients']:,} patients like these" in printed
    assert "Of 1,000 women screened" in printed
    assert "Platt" not in plain
    assert "coverage" not in plain
    assert found["calibration"]["method"] == "platt"


def test_the_percentile_interval_of_the_auc_stands_beside_the_one_quoted(tmp_path: Path) -> None:
    file = saved(tuned_table(), tmp_path)

    found = json.loads(run(file, "--replicates", 200, "--json").stdout)["units"]["image"]

    quoted, beside = found["test"]["auc"], found["auc_intervals"]["percentile"]
    assert (quoted["method"], beside["method"]) == ("clustered DeLong, logit", "percentile bootstrap over patients")
    assert quoted["value"] == beside["value"]
    assert quoted["low"] < beside["high"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rule", "cost", "--miss-cost", "20", "--prevalence", "0.01"], None),
        (["--rule", "recall_rate", "--at-most", "0.3"], None),
        (["--coverage", "1.2"], "coverage must be between 0 and 1, got 1.2"),
        (["--wished-width", "0"], "wished_width must be between 0 and 1, got 0"),
        (["--calibration-bins", "1"], "calibration_bins must be at least 2, got 1"),
    ],
)
def test_options_are_taken_or_refused_with_what_is_allowed(
    options: list[str], says: str | None, tmp_path: Path
) -> None:
    done = run(saved(tuned_table(), tmp_path), "--replicates", 20, *options)

    assert done.exit_code == (0 if says is None else 1)
    assert says is None or says in str(done.exception)
