"""`metrics.json` is what its schema says: by an independent validator, on real output, and on damaged output."""

import json
from pathlib import Path

import polars as pl
import pytest
from jsonschema import Draft202012Validator

from mammoscope.evaluation import evaluate, metrics_schema, subgroups, write_evaluation

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


def errors(facts: object) -> list[str]:
    return [error.message for error in Draft202012Validator(metrics_schema()).iter_errors(facts)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(metrics_schema())


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

    assert errors(facts | {"subgroups": groups, "sealed": [{"name": "x"}]}) == []


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
