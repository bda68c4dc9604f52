"""Several bundles that answer together, as a folder that can be given away.

```
bundle/
  ensemble.json    what `EnsembleManifest` holds
  members/<name>/  one bundle each
```
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree
from typing import Literal

import numpy as np
import polars as pl
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mammoscope.calibrators import Calibrator
from mammoscope.combiners import Combiner
from mammoscope.errors import BundleError
from mammoscope.models.bundle import Bundle, Likeness, Manifest, Sample
from mammoscope.referral import Conformal
from mammoscope.storage import write_text

FILE = "ensemble.json"
OWN = ("threshold", "threshold_rule", "calibrator", "calibrated_at", "conformal")
"""What an ensemble has of its own in place of its members'."""

TINY = 1e-12  # a limit of 0 counts as this much


class EnsembleManifest(BaseModel):
    """Everything about an ensemble but its members."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["1"] = "1"
    name: str
    members: dict[str, str] = Field(min_length=2, description="name of a member to the SHA-256 of its bundle.json")
    combiner: Combiner = Field(description="from the members' answers to one, fitted on tune")
    threshold: float | None = Field(default=None, ge=0, lt=1.001, description="as in a bundle")
    threshold_rule: str | None = None
    calibrator: Calibrator | None = None
    calibrated_at: float | None = None
    conformal: Conformal | None = None
    results: dict[str, dict[str, float | int | str | None]] = Field(
        default_factory=dict, description="on the test part"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleBundle:
    """Trained models that answer one question together; used like a `Bundle`.

    Attributes:
        manifest: How pictures are read and what is asked, the same of all members; threshold and calibrator are the
            ensemble's own.
        members: In the order that the combiner was fitted to.
        combiner: From their answers to one.
    """

    manifest: Manifest
    members: tuple[Bundle, ...]
    combiner: Combiner

    def predict(self, samples: Sequence[Sample], *, clinical: pl.DataFrame | None = None) -> np.ndarray:
        """Answers of the main task; see `Bundle.predict`."""
        found = self.probabilities(samples, clinical=clinical)[0]
        return found[:, 1] if self.manifest.tasks[0].kind == "binary" else found

    def probabilities(self, samples: Sequence[Sample], *, clinical: pl.DataFrame | None = None) -> list[np.ndarray]:
        """Probability of each class of the main task, `samples classes`; further tasks are not put together."""
        each = [member.probabilities(samples, clinical=clinical)[0] for member in self.members]
        return [self.combiner.apply(np.stack(each).astype(np.float64))]

    def answer(
        self, sample: Sample, *, clinical: pl.DataFrame | None = None
    ) -> tuple[Float[np.ndarray, " classes"], Likeness | None]:
        """As of a bundle; the distance is that of the member to which the sample is least like, by its limit."""
        each = [member.answer(sample, clinical=clinical) for member in self.members]
        found = self.combiner.apply(np.stack([chances for chances, _ in each])[:, None].astype(np.float64))[0]
        told = [likeness for _, likeness in each if likeness is not None]
        return found, max(told, key=lambda one: one.distance / max(one.limit, TINY), default=None)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "EnsembleBundle":
        """Read an ensemble. Nothing in it is executed or unpickled.

        Raises:
            BundleError: A file is missing or damaged, a member is not the one that was put in, or the members do not
                read pictures alike.
        """
        try:
            told = EnsembleManifest.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BundleError(f"{folder.name}: has no {FILE}. Make one with: mammoscope ensemble") from None
        except (ValidationError, UnicodeDecodeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is not text"
            raise BundleError(f"{folder.name}/{FILE}: {reason}. Make the ensemble again") from error
        for name, digest in told.members.items():
            file = folder / "members" / name / "bundle.json"
            if not file.is_file() or _sha256(file) != digest:
                raise BundleError(f"{folder.name}: member {name} is missing or another. Copy the whole folder")
        members = tuple(Bundle.from_pretrained(folder / "members" / name) for name in told.members)
        own = {name: getattr(told, name) for name in ("name", "results", *OWN)}
        return cls(manifest=together(members).model_copy(update=own), members=members, combiner=told.combiner)


AnyBundle = Bundle | EnsembleBundle
"""A trained model, or several that answer together."""


def load_bundle(folder: Path) -> AnyBundle:
    """Read a bundle of either kind.

    Raises:
        BundleError: It is neither, or not whole.
    """
    return EnsembleBundle.from_pretrained(folder) if (folder / FILE).is_file() else Bundle.from_pretrained(folder)


def write_ensemble(folder: Path, *, manifest: EnsembleManifest, members: dict[str, Path]) -> None:
    """Write an ensemble; its members are copied, the manifest comes last.

    Args:
        folder: To make, or to make again.
        manifest: Its digests of members are filled in.
        members: Name to bundle folder, in the order that the combiner was fitted to.

    Raises:
        BundleError: The members do not read pictures alike or answer other questions.
        StorageError: The file system refused.
    """
    together([Bundle.from_pretrained(bundle) for bundle in members.values()])
    rmtree(folder, ignore_errors=True)
    for name, bundle in members.items():
        copytree(bundle, folder / "members" / name)
    digests = {name: _sha256(folder / "members" / name / "bundle.json") for name in members}
    write_text(folder / FILE, manifest.model_copy(update={"members": digests}).model_dump_json(indent=2))


def together(members: Sequence[Bundle]) -> Manifest:
    """What members have in common, as the manifest of the first.

    Raises:
        BundleError: They differ in how pictures are read, or in what they are asked; or one is a control.
    """
    first = members[0].manifest
    control = next((member.manifest.name for member in members if member.manifest.is_control), None)
    if control is not None:
        raise BundleError(
            f"ensemble: {control} is a control, trained on labels that were exchanged between patients. Leave it out"
        )
    for other in (member.manifest for member in members[1:]):
        for what in ("preprocess", "pixels_version", "unit"):
            if getattr(first, what) != getattr(other, what):
                raise BundleError(
                    f"ensemble: {first.name} and {other.name} differ in {what}: one reading of a picture cannot serve "
                    "both. Train both with the same"
                )
        if first.tasks[0] != other.tasks[0]:
            raise BundleError(f"ensemble: {first.name} and {other.name} answer other questions. Leave one out")
    clinical = next((member.manifest.clinical for member in members if member.manifest.clinical is not None), None)
    return first.model_copy(update={"tasks": first.tasks[:1], "clinical": clinical, "gate_sha256": None})


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
