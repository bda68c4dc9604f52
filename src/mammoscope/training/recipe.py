"""A recipe: everything that decides the result of a run, and nothing else.

On disk it is TOML; here it is frozen pydantic models that refuse unknown keys. Devices, workers
and folders do not decide the result: they are on the command line.
"""

import hashlib
import json
import re
import tomllib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from mammoscope.batches import Augment, PatchSettings
from mammoscope.cohort import TASK_CLASSES, Input, RatioSplit, SplitSettings
from mammoscope.errors import RecipeError, nearest
from mammoscope.images import Preprocess
from mammoscope.models import ClinicalSettings, EstimatorConfig, ModelConfig, Task, TimmModel, task_named
from mammoscope.training.measure import Measure
from mammoscope.training.places import keys_named, line_of
from mammoscope.training.stages import Stage, Strict, Training
from mammoscope.vocabulary import LesionKind, View


class Select(Strict):
    """Which images take part; the others are counted in the report, never dropped in silence."""

    views: tuple[View, ...] | None = Field(default=None, description="only these views; all when not given")
    implants: bool = Field(default=True, description="whether images with implants take part")
    lesion_kinds: tuple[LesionKind, ...] | None = Field(
        default=None, description="only images with a lesion of these kinds, judged by them; all when not given"
    )


TOLD_BY = {"dense": "density"}
"""Tasks that follow from a column of another name."""


class Recipe(Strict):
    """One run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="lower-case letters, digits, hyphens")
    source: str = Field(description="a source's name, or package.module:NAME")
    target: str = Field(default="malignant", description="the main task: what is asked of a sample")
    classes: tuple[str, ...] | None = Field(
        default=None, min_length=2, description="of the target; all it has when not given, others take no part"
    )
    ordinal: bool = Field(default=False, description="whether more than two classes are steps of one scale")
    also: tuple[str, ...] = Field(default=(), description="further tasks; a sample without their label adds nothing")
    also_weight: float = Field(default=0.5, gt=0, description="of each further task in the loss")
    start: str | None = Field(
        default=None, description="name of the recipe whose trained weights this one begins with; see --start"
    )
    seed: int = Field(default=0, ge=0, description="of weights, order and augmentation, and of the split")
    split_seed: int | None = Field(default=None, ge=0, description="of the split, where it shall not be seed")
    permute_labels: int | None = Field(
        default=None,
        ge=0,
        description="seed with which train and tune labels are exchanged between patients: a control, not a model",
    )
    input: Input = Field(default=Input(), description="what one sample is")
    clinical: ClinicalSettings | None = Field(default=None, description="columns of the index beside the pictures")
    estimator: EstimatorConfig | None = Field(
        default=None, description="a classical model on what the trained network says, in place of its last layer"
    )
    select: Select = Field(default=Select(), description="which images take part")
    split: SplitSettings = Field(default=RatioSplit(), description="who trains, tunes and tests")
    preprocess: Preprocess = Field(default=Preprocess(), description="from file to pixels")
    augment: Augment = Field(default=Augment(), description="how far a training picture may be changed")
    model: ModelConfig = Field(default=TimmModel(), description="which network")
    training: Training = Field(default=Training(), description="how weights are fitted, in every stage")
    stages: tuple[Stage, ...] = Field(
        default=(Stage(),), description="one after the other; none where an estimator alone learns"
    )
    patches: PatchSettings = Field(default=PatchSettings(), description="how the patches of a stage on them are drawn")
    measure: Measure = Field(default=Measure(), description="threshold and intervals")

    @field_validator("target")
    @classmethod
    def _known(cls, target: str) -> str:
        if target not in TASK_CLASSES:
            raise ValueError(f"is not one of {', '.join(TASK_CLASSES)}{nearest(target, list(TASK_CLASSES))}")
        return target

    @model_validator(mode="after")
    def _together(self) -> "Recipe":
        if self.target in self.also:
            raise ValueError(f"also is {list(self.also)}: {self.target!r} is the target already. Leave it out")
        _refuse_unlisted("also", self.also, [name for name in TASK_CLASSES if name != self.target])
        _refuse_unlisted("classes", self.classes or (), self.every_class)
        if any(stage.on == "patches" for stage in self.stages):
            self._check_patches()
        self._check_changes()
        self._check_control()
        if not self.stages and self.estimator is None:
            raise ValueError("stages is empty: nothing would learn. Add a stage, or an estimator")
        if self.estimator is not None and self.also:
            raise ValueError(f"also is {list(self.also)}: an estimator answers the target alone. Leave one of them out")
        if self.stages and self.stages[-1].on == "patches":
            raise ValueError(
                f"[[stages]] on = 'patches': stage {len(self.stages)}, the last, must be on samples: they are what the "
                "run is measured on"
            )
        return self

    def _check_patches(self) -> None:
        if self.model.kind != "patch-to-whole":
            raise ValueError(f"[model] kind = {self.model.kind!r}: a stage on patches needs 'patch-to-whole'")
        if self.input.unit == "lesion":
            raise ValueError("[input] unit = 'lesion': patches are cut from whole pictures. Set unit = 'image'")
        size, side = (self.preprocess.rows, self.preprocess.cols), self.patches.patch_px
        if side > min(size):
            raise ValueError(
                f"[patches] patch_px = {side}: larger than the prepared pictures of {size[0]} x {size[1]}. Make it "
                "smaller, or rows and cols of [preprocess] larger"
            )

    def _check_control(self) -> None:
        """Refuse what would tell a control the true labels."""
        if self.permute_labels is None:
            return
        if any(stage.on == "patches" for stage in self.stages):
            raise ValueError("permute_labels: a stage on patches has labels of its own, which would stay true")
        if self.start is not None:
            raise ValueError(
                f"permute_labels: start = {self.start!r} has seen true labels, and a control must not. Leave start out"
            )

    def _check_changes(self) -> None:
        """Refuse what would be left out in silence, and an answer among the questions."""
        if self.augment.mixup and self.input.bags:
            raise ValueError(
                f"[augment] mixup = {self.augment.mixup:g}: blends single pictures, and a sample is a whole "
                f"{self.input.unit}. Leave mixup out"
            )
        frozen = [number for number, stage in enumerate(self.stages, start=1) if stage.features_stay]
        if self.augment.mixup and frozen:
            raise ValueError(
                f"[augment] mixup = {self.augment.mixup:g}: stage {frozen[0]} freezes the whole backbone and looks at "
                "each picture once, so there is nothing to blend. Leave mixup out, or set unfreeze"
            )
        told = {name: TOLD_BY.get(name, name) for name in self.task_names}
        given = [name for name, column in told.items() if self.clinical and column in self.clinical.columns]
        if given:
            raise ValueError(
                f"[clinical] columns holds {told[given[0]]!r}, which is the answer to the task {given[0]!r}. Leave one "
                "of them out"
            )

    @property
    def every_class(self) -> tuple[str, ...]:
        """All classes that the target has."""
        return tuple(map(str, TASK_CLASSES[self.target]))

    @property
    def task_names(self) -> tuple[str, ...]:
        """Of all tasks, the main one first."""
        return (self.target, *self.also)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is asked of a sample, the main task first."""
        kept = [name for name in self.every_class if self.classes is None or name in self.classes]
        main = task_named(self.target, classes=tuple(kept), ordinal=self.ordinal)
        return (main, *(task_named(name, classes=TASK_CLASSES[name]) for name in self.also))

    @property
    def epochs(self) -> int:
        """Of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the result; the name does not."""
        return hashlib.sha256(self.model_dump_json(exclude={"name"}).encode()).hexdigest()


def _refuse_unlisted(key: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse names that are not allowed, or that stand twice."""
    said = f"{key} is {list(names)}"
    for name in names:
        if name not in allowed:
            raise ValueError(f"{said}: {name!r} is not one of {', '.join(allowed)}{nearest(name, list(allowed))}")
        if names.count(name) > 1:
            raise ValueError(f"{said}: {name!r} stands more than once. Name each once, of {', '.join(allowed)}")


def read_recipe(path: Path) -> Recipe:
    r"""Read a recipe from TOML, or from the JSON that a run folder keeps.

    Args:
        path: The file.

    Returns:
        The recipe, with every default filled in.

    Raises:
        RecipeError: There is no such file, it is not TOML, or it does not describe a run. The text names
            file, line, table and key, and the nearest known key.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "mine.toml"
        ...     _ = file.write_text('name = "mine"\nsource = "rsna"\n[model]\nbackbone = "resnet34"')
        ...     read_recipe(file).model.backbone
        'resnet34'
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise RecipeError(f"{path.name}: no such recipe. The ones that come with mammoscope are in recipes/") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path.name}: not UTF-8 text. A recipe is a TOML file") from error
    try:
        as_json = text if path.suffix == ".json" else json.dumps(tomllib.loads(text), default=str)
        return Recipe.model_validate_json(as_json, strict=True)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path.name}: not TOML: {error}. Correct the line") from error
    except ValidationError as error:
        found = error.errors()
        problems = [_sentence(path.name, text, problem) for problem in found if not _follows(problem, found)]
        raise RecipeError("\n".join(problems)) from error


def _sentence(file: str, text: str, problem: Any) -> str:
    where = [str(part) for part in problem["loc"]]
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):
        return _between_keys(file, text, where, problem["msg"].removeprefix("Value error, "))
    is_kind = problem["type"] in {"union_tag_invalid", "union_tag_not_found"} and isinstance(problem["input"], dict)
    keys = _keys([*where, "kind"] if is_kind else where)
    line = line_of(text, keys)
    place = f"{file}:{line}" if line else file
    table = f" [{'.'.join(keys[:-1])}]" if len(keys) > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"{place}{table}: unknown key {keys[-1]!r}{nearest(keys[-1], _known(where))}"
    if problem["type"] == "union_tag_invalid" and is_kind:
        allowed = problem["ctx"]["expected_tags"].replace("'", "").split(", ")
        tag = problem["ctx"]["tag"]
        return f"{place}{table}: kind is {tag!r}, and not one of {', '.join(allowed)}{nearest(tag, allowed)}"
    if problem["type"] == "union_tag_invalid":
        return f"{place}: {keys[-1]} is {problem['input']!r}: should be a table, [{keys[-1]}] with its keys below"
    if problem["type"] in {"missing", "union_tag_not_found"}:
        return f"{place}{table}: the key {keys[-1]!r} is missing. Add it"
    key = f" {keys[-1]}" if keys else ""
    return f"{place}{table}:{key} is {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _between_keys(file: str, text: str, where: list[str], said: str) -> str:
    """What is wrong between several keys of a table, beside the line of the one that the text names first."""
    tables = _keys([*where, "kind"])[:-1]
    allowed = _known([*where, "kind"])
    words = [word for word in re.findall(r"[a-z_]+", said) if word in allowed]
    named = re.search(r"\[[a-z_.]+\]", said)
    line = line_of(text, keys_named(said) if named else [*tables, *words[:1]])
    place = f"{file}:{line}" if line else file
    table = f" [{'.'.join(tables)}]" if tables else ""
    return f"{place} {said}" if named and not tables else f"{place}{table}: {said}"


def _follows(problem: Any, others: list[Any]) -> bool:
    """Whether a list is called too short only because an item in it was refused."""
    loc = problem["loc"]
    return problem["type"] == "too_short" and any(o["loc"][: len(loc)] == loc and o["loc"] != loc for o in others)


def _keys(where: list[str]) -> list[str]:
    """The keys of a place as a reader of the file knows them: `views[0]`, and nothing of how kinds are told apart."""
    keys: list[str] = []
    unions = [Recipe.model_fields[field].annotation for field in ("model", "split", "estimator")]
    kinds = {_kind_of(option) for union in unions for option in _options(union)}
    for number, part in enumerate(where):
        if part.isdigit() and number == len(where) - 1 and keys:
            keys[-1] += f"[{part}]"
        elif not number or part not in kinds:
            keys.append(part)
    return keys


def _known(where: list[str]) -> list[str]:
    """The keys that are allowed at the place of an error."""
    model: Any = Recipe
    for part in where[:-1]:
        model = _inside(model, part)
        if model is None:
            return []
    return list(model.model_fields) if hasattr(model, "model_fields") else []


def _inside(model: Any, part: str) -> Any:
    if hasattr(model, "model_fields"):
        field = model.model_fields.get(part)
        return None if field is None else field.annotation
    options = _options(model)
    if part.isdigit():
        return options[0]
    return next((option for option in options if part == _kind_of(option)), None)


def _options(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType, typing.Annotated, tuple}:
        inner = typing.get_args(annotation)
        return [one for option in inner for one in _options(option)] if origin is not tuple else [inner[0]]
    return [annotation]


def _kind_of(option: Any) -> str | None:
    fields = getattr(option, "model_fields", {})
    return fields["kind"].default if "kind" in fields else None
