"""Permutation importance: how much worse the answers get when one input is taken from other patients."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int

from mammoscope.errors import SourceError
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.ranking import counted, ranked, roc_auc
from mammoscope.evaluation.resampled import estimate_of
from mammoscope.evaluation.resampling import patient_draws
from mammoscope.evaluation.samples import Sample
from mammoscope.explain.seen import Seen, answers_to
from mammoscope.models import UNKNOWN, Classifier, Task

PICTURE = "picture"
"""Name of the input that is no column: all pictures of a sample as a whole."""

EVERY = "all classes"
TINY = 1e-7  # a chance below it counts as this, so that its logarithm is finite


def rows_of_others(
    patients: Int[np.ndarray, " samples"], *, generator: np.random.Generator
) -> Int[np.ndarray, " samples"]:
    """For each sample the sample whose value it is given: all samples of a patient get theirs from one patient.

    Patients are exchanged as a whole, so that samples of one patient stay as alike as they were. Where the other
    patient has fewer samples theirs are repeated, where she has more some are left out, in random order.

    Args:
        patients: Number of each sample's patient.
        generator: Draws.

    Example:
        >>> rows_of_others(np.array([0, 0, 1, 1]), generator=np.random.default_rng(3)).tolist()
        [2, 3, 0, 1]
    """
    _, number = np.unique(patients, return_inverse=True)
    rows = [np.flatnonzero(number == one) for one in range(int(number.max()) + 1)]
    taken = np.empty(len(patients), dtype=np.int64)
    for own, other in zip(rows, generator.permutation(len(rows)), strict=True):
        order = generator.permutation(rows[other])
        taken[own] = order[np.arange(len(own)) % len(order)]
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """What one input is worth.

    Attributes:
        task: Which question.
        of: Name of the class, or `all classes`.
        measure: `auc` (its fall) or `log_loss` (its rise).
        name: Of the input.
        before: The measure with all inputs as they are.
        fall: How much worse without it, the mean over the repeats; above 0 the input helps.
        spread: Standard deviation over the repeats; None of one repeat.
    """

    task: str
    of: str
    measure: str
    name: str
    before: Estimate
    fall: Estimate
    spread: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def permutation_importance(
    network: Classifier,
    seen: Seen,
    *,
    labels: Int[np.ndarray, "samples tasks"],
    patients: Int[np.ndarray, " samples"],
    columns: Mapping[str, Sequence[int]],
    repeats: int = 10,
    seed: int = 0,
    replicates: int = 500,
    confidence: float = 0.95,
) -> list[Fall]:
    """How much worse a network answers when a clinical column, or the picture, comes from other patients.

    Args:
        network: In evaluation mode.
        seen: What it made of the pictures.
        labels: Class of each sample, one column a task; below 0 unknown.
        patients: Number of each sample's patient.
        columns: Name of each clinical column to its encoded columns, which are moved together.
        repeats: How often each input is moved.
        seed: Of the exchanges and the replicates.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals.

    Returns:
        Task by task, class by class, AUC and log loss; of two classes the positive one only. The interval is of the
        mean over the repeats: it says what other patients would do to it, `spread` what another exchange would.

    Raises:
        SourceError: There is one patient only.

    Source:
        Breiman, Machine Learning 45 (2001), section 10; Fisher, Rudin and Dominici, JMLR 20:177 (2019), equation 3.
        Exchanged are patients, for samples of one patient are not independent.
    """
    _, number = np.unique(patients, return_inverse=True)
    count = int(number.max()) + 1 if len(number) else 0
    if count < 2:
        raise SourceError(
            f"{count} patient: inputs are exchanged between patients, and two are needed. Use another part"
        )
    generator = np.random.default_rng(seed)
    orders = [rows_of_others(number, generator=generator) for _ in range(repeats)]
    draws = [np.ones((count, 1)), *patient_draws(count, replicates=replicates, seed=seed)]
    measures = [
        one for at, task in enumerate(network.tasks) for one in _measures(task, at, labels[:, at], number, count)
    ]
    before = answers_to(network, seen)
    found: dict[tuple[int, str], list[np.ndarray]] = {}
    plain = [one.values(before, draws) for one in measures]
    for name in (*columns, PICTURE):
        for order in orders:
            after = answers_to(network, _exchanged(seen, columns.get(name), order))
            for at, one in enumerate(measures):
                found.setdefault((at, name), []).append(one.sign * (one.values(after, draws) - plain[at]))
    return [
        _fall(one, name, before=plain[at], falls=np.stack(found[at, name]), confidence=confidence)
        for at, one in enumerate(measures)
        for name in (*columns, PICTURE)
    ]


def _exchanged(seen: Seen, columns: Sequence[int] | None, order: np.ndarray) -> Seen:
    """Some clinical columns, or the pictures, as other samples have them."""
    rows = torch.from_numpy(order)
    if columns is None:
        return Seen(
            vectors=tuple(one[rows] for one in seen.vectors),
            read=None if seen.read is None else tuple(one[rows] for one in seen.read),
            clinical=seen.clinical,
            precision=seen.precision,
        )
    if seen.clinical is None:
        raise SourceError("clinical columns are named, and none were given. Encode them as the bundle says")
    clinical = seen.clinical.clone()
    clinical[:, list(columns)] = seen.clinical[rows][:, list(columns)]
    return Seen(vectors=seen.vectors, read=seen.read, clinical=clinical, precision=seen.precision)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measure:
    """One number of one class, for many weightings of the patients."""

    task: Task
    at: int
    of: str
    measure: str
    rows: Int[np.ndarray, " known"]
    labels: Int[np.ndarray, " known"]
    patients: Int[np.ndarray, " known"]
    count: int

    @property
    def sign(self) -> float:
        """A fall of AUC and a rise of log loss are both worse."""
        return -1.0 if self.measure == "auc" else 1.0

    def sample(self, scores: Float64[np.ndarray, " known"] | None = None) -> Sample:
        """Rows of the class against all others."""
        hits = self.labels > 0 if self.of == EVERY else self.labels == self.task.classes.index(self.of)
        given = np.zeros(len(hits)) if scores is None else scores
        return Sample(labels=hits, scores=given, patients=self.patients, patient_count=self.count)

    def values(
        self, answers: Sequence[np.ndarray], draws: Iterable[Float64[np.ndarray, "patients _"]]
    ) -> Float64[np.ndarray, " weightings"]:
        """One number a weighting, the first with all patients alike; NaN where it is not defined."""
        chances = answers[self.at][self.rows]
        if self.measure == "auc":
            ranking = ranked(self.sample(chances[:, self.task.classes.index(self.of)]))
            return np.concatenate([roc_auc(counted(ranking, weights=weights)) for weights in draws])
        loss = -np.log(np.clip(chances[np.arange(len(chances)), self.labels], TINY, 1.0))
        sums = np.bincount(self.patients, weights=loss, minlength=self.count)
        sizes = np.bincount(self.patients, minlength=self.count).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.concatenate([(sums @ weights) / (sizes @ weights) for weights in draws])


def _measures(task: Task, at: int, labels: np.ndarray, patients: np.ndarray, count: int) -> Iterator[_Measure]:
    rows = np.flatnonzero(labels != UNKNOWN)
    about: dict[str, Any] = {"task": task, "at": at, "rows": rows, "labels": labels[rows], "patients": patients[rows]}
    for of in task.classes[1:] if task.kind == "binary" else task.classes:
        yield _Measure(of=of, measure="auc", count=count, **about)
    yield _Measure(of=EVERY, measure="log_loss", count=count, **about)


def _fall(one: _Measure, name: str, *, before: np.ndarray, falls: np.ndarray, confidence: float) -> Fall:
    mean = falls.mean(axis=0) + 0.0  # no minus zero
    sample, reason = one.sample(), "single class"

    def estimated(values: np.ndarray) -> Estimate:
        return estimate_of(sample, float(values[0]), values[1:], confidence=confidence, reason=reason)

    spread = float(falls[:, 0].std(ddof=1)) if len(falls) > 1 and not np.isnan(falls[:, 0]).any() else None
    return Fall(
        task=one.task.name,
        of=one.of,
        measure=one.measure,
        name=name,
        before=estimated(before),
        fall=estimated(mean),
        spread=spread,
    )
