"""`metrics.json` is what its schema says: by an independent validator, on real output, and on damaged output."""

import json
from pathlib import Path

import polars as pl
import pytest
from jsonschema import Draft202012Validator

from mammoscope.evaluation import (
    classes_schema,
    compare_members,
    evaluate,
    evaluate_classes,
    evaluate_marks,
    evaluate_task,
    localisation_schema,
    metrics_schema,
    subgroups,
    task_schema,
    write_class_evaluation,
    write_evaluation,
)

ROWS = pl.DataFrame(
    {
        "part": ["tune"] * 4 + ["test"] * 6,
        "patient_id": ["a", "a", "b", "b", "c", "c", "d", "d", "e", "f"],
        "breast_id": ["a_L", "a_R", "b_L", "b_R", "c_L", "c_R", "d_L", "d_R", "e_L", "f_L"],
        "image_id": [str(number) for number in range(10)],
        "density": list("ABCDABCDAB"),
        "label": [0, 0, 1, 1, 1, 1, 0, 0, 1, 0],
        "score": [0.1, 0.2, 0.7, 0.4, 0.8, 0.6, 0.3, 0.5, 0.2, 0.1],
    }
)


CLASSES = pl.DataFrame(
    {
        "patient_id": list("aabbccdd"),
        "image_id": list("12345678"),
        "part": ["test"] * 8,
        "label": list("AABBCCDD"),
        "prediction": list("AABCCCDC"),
        **{f"score_{name}": [0.7 if name == called else 0.1 for called in "AABCCCDC"] for name in "ABCD"},
    }
)


def errors(facts: object, schema: dict | None = None) -> list[str]:
    return [error.message for error in Draft202012Validator(schema or metrics_schema()).iter_errors(facts)]


@pytest.mark.parametrize("schema", [metrics_schema, task_schema, classes_schema, localisation_schema])
def test_the_schema_is_one_and_allows_no_other_key(schema) -> None:
    Draft202012Validator.check_schema(schema())

    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize("positive", [(), ("C", "D")])
@pytest.mark.parametrize("columns", [CLASSES.columns, CLASSES.columns[:5]])
def test_classes_json_is_what_its_schema_says(columns: list[str], positive: tuple[str, ...], tmp_path: Path) -> None:
    rows = CLASSES.select(columns)
    found = evaluate_classes(rows, classes="ABCD", positive=positive, replicates=20)
    write_class_evaluation(found, tmp_path)

    facts = json.loads((tmp_path / "classes.json").read_text())

    assert errors(facts, classes_schema()) == []
    assert len(errors({key: value for key, value in facts.items() if key != "confusion"}, classes_schema())) == 1


def test_localisation_json_is_what_its_schema_says() -> None:
    images = pl.DataFrame({"image_id": ["1", "2", "3"], "patient_id": ["a", "b", "c"]})
    lesions = pl.DataFrame({"image_id": ["1"], "x_min": [10], "y_min": [10], "x_max": [30], "y_max": [30]})
    marks = pl.DataFrame({"image_id": ["1", "2"], "x": [21, 50], "y": [24, 80], "score": [0.7, 0.9]})

    facts = evaluate_marks(marks, lesions=lesions, images=images, replicates=20).to_json()

    assert errors(facts, localisation_schema()) == []
    assert len(errors(facts | {"froc": 3}, localisation_schema())) == 1


def test_metrics_of_a_task_of_several_classes_are_what_their_schema_says() -> None:
    facts = evaluate_task(CLASSES, task="density", replicates=20).to_json()

    assert errors(facts, task_schema()) == []
    assert len(errors(facts | {"extra": 1}, task_schema())) == 1


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ROWS.filter(pl.col("part") == "test"),
        ROWS.with_columns(label=pl.lit(0)),
        ROWS.drop("breast_id"),
        ROWS.filter(pl.col("patient_id").is_in(["c"])),
    ],
)
def test_what_is_written_is_allowed(rows: pl.DataFrame, tmp_path: Path) -> None:
    write_evaluation(evaluate(rows, replicates=20), tmp_path)

    assert errors(json.loads((tmp_path / "metrics.json").read_text())) == []


def test_what_a_run_adds_is_allowed() -> None:
    facts = evaluate(ROWS, replicates=20).to_json()
    groups = subgroups(ROWS, threshold=0.5, replicates=20).to_json()
    members = compare_members(ROWS, members={"other": ROWS.with_columns(pl.col("score") ** 2)}, replicates=20).to_json()
    added = {"subgroups": groups, "members": members, "tasks": {"density": facts}, "sealed": [{"name": "x"}]}

    assert errors(facts | added) == []


def test_what_was_asked_for_is_allowed_too() -> None:
    facts = evaluate(ROWS, calibration="platt", coverage=0.7, wished_width=0.2, replicates=20).to_json()

    assert errors(facts) == []
    assert facts["units"]["image"]["conformal"]["coverage"]["stated"] == 0.7
    assert facts["units"]["image"]["needed"]["width"] == 0.2


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: facts.pop("warnings"),
        lambda facts: facts.update(extra=1),
        lambda facts: facts.update(schema="0"),
        lambda facts: facts["units"]["image"]["test"]["auc"].pop("patients"),
        lambda facts: facts["units"]["image"]["test"]["auc"].update(value="0.9"),
        lambda facts: facts["targets"].update(prevalance=0.1),
        lambda facts: facts["units"].update(lesion=facts["units"]["image"]),
    ],
)
def test_what_is_missing_misspelt_or_of_another_kind_is_found(damage) -> None:
    facts = evaluate(ROWS, replicates=20).to_json()

    damage(facts)

    assert len(errors(facts)) == 1


def test_every_key_is_described() -> None:
    schema = metrics_schema()

    bare = [
        f"{name}.{key}"
        for name in ("Estimate", "Targets", "Aggregation", "Threshold", "UnitResult", "Baseline")
        for key, found in schema["$defs"].get(name, {"properties": {}})["properties"].items()
        if "description" not in found
    ]

    assert bare == []
