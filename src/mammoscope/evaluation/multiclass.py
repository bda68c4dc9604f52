"""Metrics among several classes, for many weightings of the patients at once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from jaxtyping import Float
from scipy import sparse

from mammoscope.errors import RecipeError
from mammoscope.evaluation.calibration_values import CalibrationResult, ClassCalibration, Method
from mammoscope.evaluation.class_samples import ClassSample, class_sample
from mammoscope.evaluation.class_values import ClassEvaluation, Collapse
from mammoscope.evaluation.conformal_values import ClassConformalResult
from mammoscope.evaluation.decisions import rates, share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.probabilities import class_probabilities
from mammoscope.evaluation.ranking import Ranking, counted, ranked, roc_auc
from mammoscope.evaluation.resampled import Statistic, resampled
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.values import UNITS, Unit
from mammoscope.vocabulary import Part

FEW = 10  # rows of a class below which its interval is not to be trusted
COLLAPSED = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "mcc")


def evaluate_classes(
    predictions: pl.DataFrame,
    *,
    classes: Sequence[str],
    positive: Sequence[str] = (),
    unit: Unit = "image",
    calibration: Method | None = None,
    calibration_bins: int = 10,
    coverage: float | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ClassEvaluation:
    """Measure predictions among several classes, such as density A to D, with intervals over patients.

    Nothing is chosen: the call of a row is its `prediction`, or else the class with the highest score.

    Args:
        predictions: As `class_sample` takes them.
        classes: Names, in their order: the weighted kappas read how far apart two of them stand.
        positive: Classes of one group, such as C and D for dense, for the collapse into two; empty: none.
        unit: What a row shall stand for.
        calibration: `temperature`, fitted on the rows of part `tune`; `none` measures the scores as they are; None
            leaves the section out.
        calibration_bins: Of the calibration errors.
        coverage: Of conformal sets, fitted on the rows of part `tune`, in (0, 1); None to make none.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        Every number with its interval, n, positives and patients, and what to know before quoting it.

    Raises:
        SourceError: The table cannot be evaluated; the text names the row.
        RecipeError: A setting is not allowed.

    Source:
        `docs/reference/metrics.md`; Cohen, Weighted kappa, Psychological Bulletin 70 (1968).

    Example:
        >>> rows = pl.DataFrame({"label": list("AABBCC"), "prediction": list("AABCCC"), "patient_id": list("uvwxyz")})
        >>> found = evaluate_classes(rows, classes="ABC", positive="C", replicates=50)
        >>> round(found.test["kappa_linear"].value, 3), found.confusion[1], found.collapse.test["sensitivity"].value
        (0.824, (0, 1, 1), 1.0)
    """
    if unit not in UNITS:
        raise RecipeError(f"unit {unit!r} is not one of {', '.join(UNITS)}")
    strange = [name for name in positive if name not in classes]
    if strange or (positive and len(set(positive)) == len(classes)):
        raise RecipeError(f"positive must be some but not all of the classes, got {', '.join(positive)}")
    if calibration not in {None, "none", "temperature"}:
        raise RecipeError(
            f"calibration {calibration!r} is of yes or no: class by class it would change calls. Of several classes "
            "there are none, temperature"
        )
    sample = class_sample(predictions, classes=classes, unit=unit)
    group = np.array([name in positive for name in sample.classes])
    counts = np.bincount(sample.labels, minlength=len(sample.classes))
    found = resampled(
        sample,
        class_statistic(sample, group=group, majority=int(counts.argmax())),
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons=_Reasons(sample),
    )
    table = _cells(sample).sum(axis=1).reshape(len(sample.classes), -1)
    about: tuple[CalibrationResult[ClassCalibration] | None, ClassConformalResult | None] = (None, None)
    if sample.scores is not None and (calibration is not None or coverage is not None):
        about = class_probabilities(
            _tuned(predictions, classes=sample.classes, unit=unit),
            test=sample,
            method=calibration or "none",
            bins=calibration_bins,
            coverage=coverage,
            drawn={"replicates": replicates, "seed": seed, "confidence": confidence},
        )
    return ClassEvaluation(
        classes=sample.classes,
        unit=unit,
        aggregation="each image by itself" if unit == "image" else f"mean of the {unit}'s images, class by class",
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        test=_chosen(found, "", positives=len(sample.labels)),
        per_class={
            name: _chosen(found, f"{name}/", positives=int(count))
            for name, count in zip(sample.classes, counts, strict=True)
        },
        confusion=tuple(tuple(int(cell) for cell in row) for row in table),
        confusion_normalised=tuple(
            tuple(float(cell / row.sum()) if row.sum() else None for cell in row) for row in table
        ),
        majority=sample.classes[int(counts.argmax())],
        collapse=Collapse(
            positive=tuple(positive), test=_chosen(found, "collapse/", positives=int(counts[group].sum()))
        )
        if len(positive)
        else None,
        calibration=about[0],
        conformal=about[1],
        warnings=tuple(_warnings(sample, counts)),
    )


def _tuned(predictions: pl.DataFrame, *, classes: tuple[str, ...], unit: Unit) -> ClassSample | None:
    """The tune part; None where the table has none."""
    if "part" not in predictions.columns or not (predictions["part"].cast(pl.String) == Part.TUNE.value).any():
        return None
    return class_sample(predictions, classes=classes, unit=unit, part=Part.TUNE)


def kappa(
    cells: Float[np.ndarray, "classes classes columns"], *, distance: Float[np.ndarray, "classes classes"]
) -> Float[np.ndarray, " columns"]:
    """Agreement beyond chance of weighted counts; NaN where chance alone would agree.

    Args:
        cells: Rows by true and by called class.
        distance: How much each disagreement counts; 0 on the diagonal.

    Returns:
        1 minus observed by expected disagreement.

    Source:
        Cohen, Weighted kappa, Psychological Bulletin 70 (1968), equation 5; `cohen_kappa_score` of scikit-learn.
    """
    true, called, rows = cells.sum(axis=1), cells.sum(axis=0), cells.sum(axis=(0, 1))
    observed = np.einsum("ij,ijc->c", distance, cells) * rows
    expected = np.einsum("ij,ic,jc->c", distance, true, called)
    agreed: Float[np.ndarray, " columns"] = 1.0 - share(observed, expected)
    return agreed


def distances(count: int) -> dict[str, Float[np.ndarray, "classes classes"]]:
    """Unweighted, linear and quadratic distance of classes that stand in an order."""
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.float64)
    return {"kappa": np.sign(apart), "kappa_linear": apart, "kappa_quadratic": apart**2}


class _Reasons(dict[str, str]):
    """Why a number of this sample is not defined, by its name."""

    def __init__(self, sample: ClassSample) -> None:
        absent = [name for number, name in enumerate(sample.classes) if number not in sample.labels]
        said = f"no row of class {absent[0]}" if absent else "not defined on these rows"
        whole = dict.fromkeys(("macro_auc", "macro_f1", "balanced_accuracy"), said)
        super().__init__(whole)
        for name in sample.classes:
            self[f"{name}/auc"] = self[f"{name}/sensitivity"] = f"rows of class {name} only, or none of it"
            self[f"{name}/ppv"] = f"nobody was called {name}"
            self[f"{name}/f1"] = f"class {name} neither occurs nor is called"
        for name in distances(len(sample.classes)):
            self[name] = "one class only, in labels and calls: nothing to agree on beyond chance"


def class_statistic(sample: ClassSample, *, group: np.ndarray, majority: int) -> Statistic:
    """Every metric of a sample as a function of how often each patient counts."""
    size = len(sample.classes)
    cells = sparse.csr_matrix(_cells(sample))
    rankings = {} if sample.scores is None else class_rankings(sample, group)

    def of(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        table = (cells @ weights).reshape(size, size, -1)
        aucs = {name: roc_auc(counted(ranking, weights=weights)) for name, ranking in rankings.items()}
        found = _of_table(table, classes=sample.classes)
        if aucs:
            found["macro_auc"] = np.mean([aucs[f"{name}/auc"] for name in sample.classes], axis=0)
        found["majority_accuracy"] = share(table[majority].sum(axis=0), table.sum(axis=(0, 1)))
        if group.any():
            found |= _of_collapse(table, group)
        return found | aucs

    return of


def _of_table(
    table: Float[np.ndarray, "classes classes columns"], *, classes: tuple[str, ...]
) -> dict[str, Float[np.ndarray, " columns"]]:
    true, called, hit = table.sum(axis=1), table.sum(axis=0), np.einsum("iic->ic", table)
    sensitivity, ppv = share(hit, true), share(hit, called)
    f1 = share(2.0 * hit, true + called)
    each = {
        f"{name}/{metric}": values[number]
        for number, name in enumerate(classes)
        for metric, values in (("sensitivity", sensitivity), ("ppv", ppv), ("f1", f1))
    }
    return {
        "accuracy": share(hit.sum(axis=0), table.sum(axis=(0, 1))),
        "balanced_accuracy": sensitivity.mean(axis=0),
        "macro_f1": f1.mean(axis=0),
        **{name: kappa(table, distance=distance) for name, distance in distances(len(classes)).items()},
        **each,
    }


def _of_collapse(
    table: Float[np.ndarray, "classes classes columns"], group: np.ndarray
) -> dict[str, Float[np.ndarray, " columns"]]:
    two = np.stack([np.stack([table[a][:, b].sum(axis=(0, 1)) for b in (group, ~group)]) for a in (group, ~group)])
    found = rates(np.stack([two[0, 0], two[1, 0], two[0, 1], two[1, 1]]))
    agreed = kappa(two, distance=distances(2)["kappa"])
    return {f"collapse/{name}": found[name] for name in COLLAPSED} | {"collapse/kappa": agreed}


def class_rankings(sample: ClassSample, group: np.ndarray) -> dict[str, Ranking]:
    """One against the rest; the smaller side is ranked, which is the same area."""
    scores = sample.scores if sample.scores is not None else np.empty((0, 0))
    found = {
        f"{name}/auc": _ranking(sample, sample.labels == number, scores[:, number])
        for number, name in enumerate(sample.classes)
    }
    if group.any():
        found["collapse/auc"] = _ranking(sample, group[sample.labels], scores[:, group].sum(axis=1))
    return found


def _ranking(sample: ClassSample, labels: np.ndarray, scores: np.ndarray) -> Ranking:
    turn = 2 * int(labels.sum()) > len(labels)
    return ranked(
        Sample(
            labels=~labels if turn else labels,
            scores=-scores if turn else scores,
            patients=sample.patients,
            patient_count=sample.patient_count,
        )
    )


def _cells(sample: ClassSample) -> Float[np.ndarray, "cells patients"]:
    """Each patient's rows by true and called class."""
    size = len(sample.classes)
    place = (sample.labels * size + sample.calls) * sample.patient_count + sample.patients
    flat = np.bincount(place, minlength=size * size * sample.patient_count)
    return flat.astype(np.float64).reshape(size * size, sample.patient_count)


def _chosen(found: dict[str, Estimate], prefix: str, *, positives: int) -> dict[str, Estimate]:
    """Those of one group, under their plain names."""
    return {
        name.removeprefix(prefix): replace(estimate, positives=positives)
        for name, estimate in found.items()
        if (name.startswith(prefix) if prefix else "/" not in name)
    }


def _warnings(sample: ClassSample, counts: np.ndarray) -> list[str]:
    few = [f"class {name}: {count} rows" for name, count in zip(sample.classes, counts, strict=True) if count < FEW]
    found = (
        [f"{', '.join(few)}; with fewer than {FEW} of a class its intervals are too narrow to be trusted"]
        if few
        else []
    )
    if len(set(sample.calls)) == 1:
        found.append(f"every row is called {sample.classes[int(sample.calls[0])]}: the model tells nothing apart")
    if sample.scores is not None:
        if (np.ptp(sample.scores, axis=0) == 0).all():
            found.append("every row has the same scores: the model tells nothing apart")
        if np.abs(sample.scores.sum(axis=1) - 1.0).max() > 0.01:
            found.append("the scores of a row do not sum to 1: read them class by class, not as probabilities")
    return found
