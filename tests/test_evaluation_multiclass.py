"""Several classes: against scikit-learn on the same draws, properties, refusals."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import evaluate_classes, patient_draws
from mammoscope.evaluation.class_samples import class_sample
from mammoscope.evaluation.multiclass import class_statistic, distances, kappa

ABCD = ("A", "B", "C", "D")


def density(rows: int = 300, *, patients: int = 60, seed: int = 0, digits: int = 6) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    woman = np.concatenate([np.arange(patients), rng.integers(0, patients, rows - patients)])
    truth = rng.choice(4, size=patients, p=[0.1, 0.4, 0.4, 0.1])[woman]
    logit = rng.normal(size=(rows, 4)) - 0.7 * np.abs(np.arange(4) - truth[:, None])
    scores = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    return pl.DataFrame(
        {
            "image_id": [str(number) for number in range(rows)],
            "patient_id": [f"{number:03}" for number in woman],
            "exam_id": [f"e{number:03}" for number in woman],
            "label": [ABCD[number] for number in truth],
            **{f"score_{name}": np.round(scores[:, k], digits) for k, name in enumerate(ABCD)},
        }
    )


def by_sklearn(labels: np.ndarray, calls: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    dense, called_dense = labels >= 2, calls >= 2
    return {
        "accuracy": metrics.accuracy_score(labels, calls),
        "balanced_accuracy": metrics.recall_score(labels, calls, labels=range(4), average="macro"),
        "macro_f1": metrics.f1_score(labels, calls, labels=range(4), average="macro"),
        "kappa": metrics.cohen_kappa_score(labels, calls, labels=range(4)),
        "kappa_linear": metrics.cohen_kappa_score(labels, calls, labels=range(4), weights="linear"),
        "kappa_quadratic": metrics.cohen_kappa_score(labels, calls, labels=range(4), weights="quadratic"),
        "macro_auc": metrics.roc_auc_score(labels, scores, multi_class="ovr", labels=range(4)),
        "majority_accuracy": np.mean(labels == 1),
        **{f"{name}/auc": metrics.roc_auc_score(labels == k, scores[:, k]) for k, name in enumerate(ABCD)},
        **{f"{name}/sensitivity": metrics.recall_score(labels == k, calls == k) for k, name in enumerate(ABCD)},
        **{f"{name}/ppv": metrics.precision_score(labels == k, calls == k) for k, name in enumerate(ABCD)},
        **{f"{name}/f1": metrics.f1_score(labels == k, calls == k) for k, name in enumerate(ABCD)},
        "collapse/auc": metrics.roc_auc_score(dense, scores[:, 2:].sum(axis=1)),
        "collapse/accuracy": metrics.accuracy_score(dense, called_dense),
        "collapse/balanced_accuracy": metrics.balanced_accuracy_score(dense, called_dense),
        "collapse/sensitivity": metrics.recall_score(dense, called_dense),
        "collapse/specificity": metrics.recall_score(~dense, ~called_dense),
        "collapse/ppv": metrics.precision_score(dense, called_dense),
        "collapse/npv": metrics.precision_score(~dense, ~called_dense),
        "collapse/f1": metrics.f1_score(dense, called_dense),
        "collapse/mcc": metrics.matthews_corrcoef(dense, called_dense),
        "collapse/kappa": metrics.cohen_kappa_score(dense, called_dense),
    }


@pytest.mark.parametrize("digits", [6, 1])
def test_every_metric_of_every_replicate_equals_scikit_learn_on_the_same_draws(digits: int) -> None:
    sample = class_sample(density(digits=digits), classes=ABCD)
    majority = int(np.bincount(sample.labels).argmax())
    statistic = class_statistic(sample, group=np.array([False, False, True, True]), majority=majority)
    draws = next(iter(patient_draws(sample.patient_count, replicates=12, seed=1)))

    found = statistic(draws)

    for column, counts in enumerate(draws.T):
        rows = np.repeat(np.arange(len(sample.labels)), counts[sample.patients].astype(int))
        softmax = sample.scores[rows]
        if digits == 1:  # rounded scores do not sum to 1, which scikit-learn asks for
            expected = by_sklearn(sample.labels[rows], sample.calls[rows], np.eye(4)[sample.calls[rows]])
            expected = {name: value for name, value in expected.items() if "auc" not in name}
            for k, name in enumerate(ABCD):
                expected[f"{name}/auc"] = metrics.roc_auc_score(sample.labels[rows] == k, softmax[:, k])
        else:
            scaled = softmax / softmax.sum(axis=1, keepdims=True)
            expected = by_sklearn(sample.labels[rows], sample.calls[rows], scaled)
            for name in [name for name in expected if "auc" in name]:
                assert found[name][column] == pytest.approx(expected.pop(name), abs=1e-4), name
        expected["majority_accuracy"] = np.mean(sample.labels[rows] == majority)
        for name, value in expected.items():
            assert found[name][column] == pytest.approx(value, abs=1e-9), name


def test_a_worked_table_of_kappas() -> None:
    """Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, table 18.1: 0.68 of two raters."""
    table = np.array([[0.75, 0.01, 0.04], [0.05, 0.04, 0.01], [0.00, 0.00, 0.10]])[:, :, None]

    found = kappa(table, distance=distances(3)["kappa"])[0]

    assert found == pytest.approx(0.676, abs=5e-4)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 5)), min_size=2, max_size=25))
@settings(max_examples=50)
def test_order_of_rows_and_names_of_classes_change_nothing(rows: list[tuple[int, int, int]]) -> None:
    def measured(made: list[tuple[int, int, int]], names: str) -> dict:
        table = pl.DataFrame(
            {
                "label": [names[a] for a, _, _ in made],
                "prediction": [names[b] for _, b, _ in made],
                "patient_id": [str(c) for _, _, c in made],
            }
        )
        found = evaluate_classes(table, classes=names, replicates=8)
        return {name: (e.value, e.low, e.high, e.undefined) for name, e in found.test.items()}

    first, second = measured(rows, "abc"), measured(rows[::-1], "xyz")

    for name, one in first.items():
        assert one == pytest.approx(second[name], abs=1e-12), name


def test_a_number_names_what_it_rests_on_and_the_table_adds_up() -> None:
    rows = density()

    found = evaluate_classes(rows, classes=ABCD, positive=("C", "D"), replicates=100)

    confusion = np.array(found.confusion)
    assert confusion.sum() == found.test["accuracy"].n == 300
    assert [e["auc"].positives for e in found.per_class.values()] == confusion.sum(axis=1).tolist()
    assert found.collapse.test["auc"].positives == confusion[2:].sum()
    assert np.diag(found.confusion_normalised) == pytest.approx(
        [e["sensitivity"].value for e in found.per_class.values()]
    )
    assert found.test["kappa_quadratic"].low < found.test["kappa_quadratic"].value < found.test["kappa_quadratic"].high
    assert found.test["accuracy"].patients == 60
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["classes"] == list(ABCD)


def test_an_exam_is_the_mean_of_its_images() -> None:
    rows = density()
    scored = [f"score_{name}" for name in ABCD]
    exams = rows.group_by("exam_id").agg(pl.col("label").first(), pl.col(scored).mean())

    found = evaluate_classes(rows, classes=ABCD, unit="exam", replicates=20)

    calls = exams.select(scored).to_numpy().argmax(axis=1)
    labels = np.array([ABCD.index(name) for name in exams["label"]])
    assert found.test["accuracy"].n == 60
    assert found.test["kappa_linear"].value == pytest.approx(metrics.cohen_kappa_score(labels, calls, weights="linear"))


def test_calls_alone_have_no_auc_and_a_class_that_does_not_occur_has_its_reason() -> None:
    rows = pl.DataFrame({"label": list("AABB"), "prediction": list("AACB"), "patient_id": list("wxyz")})

    found = evaluate_classes(rows, classes=ABCD, replicates=10)

    assert "macro_auc" not in found.test
    assert found.per_class["C"]["sensitivity"].value is None
    assert found.per_class["C"]["ppv"].value == 0
    assert found.test["balanced_accuracy"].reason == "no row of class C"
    assert found.confusion_normalised[3] == (None, None, None, None)
    assert "class D: 0 rows; with fewer than 10 of a class" in "; ".join(found.warnings)
    assert all(e.value is not None or e.reason for e in found.test.values())


def test_a_model_that_says_one_class_is_told_of_and_agrees_by_chance() -> None:
    rows = pl.DataFrame({"label": list("AABB"), "prediction": ["A"] * 4, "patient_id": list("wxyz")})

    found = evaluate_classes(rows, classes=("A", "B"), replicates=10)

    assert found.test["kappa"].value == 0
    assert found.test["accuracy"].value == found.test["majority_accuracy"].value == 0.5
    assert "every row is called A: the model tells nothing apart" in found.warnings


def test_a_single_class_has_no_kappa() -> None:
    rows = pl.DataFrame({"label": ["A"] * 3, "prediction": ["A"] * 3, "patient_id": list("xyz")})

    found = evaluate_classes(rows, classes=("A", "B"), replicates=10)

    assert found.test["kappa"].value is None
    assert "nothing to agree on" in found.test["kappa"].reason


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop("label"), r"columns \['label'\] are missing"),
        (lambda t: t.drop("score_C"), r"columns \['score_C'\] are missing. Write them, or leave all scores out"),
        (lambda t: t.drop([f"score_{name}" for name in ABCD]), "neither columns score_<class> nor a column prediction"),
        (lambda t: t.with_columns(score_A=pl.col("score_A") * 3), r"score_A .* is not a number in \[0, 1\]"),
        (lambda t: t.with_columns(score_A=pl.lit(float("nan"))), r"row 1: score_A nan is not .*\(and 299 more rows\)"),
        (lambda t: t.with_columns(label=pl.lit("E")), r"row 1: label 'E' is not one of A, B, C, D"),
        (lambda t: t.with_columns(label=pl.lit(None)), r"label None is not one of"),
        (lambda t: t.with_columns(prediction=pl.lit("fatty")), r"prediction 'fatty' is not one of A, B, C, D"),
        (lambda t: t.with_columns(patient_id=pl.lit("")), r"patient_id '' is empty"),
        (lambda t: t.with_columns(image_id=pl.lit("1")), r"image_id '1' stands twice"),
        (lambda t: t.with_columns(part=pl.lit("tune")), "no row of part 'test'"),
        (
            lambda t: t.with_columns(part=pl.Series(["tune"] + ["test"] * 299)),
            r"patients in several parts: 000 \(test and tune\)",
        ),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_measured_is_refused(change, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        evaluate_classes(change(density()), classes=ABCD, replicates=5)


def test_images_of_one_exam_with_two_labels_are_refused() -> None:
    rows = density().with_columns(
        pl.when(pl.col("image_id") == "0").then(pl.lit("A")).otherwise("label").alias("label")
    )
    rows = rows.with_columns(pl.when(pl.col("image_id") == "1").then(pl.lit("D")).otherwise("label").alias("label"))

    with pytest.raises(SourceError, match=r"exam .*: its images are labelled . and . .*measure per image"):
        evaluate_classes(rows, classes=ABCD, unit="exam", replicates=5)
    with pytest.raises(SourceError, match="breast_id is unknown for every image"):
        evaluate_classes(rows, classes=ABCD, unit="breast", replicates=5)


@pytest.mark.parametrize(
    ("classes", "positive", "says"),
    [
        (("A",), (), "two or more different names, got A"),
        (("A", "A"), (), "two or more different names"),
        (ABCD, ("E",), "some but not all of the classes, got E"),
        (ABCD, ABCD, "some but not all"),
    ],
)
def test_classes_that_mean_nothing_are_refused(classes: tuple, positive: tuple, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        evaluate_classes(density(), classes=classes, positive=positive, replicates=5)
