"""Calibration from the recipe to the bundle: fitted on tune, told in metrics.json, applied by predict."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mammoscope.calibrators import Platt, read_calibrator
from mammoscope.errors import BundleError, RecipeError
from mammoscope.evaluation import Targets, evaluate, evaluation_options, fit_calibrator, sample_of, unit_rows
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Manifest, SimpleCnn, build, predict_files
from mammoscope.pipeline.results import _complete_bundle
from mammoscope.training import read_recipe
from planted import picture

MINE = 'name = "mine"\nsource = "rsna"\n[measure]\n'


def table(seed: int = 0, *, patients: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    count = 4 * patients
    patient = np.repeat(np.arange(patients), 4)
    ill = rng.random(2 * patients).repeat(2) < 0.3
    return pl.DataFrame(
        {
            "part": np.where(patient % 2 == 0, "tune", "test"),
            "patient_id": [f"p{number}" for number in patient],
            "breast_id": [
                f"p{number}_{side}" for number, side in zip(patient, ["L", "L", "R", "R"] * patients, strict=True)
            ],
            "image_id": [str(number) for number in range(count)],
            "label": ill.astype(int),
            "score": 1 / (1 + np.exp(-(2.5 * rng.normal(size=count) + 2.0 * ill))),
        }
    )


def test_each_unit_is_calibrated_on_its_own_tune_rows_and_measured_on_test() -> None:
    rows = table()

    found = evaluate(rows, calibration="platt", replicates=50)

    for unit, result in found.units.items():
        tune = sample_of(unit_rows(rows.filter(pl.col("part") == "tune"), unit=unit))
        told = result.calibration
        assert read_calibrator(told.calibrator) == fit_calibrator(tune, kind="platt").calibrator
        assert (told.fitted_on, told.n, told.patients) == ("tune", len(tune.labels), 60)
        assert told.probabilities.brier.value < told.scores.brier.value
        assert told.probabilities.n == result.test["auc"].n


def test_the_labels_of_the_test_part_do_not_move_the_calibrator() -> None:
    rows = table()
    other = rows.with_columns(
        pl.when(pl.col("part") == "test").then(1 - pl.col("label")).otherwise("label").alias("label")
    )

    one, two = (evaluate(each, calibration="beta", replicates=5).units["image"].calibration for each in (rows, other))

    assert one.calibrator == two.calibrator
    assert one.scores != two.scores


def test_without_calibration_the_scores_are_measured_and_nothing_is_fitted() -> None:
    found = evaluate(table(), replicates=20).units["image"]

    assert (found.calibration.calibrator, found.calibration.probabilities) == (None, None)
    assert found.calibration.reason == "no calibration was asked for"
    assert found.calibration.scores.slope.high < 1  # scores of these rows are too far apart
    assert (found.decision_curve, found.per_thousand) == (None, None)


def test_a_stated_prevalence_gives_a_decision_curve_and_a_thousand_women() -> None:
    found = evaluate(table(), calibration="platt", targets=Targets(prevalence=0.006), replicates=50)

    unit = found.units["patient"]
    assert unit.per_thousand.found.value + unit.per_thousand.missed.value == pytest.approx(6.0)
    assert unit.per_thousand.threshold == unit.threshold.value
    assert unit.decision_curve.prevalence == 0.006
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["units"]["patient"]["per_thousand"]["sentence"].startswith("Of 1,000 women screened, 6 of them")


def test_a_calibrator_that_cannot_be_fitted_is_a_warning_not_a_silence() -> None:
    single = table().filter((pl.col("part") == "test") | (pl.col("label") == 0))

    found = evaluate(single, calibration="platt", replicates=10)

    assert found.units["image"].calibration.probabilities is None
    assert any("calibration per image: not calibrated: the tune part has a single class" in w for w in found.warnings)


def test_rules_by_recall_rate_and_cost_reach_the_baselines_too() -> None:
    found = evaluate(
        table(), rule="cost", miss_cost=100.0, targets=Targets(prevalence=0.01), calibration="none", replicates=10
    )

    assert (found.rule, found.miss_cost, found.units["image"].threshold.prevalence) == ("cost", 100.0, 0.01)
    with pytest.raises(RecipeError, match="needs the prevalence"):
        evaluate(table(), rule="cost", miss_cost=100.0, replicates=10)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('calibraton = "platt"', "unknown key 'calibraton'; did you mean 'calibration'"),
        ('calibration = "plat"', r"\[measure\]: calibration is 'plat'"),
        ('threshold = "recall"', r"\[measure\]: threshold is 'recall'"),
        ('threshold = "cost"', r"mine.toml:3 \[measure\]: threshold 'cost' needs miss_cost and prevalence"),
        ('threshold = "cost"\nmiss_cost = -1\nprevalence = 0.01', "miss_cost is -1"),
        ("prevalence = 1.5", "prevalence is 1.5"),
    ],
)
def test_a_recipe_that_asks_for_no_such_thing_is_refused_in_its_line(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE + text)

    with pytest.raises(RecipeError, match=why):
        read_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", {"rule": "youden"}),
        ('threshold = "sensitivity"\nat_least = 0.8', {"rule": "sensitivity", "at_least": 0.8}),
        ('threshold = "recall_rate"\nat_most = 0.05', {"rule": "recall_rate", "at_most": 0.05}),
        ('threshold = "cost"\nmiss_cost = 50\nprevalence = 0.01', {"rule": "cost", "miss_cost": 50.0}),
    ],
)
def test_a_rule_takes_its_own_number_from_the_recipe(text: str, rule: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE + text)

    told = evaluation_options(json.loads(read_recipe(tmp_path / "mine.toml").measure.model_dump_json()))

    assert {name: told[name] for name in ("rule", "at_least", "at_most", "miss_cost") if name in told} == rule


def test_a_bundle_keeps_the_calibrator_and_predict_applies_it(tmp_path: Path) -> None:
    model = SimpleCnn(channels=(4, 8))
    manifest = Manifest(name="tiny", meaning="malignant", model=model, preprocess=Preprocess(rows=48, cols=32))
    Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval()).save_pretrained(tmp_path / "bundle")
    picture(tmp_path / "a.png")
    before = predict_files(Bundle.from_pretrained(tmp_path / "bundle"), [tmp_path / "a.png"], workers=0)
    facts = evaluate(table(), calibration="platt", replicates=10).to_json()

    _complete_bundle(tmp_path, facts)

    bundle = Bundle.from_pretrained(tmp_path / "bundle")
    after = predict_files(bundle, [tmp_path / "a.png"], workers=0)
    calibrator = bundle.manifest.calibrator
    assert isinstance(calibrator, Platt)
    assert bundle.manifest.calibrated_at == facts["units"]["image"]["calibration"]["prevalence"]
    assert before[0]["probability"] is None
    assert after[0]["score"] == before[0]["score"]
    assert after[0]["probability"] == calibrator.apply(np.array([after[0]["score"]]))[0]
    assert "**Calibration**: `platt`, on tune images of which" in (tmp_path / "bundle" / "README.md").read_text()


@pytest.mark.parametrize("plain", [{"kind": "magic"}, {"kind": "temperature", "temperature": -1.0}, {}])
def test_an_unsound_calibrator_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="calibrator: .*Calibrate again"):
        read_calibrator(plain)
