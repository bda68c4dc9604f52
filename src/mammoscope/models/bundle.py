"""A trained model as a folder that can be given away: weights, and all it takes to use them rightly.

```
bundle/
  bundle.json         what `Manifest` holds
  model.safetensors   the weights
  gate.safetensors    distance to the training pictures, where the recipe asked for it
  README.md           model card
```

Of the manifest `conformal` and `gate_sha256` came later: a bundle without them is read as one that has neither.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file

from mammoscope.calibrators import Calibrator
from mammoscope.errors import BundleError
from mammoscope.images import PIXELS_VERSION, Mammogram, Preprocess
from mammoscope.images.grey import to_grey
from mammoscope.models.clinical import ClinicalEncoding, encode
from mammoscope.models.config import ModelConfig
from mammoscope.models.estimators.base import part_of
from mammoscope.models.estimators.fitting import restore_estimator
from mammoscope.models.estimators.settings import EstimatorConfig
from mammoscope.models.inputs import Inputs, to_input
from mammoscope.models.network import MALIGNANT, Classifier, Design, build
from mammoscope.models.scoring import Precision, Turn, autocast, score, score_and_embed
from mammoscope.models.tasks import Task
from mammoscope.models.weights import save_tensors
from mammoscope.referral import YES_OR_NO, Conformal, Gate, read_gate
from mammoscope.storage import write_text
from mammoscope.vocabulary import view_number

FORMAT = "2"
GATE = "gate.safetensors"
WEIGHTS = "model.safetensors"

Sample = Mammogram | Sequence[Mammogram]
"""What one answer is about: a mammogram, or all of a breast or exam."""


class Manifest(BaseModel):
    """Everything about a trained model but its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["2"] = "2"
    name: str
    tasks: tuple[Task, ...] = Field(default=(MALIGNANT,), min_length=1, description="the main task first")
    unit: Literal["image", "lesion", "breast", "exam"] = Field(default="image", description="what one answer is about")
    meaning: str = Field(description="what a score near 1 says")
    model: ModelConfig
    clinical: ClinicalEncoding | None = Field(default=None, description="columns it reads beside pictures")
    estimator: EstimatorConfig | None = Field(default=None, description="what answers in place of the last layer")
    preprocess: Preprocess
    precision: Precision = "float32"
    turns: tuple[Turn, ...] = Field(default=(), description="the answer is the mean over the pictures so turned, too")
    pixels_version: str = PIXELS_VERSION
    threshold: float | None = Field(
        default=None, ge=0, lt=1.001, description="scores at or above it are called positive; just above 1: none is"
    )
    threshold_rule: str | None = Field(default=None, description="how it was chosen, on the tune part")
    calibrator: Calibrator | None = Field(default=None, description="from scores to probabilities, fitted on tune")
    calibrated_at: float | None = Field(default=None, description="share of positive tune images: they hold there")
    conformal: Conformal | None = Field(default=None, description="which classes are possible at a score, by tune")
    gate_sha256: str | None = Field(default=None, description="of gate.safetensors; None: the bundle has no gate")
    weights_sha256: str = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict, description="sources, split, fingerprint")
    code: dict[str, Any] = Field(default_factory=dict, description="versions")
    results: dict[str, Any] = Field(default_factory=dict, description="measured on the test part")

    @model_validator(mode="after")
    def _of_its_classes(self) -> "Manifest":
        classes = YES_OR_NO if self.tasks[0].kind == "binary" else self.tasks[0].classes
        if self.conformal is not None and self.conformal.classes != classes:
            told = ", ".join(self.conformal.classes)
            raise ValueError(f"conformal limits of {told}, and the answer is one of {', '.join(classes)}")
        return self

    @property
    def is_control(self) -> bool:
        """Whether its labels were exchanged between patients: its answers mean nothing, and shall not be used."""
        return self.recipe.get("permute_labels") is not None

    @property
    def design(self) -> Design:
        """What decides the shape of the network."""
        size = {"rows": self.preprocess.rows, "cols": self.preprocess.cols}
        columns = 0 if self.clinical is None else len(self.clinical.names)
        return Design(
            model=self.model, tasks=self.tasks, bags=self.unit in {"breast", "exam"}, clinical=columns, **size
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How far a sample is from the training pictures.

    Attributes:
        distance: Of its vector, as the gate measures it.
        limit: Of the gate; farther than that is outside.
    """

    distance: float
    limit: float

    @property
    def outside(self) -> bool:
        """Whether it is too far for its score to be trusted."""
        return not self.distance <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A trained model ready to use.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from mammoscope.models import SimpleCnn
        >>> manifest = Manifest(
        ...     name="tiny",
        ...     meaning="malignant",
        ...     model=SimpleCnn(channels=(4,)),
        ...     preprocess=Preprocess(rows=32, cols=32),
        ... )
        >>> bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))
        >>> with TemporaryDirectory() as folder:
        ...     bundle.save_pretrained(Path(folder))
        ...     Bundle.from_pretrained(Path(folder)).manifest.name
        'tiny'
    """

    manifest: Manifest
    network: Classifier
    gate: Gate | None = None

    def predict(self, samples: Sequence[Sample], *, clinical: pl.DataFrame | None = None) -> np.ndarray:
        """Answers of the main task to mammograms read with `manifest.preprocess`.

        Args:
            samples: What `read_mammogram(file, preprocess=bundle.manifest.preprocess)` gave; where the unit is a breast
                or an exam, a list of them for each.
            clinical: One row a sample, with the columns that the bundle reads beside pictures; an empty cell is
                unknown. All unknown when not given.

        Returns:
            One score in [0, 1] each, of the positive class; where there are more than two, one column a class.

        Raises:
            BundleError: A sample is a list where it should not be, or the other way round.
            SourceError: A clinical column is missing, or a cell is not of its type.
        """
        found = self.probabilities(samples, clinical=clinical)[0]
        return found[:, 1] if self.manifest.tasks[0].kind == "binary" else found

    def probabilities(self, samples: Sequence[Sample], *, clinical: pl.DataFrame | None = None) -> list[np.ndarray]:
        """Probability of each class for every task of the manifest, `samples classes` each; see `predict`."""
        manifest = self.manifest
        return score(self.network, self._read(samples, clinical), precision=manifest.precision, turns=manifest.turns)

    def answer(
        self, sample: Sample, *, clinical: pl.DataFrame | None = None
    ) -> tuple[Float[np.ndarray, " classes"], Likeness | None]:
        """Probabilities of the main task, and how like the training pictures a sample is; the network runs once.

        Args:
            sample: One of those that `predict` takes.
            clinical: Its row, as for `predict`.

        Returns:
            One probability a class; and the distance, None where the bundle has no gate.

        Raises:
            BundleError: It is a list where it should not be, or the other way round.
            SourceError: A clinical column is missing, or the network gives no finite number.
        """
        if self.gate is None:
            return self.probabilities([sample], clinical=clinical)[0][0], None
        found, vectors = score_and_embed(
            self.network,
            self._read([sample], clinical),
            precision=self.manifest.precision,
            turns=self.manifest.turns,
        )
        return found[0][0], Likeness(distance=float(self.gate.distances(vectors)[0]), limit=self.gate.limit)

    def embeddings(
        self, samples: Sequence[Sample], *, layer: str = "pooled", clinical: pl.DataFrame | None = None
    ) -> Float[np.ndarray, "samples values"]:
        """What a layer says of each sample.

        Args:
            samples: As for `predict`.
            layer: As `Classifier.embedding` takes it.
            clinical: As for `predict`.

        Returns:
            One row a sample.

        Raises:
            BundleError: A sample is a list where it should not be, or the other way round.
            RecipeError: There is no such layer.
            SourceError: A clinical column is missing, or a cell is not of its type.
        """
        device = next(self.network.parameters()).device
        with torch.inference_mode(), autocast(device, self.manifest.precision):
            rows = [
                self.network.embedding(one.placed(device), layer=layer).float().cpu()
                for one in self._read(samples, clinical)
            ]
        return torch.cat(rows).numpy()

    def _read(self, samples: Sequence[Sample], clinical: pl.DataFrame | None) -> Iterator[Inputs]:
        """One sample after the other, as the network reads it."""
        manifest, columns = self.manifest, None
        if manifest.clinical is not None:
            empty = {column.column: [None] * len(samples) for column in manifest.clinical.columns}
            table = pl.DataFrame(empty) if clinical is None else clinical
            columns = torch.from_numpy(encode(manifest.clinical, table))
        for at, sample in enumerate(samples):
            yield self._input(sample)._replace(clinical=None if columns is None else columns[at : at + 1])

    def _input(self, sample: Sample) -> Inputs:
        bag = not isinstance(sample, Mammogram)
        if bag != self.manifest.design.bags:
            wanted = "a list of mammograms" if self.manifest.design.bags else "one mammogram"
            raise BundleError(f"{self.manifest.name}: a sample is {wanted}, for it answers per {self.manifest.unit}")
        mammograms = [sample] if isinstance(sample, Mammogram) else list(sample)
        pixels = to_input([to_grey(one.pixels, bits=self.manifest.preprocess.bits) for one in mammograms])
        if not bag:
            return Inputs(pixels)
        codes = torch.tensor([[view_number(one.laterality, one.view) for one in mammograms]])
        return Inputs(pixels.unsqueeze(0), torch.ones_like(codes, dtype=torch.bool), codes)

    def save_pretrained(self, folder: Path) -> None:
        """Write the bundle; each file whole, the manifest last.

        Raises:
            StorageError: The file system refused.
        """
        save_tensors(self.network.state_dict(), path=folder / WEIGHTS)
        digest, gated = _sha256(folder / WEIGHTS), None
        if self.gate is None:
            (folder / GATE).unlink(missing_ok=True)
        else:
            self.gate.save(folder / GATE)
            gated = _sha256(folder / GATE)
        manifest = self.manifest.model_copy(update={"weights_sha256": digest, "gate_sha256": gated})
        write_text(folder / "README.md", model_card(manifest))
        write_text(folder / "bundle.json", manifest.model_dump_json(indent=2))

    @classmethod
    def from_pretrained(cls, folder: Path) -> "Bundle":
        """Read a bundle. Nothing in it is executed or unpickled.

        Raises:
            BundleError: A file is missing, damaged, of another version, or not the one the manifest names.
        """
        manifest = read_manifest(folder)
        network = build(manifest.design, seed=None)
        try:
            tensors = load_file(folder / WEIGHTS)
            if manifest.estimator is not None:
                fitted = part_of(tensors, "estimator")
                network.estimator = restore_estimator(manifest.estimator, fitted)
                network.layer = manifest.estimator.layer
            network.load_state_dict(tensors)
        except (SafetensorError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise BundleError(f"{folder.name}: the weights do not fit the model ({reason}). Fetch it again") from error
        return cls(manifest=manifest, network=network.eval(), gate=_gate(folder, manifest, network=network))


def read_manifest(folder: Path) -> Manifest:
    """What a bundle says of itself, once its weights are known to be those that it names.

    Raises:
        BundleError: A file is missing, damaged, of another version, or not the one the manifest names.
    """
    manifest, file = _manifest(folder), folder / WEIGHTS
    if not file.is_file():
        raise BundleError(f"{folder.name}: has no {WEIGHTS}. Copy the whole folder")
    if _sha256(file) != manifest.weights_sha256:
        raise BundleError(f"{folder.name}: {WEIGHTS} is not the file the manifest names. Fetch it again")
    if manifest.pixels_version != PIXELS_VERSION:
        raise BundleError(
            f"{folder.name}: trained on pixels of version {manifest.pixels_version}, this program makes version "
            f"{PIXELS_VERSION}: scores would not be the same. Use the program it was trained with, or train again"
        )
    return manifest


def _gate(folder: Path, manifest: Manifest, *, network: Classifier) -> Gate | None:
    """The gate that the manifest names; a file that it does not name is none."""
    if manifest.gate_sha256 is None:
        return None
    file = folder / GATE
    if not file.is_file() or _sha256(file) != manifest.gate_sha256:
        raise BundleError(
            f"{folder.name}: {GATE} is missing, or not the file the manifest names. Copy the whole folder"
        )
    gate, width = read_gate(file), network.encoder.width
    if len(gate.centre) != width:
        raise BundleError(
            f"{folder.name}/{GATE}: is of {len(gate.centre)} values, and the network gives {width}. Fetch it again"
        )
    return gate


def _manifest(folder: Path) -> Manifest:
    file = folder / "bundle.json"
    if not file.is_file():
        raise BundleError(
            f"{folder.name}: is not a bundle, it has no bundle.json. A run keeps its bundle in RUN/bundle"
        )
    try:
        return Manifest.model_validate_json(file.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is not text"
        raise BundleError(f"{folder.name}/bundle.json: {reason}. Fetch it again, or another version of it") from error


def _input_words(manifest: Manifest) -> str:
    what = {
        "image": "one mammogram",
        "lesion": "the crop of one lesion",
        "breast": "all mammograms of one breast",
        "exam": "all mammograms of one exam",
    }[manifest.unit]
    if manifest.clinical is None:
        return what
    return f"{what}, and {', '.join(column.column for column in manifest.clinical.columns)}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_card(manifest: Manifest) -> str:
    """The model card of a bundle, in Markdown with the hub's front matter; `write_cards` has the full one of a run."""
    threshold = "none" if manifest.threshold is None else f"{manifest.threshold:.4f} ({manifest.threshold_rule})"
    calibration = "none: a score is no probability"
    if manifest.calibrator is not None:
        share = "an unknown share" if manifest.calibrated_at is None else f"{manifest.calibrated_at:.3g}"
        holds = f"of which {share} are positive: it holds there" if manifest.tasks[0].kind == "binary" else ""
        calibration = f"`{manifest.calibrator.kind}`, on tune images {holds or 'with classes as common as there'}"
    size = f"{manifest.preprocess.rows} x {manifest.preprocess.cols}"
    refer = "none" if manifest.conformal is None else f"of these answers {manifest.conformal.sentence}"
    gated = "marked by `mammoscope predict`" if manifest.gate_sha256 else "not told apart"
    return "\n".join(
        [
            "---",
            "library_name: mammoscope",
            "tags: [mammography, research-only]",
            "---",
            f"# {manifest.name}",
            "",
            "*For research. Not a medical device; not validated for patient care.*",
            "",
            f"- **A score near 1 says**: {manifest.meaning}",
            f"- **Operating threshold**: {threshold}",
            f"- **Calibration**: {calibration}",
            f'- **Answers that may be "refer"**: {refer}',
            f"- **Pictures unlike the training pictures**: {gated}",
            f"- **Input**: {_input_words(manifest)}, {size} pixels, made by `read_mammogram` with these `preprocess`",
            f"- **Network**: `{manifest.model.model_dump_json()}`",
            f"- **Trained on**: `{json.dumps(manifest.data)}`",
            f"- **Measured on its test part**: `{json.dumps(manifest.results)}`",
            "",
        ]
    )
