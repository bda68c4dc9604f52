"""mammoscope.toml: what a user declares of a data set of their own, read strictly."""

import json
import re
import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from mammoscope.errors import SourceError, nearest
from mammoscope.records import COLUMNS, REQUIRED_COLUMNS
from mammoscope.vocabulary import LabelOrigin

NAMES = ("mammoscope.toml", "mammoscope.json")
Declared = TypeVar("Declared", bound=BaseModel)


class TableDeclaration(BaseModel):
    """How the columns of a table are those of the index.

    Attributes:
        table: Name of the CSV or Parquet file, beside the declaration.
        columns: Column of the index = column of the table.
        values: By column of the index: cell of the table = value of the index, exactly.
        constants: Column of the index = one value for all rows.
        folder: Put before each path.
        suffix: Put behind each path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    table: str
    columns: dict[str, str]
    values: dict[str, dict[str, str | bool | int | float]] = {}
    constants: dict[str, str | bool | int | float] = {}
    folder: str = ""
    suffix: str = ""

    @field_validator("columns", "values", "constants")
    @classmethod
    def _known(cls, given: dict[str, object]) -> dict[str, object]:
        for name in given:
            if name not in COLUMNS or name == "source":
                allowed = [column for column in COLUMNS if column != "source"]
                message = f"{name!r} is no column of the index{nearest(name, allowed)}"
                raise ValueError(message)
        return given

    def missing(self) -> list[str]:
        """Required columns of the index that nothing gives."""
        return [name for name in REQUIRED_COLUMNS if name not in {"source", *self.columns, *self.constants}]


class FolderDeclaration(BaseModel):
    """What folders and file names mean.

    Attributes:
        classes: Folder name = benign, malignant or normal.
        parts: Folder name = train, tune or test, one level above the classes.
        name: Pattern of a file name without its suffix, with a group `patient` and, if wanted, `laterality` and `view`.
        label_origin: Who says so: biopsy, reader or, if that is not known, derived.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: dict[str, Literal["benign", "malignant", "normal"]] = {
        "benign": "benign",
        "malignant": "malignant",
        "normal": "normal",
    }
    parts: dict[str, Literal["train", "tune", "test"]] = {"train": "train", "tune": "tune", "test": "test"}
    name: str | None = None
    label_origin: LabelOrigin = LabelOrigin.DERIVED

    @field_validator("name")
    @classmethod
    def _sound(cls, given: str | None) -> str | None:
        try:
            groups = set(re.compile(given).groupindex) if given is not None else {"patient"}
        except re.error as error:
            message = f"{given!r} is not a pattern: {error}"
            raise ValueError(message) from None
        if "patient" not in groups or groups - {"patient", "laterality", "view"}:
            message = f"groups {sorted(groups)} are not patient, with laterality and view if wanted"
            raise ValueError(message)
        return given


def read_declaration(root: Path, kind: type[Declared]) -> Declared | None:
    """Read the declaration in a folder.

    Args:
        root: The folder.
        kind: What it declares.

    Returns:
        The declaration; None if there is none.

    Raises:
        SourceError: It is not TOML or JSON, has an unknown key, or a value that is not allowed.
    """
    path = next((root / name for name in NAMES if (root / name).is_file()), None)
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        return kind.model_validate(content)
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")  # a typo first
        key = ".".join(str(part) for part in first["loc"]) or "it"
        hint = nearest(str(first["loc"][-1]), list(kind.model_fields)) if first["type"] == "extra_forbidden" else ""
        raise SourceError(f"{path.name}: {key}: {first['msg']}{hint}. Correct the declaration") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name}: not readable ({error}). Correct the declaration") from None
