"""When an answer goes to a reader: limits as plain values that bundles keep and evaluations fit.

`Conformal` says which classes are possible at a score, `Gate` whether a picture is like those of the training. How they
are fitted stands in `mammoscope.evaluation`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mammoscope.calibrators import checked
from mammoscope.errors import BundleError, SourceError, StorageError
from mammoscope.storage import whole_file

REFER = "refer"
YES_OR_NO = ("negative", "positive")
Rows = Literal["one", "all"]
GateKind = Literal["mahalanobis", "neighbours"]
Scores = Float[np.ndarray, "rows *classes"]


class Conformal(BaseModel):
    """A cut for each class; what lies where several answers, or none, are possible is referred to a reader.

    Attributes:
        coverage: The share of sets that hold the truth, at least, as asked for.
        per_class: Whether that holds among the rows of each class apart.
        rows: What it holds for: `one` row drawn of each woman, or `all` rows of a woman at once.
        classes: In their order; `negative` and `positive` of answers of yes or no.
        limits: A class belongs to the answer where 1 - its score is at most its limit; the score of `negative` is
            1 - that of `positive`.
        patients: Women the cuts were fitted on, of each class (one number without `per_class`).
        reason: Why everything is referred, where it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    coverage: float = Field(gt=0, lt=1)
    per_class: bool
    rows: Rows
    classes: tuple[str, ...] = YES_OR_NO
    limits: tuple[float, ...]
    patients: tuple[int, ...]
    reason: str | None = None

    @model_validator(mode="after")
    def _sound(self) -> "Conformal":
        if len(self.limits) != len(self.classes):
            raise ValueError(f"{len(self.limits)} limits of {len(self.classes)} classes")
        return self

    @property
    def sentence(self) -> str:
        """What the answers promise, and on what condition."""
        about = "all her answers hold" if self.rows == "all" else "an answer drawn of hers holds"
        apart = ", among those of each class apart" if self.per_class else ""
        women = " and ".join(f"{count}" for count in self.patients)
        few = "" if self.reason is None else f"; {self.reason}"
        return (
            f"of at least {self.coverage:.0%} of new women {about} the truth{apart}, where they are as if drawn from "
            f"the same pot as the {women} tune women of the cuts; another scanner or population breaks it{few}"
        )

    def sets(self, scores: Scores) -> Bool[np.ndarray, "rows classes"]:
        """Whether each class belongs to the answer; of scores of yes or no, or of a column a class."""
        return strangeness(scores, classes=self.classes) <= np.array(self.limits)

    def calls(self, scores: Scores) -> list[str]:
        """The class where only one is possible, else `refer`."""
        sets = self.sets(scores)
        single = sets.sum(axis=1) == 1
        return [
            self.classes[int(at)] if alone else REFER for at, alone in zip(sets.argmax(axis=1), single, strict=True)
        ]


def strangeness(scores: Scores, *, classes: tuple[str, ...]) -> Float[np.ndarray, "rows classes"]:
    """How far each answer is from the score.

    Raises:
        SourceError: A score is not in [0, 1], or there is not a column a class.

    Example:
        >>> strangeness(np.array([0.25]), classes=("negative", "positive"))
        array([[0.25, 0.75]])
    """
    wide = checked(scores)
    if wide.ndim == 1:
        return np.column_stack([wide, 1.0 - wide])
    if wide.shape[1] != len(classes):
        raise SourceError(f"scores: {wide.shape[1]} columns, and the cuts are of {', '.join(classes)}")
    return np.asarray(1.0 - wide)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gate:
    """A distance to the training pictures, and from where on it is too far.

    Attributes:
        kind: `mahalanobis`, or the distance to the k-th of the nearest `neighbours`.
        centre: Of the training embeddings (for neighbours: zeros).
        whitening: Turns a step from the centre into one of unit spread (for neighbours: what it is divided by).
        known: Training embeddings of unit length, for neighbours; no rows otherwise.
        neighbours: k; 0 for mahalanobis.
        limit: Distances above it are outside.
        inside: Share of pictures of new women within it, as asked for.
    """

    kind: GateKind
    centre: Float[np.ndarray, " features"]
    whitening: Float[np.ndarray, "features features"]
    known: Float[np.ndarray, "known features"]
    neighbours: int
    limit: float
    inside: float

    def distances(self, embeddings: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, " rows"]:
        """How far each embedding is from the training pictures.

        Raises:
            SourceError: The embeddings are not finite, or have another number of features.
        """
        wide = finite(embeddings, features=len(self.centre))
        if self.kind == "mahalanobis":
            return np.asarray(np.linalg.norm((wide - self.centre) @ self.whitening, axis=1))
        from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415 slow, and only this kind takes it

        nearest = NearestNeighbors(n_neighbors=self.neighbours, algorithm="brute").fit(self.known)
        return np.asarray(nearest.kneighbors(unit_length(wide))[0][:, -1])

    def outside(self, embeddings: Float[np.ndarray, "rows features"]) -> Bool[np.ndarray, " rows"]:
        """Whether each embedding is too far from the training pictures to trust its score."""
        return self.distances(embeddings) > self.limit

    def save(self, path: Path) -> None:
        """Write a safetensors file.

        Raises:
            StorageError: The file system refused.
        """
        tensors = {
            "centre": np.ascontiguousarray(self.centre),
            "whitening": np.ascontiguousarray(self.whitening),
            "known": np.ascontiguousarray(self.known),
            "numbers": np.array([self.neighbours, self.limit, self.inside]),
        }
        with whole_file(path) as temporary:
            try:
                save_file(tensors, temporary, metadata={"kind": self.kind})
            except SafetensorError as error:  # it wraps what the file system said
                raise StorageError(f"{path.name}: could not be written ({error}). Make room, then try again") from error


def read_gate(path: Path) -> Gate:
    """Read a gate. Nothing in the file is executed or unpickled.

    Args:
        path: What `Gate.save` wrote.

    Returns:
        The gate.

    Raises:
        BundleError: There is no such file, or it is not a gate.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            kind: Any = (file.metadata() or {}).get("kind")
            found = {name: file.get_tensor(name) for name in ("centre", "whitening", "known", "numbers")}
            neighbours, limit, inside = (float(value) for value in found.pop("numbers"))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise BundleError(f"{path.name}: not a gate ({type(error).__name__}). Fit it again") from error
    features = found["centre"].size
    shapes = {name: one.shape for name, one in found.items()}
    fits = shapes["centre"] == (features,) and shapes["whitening"] == (features, features)
    if kind not in get_args(GateKind) or not fits or found["known"].ndim != 2 or found["known"].shape[1] != features:
        raise BundleError(f"{path.name}: not a gate (kind {kind!r}, arrays of {shapes}). Fit it again")
    return Gate(kind=kind, **found, neighbours=int(neighbours), limit=limit, inside=inside)


def finite(embeddings: Float[np.ndarray, "rows features"], *, features: int) -> Float[np.ndarray, "rows given"]:
    """Embeddings in double precision.

    Raises:
        SourceError: They are not finite, or have another number of features.
    """
    if embeddings.shape[1] != features:
        raise SourceError(f"embeddings: {embeddings.shape[1]} features, where the gate has {features}. Use one network")
    if not np.isfinite(embeddings).all():
        raise SourceError("embeddings: a value is not a finite number. Embed the pictures again")
    return embeddings.astype(np.float64)


def unit_length(embeddings: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, "rows features"]:
    """Embeddings scaled to length 1; one of zeros stays."""
    return np.asarray(embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12))
