"""Several trainings of one recipe: means, spreads and pooling, checked against scikit-learn and DeLong."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from mammoscope.errors import SourceError
from mammoscope.evaluation import measure, sample_of
from mammoscope.evaluation.spread import Trial, spread_over


def answers(patients: range, *, gain: float = 1.5, shift: float = 0.0, seed: int = 0) -> pl.DataFrame:
    """Two test images of each patient; `shift` moves all log odds."""
    rng = np.random.default_rng((seed, patients.start))
    owner = np.repeat(np.array(patients), 2)
    label = (owner % 3 == 0).astype(int)
    logit = gain * label + rng.normal(size=len(owner)) + rng.normal(size=len(patients)).repeat(2) + shift
    return pl.DataFrame(
        {
            "part": "test",
            "patient_id": [f"P{n:03d}" for n in owner],
            "image_id": [f"P{n:03d}_{at % 2}" for at, n in enumerate(owner)],
            "label": label,
            "score": 1 / (1 + np.exp(-logit)),
        }
    )


def folds(*shifts: float, threshold: float = 0.6) -> list[Trial]:
    return [
        Trial(
            name=f"fold-{at}", rows=answers(range(60 * at, 60 * at + 60), shift=shift), threshold=threshold + 0.1 * at
        )
        for at, shift in enumerate(shifts)
    ]


def test_mean_spread_and_pooled_auc_are_those_of_scikit_learn() -> None:
    trials = folds(0.0, 0.0, 0.0)

    found = spread_over(trials, kind="folds", replicates=50)

    each = [roc_auc_score(trial.rows["label"], trial.rows["score"]) for trial in trials]
    whole = pl.concat(trial.rows for trial in trials)
    spread = found.metrics["auc"]
    assert [one.value for one in spread.each] == pytest.approx(each)
    assert (spread.mean.value, spread.sd) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert (spread.lowest, spread.highest) == pytest.approx((min(each), max(each)))
    assert found.pooled["auc"].value == pytest.approx(roc_auc_score(whole["label"], whole["score"]))
    assert (spread.mean.n, spread.mean.patients) == (360, 180)


def test_the_interval_of_the_mean_agrees_with_resampled_patients_within_each_fold() -> None:
    trials = folds(0.0, 0.0, 0.0, 0.0)

    mean = spread_over(trials, kind="folds", replicates=50).metrics["auc"].mean

    samples = [sample_of(trial.rows) for trial in trials]
    draws = [measure(one, replicates=3000, seed=at, curves=False).replicates["auc"] for at, one in enumerate(samples)]
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    assert (mean.high - mean.low) == pytest.approx(high - low, rel=0.1)
    assert (mean.low + mean.high) / 2 == pytest.approx((low + high) / 2, abs=0.01)


def test_folds_on_other_scales_lower_the_pooled_auc_and_not_the_mean_and_it_is_said() -> None:
    alike, apart = (
        spread_over(folds(0.0, 0.0), kind="folds", replicates=50),
        spread_over(folds(-3.0, 3.0), kind="folds", replicates=50),
    )

    assert apart.metrics["auc"].mean.value == pytest.approx(alike.metrics["auc"].mean.value)
    assert apart.pooled["auc"].value < alike.pooled["auc"].value - 0.1
    assert any("not on one scale. Quote the mean" in note for note in apart.notes)
    assert not any("not on one scale" in note for note in alike.notes)


def test_pooled_calls_are_made_at_each_folds_own_threshold() -> None:
    trials = folds(0.0, 1.0)

    found = spread_over(trials, kind="folds", replicates=50).pooled

    cells = sum(confusion_matrix(trial.rows["label"], trial.rows["score"] >= trial.threshold) for trial in trials)
    assert found["sensitivity"].value == pytest.approx(cells[1, 1] / cells[1].sum())
    assert found["specificity"].value == pytest.approx(cells[0, 0] / cells[0].sum())


def test_a_patient_who_is_tested_in_two_folds_is_named() -> None:
    first = Trial(name="fold-0", rows=answers(range(20)))
    second = Trial(name="fold-1", rows=answers(range(19, 40)))

    with pytest.raises(SourceError, match=r"fold-0 and fold-1 both test patient P019"):
        spread_over([first, second], kind="folds", replicates=50)


def test_a_fold_without_positives_leaves_the_mean_undefined_with_the_reason() -> None:
    trials = folds(0.0, 0.0)
    negative = trials[1].rows.with_columns(pl.lit(0).alias("label"))

    found = spread_over([trials[0], Trial(name="fold-1", rows=negative)], kind="folds", replicates=50).metrics["auc"]

    assert (found.mean.value, found.mean.reason) == (None, "not defined in 1 of 2")
    assert found.each[0].value is not None


def test_seeds_resample_the_same_patients_so_equal_answers_have_one_interval() -> None:
    rows = answers(range(60))

    found = spread_over(
        [Trial(name=name, rows=rows) for name in ("seed-0", "seed-1")], kind="seeds", replicates=200
    ).metrics["auc"]

    assert (found.mean.low, found.mean.high) == pytest.approx((found.each[0].low, found.each[0].high))
    assert found.sd == 0
    assert found.mean.n == found.each[0].n == 120


def test_seeds_on_other_test_rows_are_refused() -> None:
    trials = [Trial(name=f"seed-{at}", rows=answers(range(20 + at))) for at in (0, 1)]

    with pytest.raises(SourceError, match=r"other test rows or labels \(40 and 42 rows\).*set split_seed"):
        spread_over(trials, kind="seeds", replicates=50)


def test_several_classes_are_summed_up_by_their_own_metrics() -> None:
    rng = np.random.default_rng(0)
    trials = []
    for at in range(2):
        rows = answers(range(60 * at, 60 * at + 60)).drop("score")
        truth = rng.integers(3, size=rows.height)
        scores = rng.dirichlet(np.ones(3), size=rows.height)
        columns = {f"score_{name}": scores[:, place] for place, name in enumerate("ABC")}
        trials.append(
            Trial(
                name=f"fold-{at}",
                rows=rows.with_columns(
                    label=pl.Series(["ABC"[n] for n in truth]),
                    **{name: pl.Series(values) for name, values in columns.items()},
                ),
            )
        )

    found = spread_over(trials, kind="folds", target="density", replicates=50)

    assert found.primary == "kappa_quadratic"
    hits = [
        np.mean([row["label"] == max("ABC", key=lambda n, r=row: r[f"score_{n}"]) for row in t.rows.to_dicts()])
        for t in trials
    ]
    assert found.metrics["accuracy"].mean.value == pytest.approx(np.mean(hits))


def test_one_training_has_no_spread() -> None:
    with pytest.raises(SourceError, match=r"1 training given, at least 2"):
        spread_over([Trial(name="a", rows=answers(range(9)))], kind="seeds")
