"""Class folders of pictures: benign/, malignant/, normal/, or what mammoscope.toml names so."""

import logging
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TypeVar

from mammoscope.errors import SourceError, nearest
from mammoscope.records import Record
from mammoscope.sources.declared import FolderDeclaration, read_declaration
from mammoscope.sources.source import Source
from mammoscope.sources.tree import files_below
from mammoscope.vocabulary import Laterality, Part, Pathology, View

LOG = logging.getLogger(__name__)
Word = TypeVar("Word", bound=StrEnum)


def _read(root: Path) -> Iterator[Record]:
    declared = read_declaration(root, FolderDeclaration) or FolderDeclaration()
    seen: dict[str, str] = {}
    for path in files_below(root):
        image = path.rpartition(".")[0]
        if image in seen:
            names = f"{PurePosixPath(seen[image]).name} and {PurePosixPath(path).name}"
            raise SourceError(f"{image}: two files for one image, {names}. Keep one of them")
        seen[image] = path
        yield _record(path, image, declared)
    if seen and declared.name is None:
        LOG.warning(
            "no pattern of file names is declared: each of %d files is taken for a patient of its own. A woman with "
            "several pictures can then be in train and in test; declare name in mammoscope.toml",
            len(seen),
        )


def _record(path: str, image: str, declared: FolderDeclaration) -> Record:
    part, pathology = _meaning(path, declared)
    said = _said(path, declared)
    return Record(
        source="folders",
        patient_id=said.get("patient") or image,
        image_id=image,
        path=path,
        laterality=_word(said.get("laterality"), Laterality, path),
        view=_word(said.get("view"), View, path),
        official_part=part,
        malignant=pathology is Pathology.MALIGNANT,
        pathology=pathology,
        label_origin=declared.label_origin,
    )


def _meaning(path: str, declared: FolderDeclaration) -> tuple[Part | None, Pathology]:
    """What the folders above a picture say: a class, below a part if there are parts."""
    *above, _ = PurePosixPath(path).parts
    part = declared.parts.get(above[0]) if len(above) > 1 else None
    name = above[1] if part else above[0] if above else ""
    if name not in declared.classes:
        allowed = list(declared.classes)
        raise SourceError(
            f"{path}: folder {name!r} is not one of {', '.join(allowed)}{nearest(name, allowed)}. "
            "Declare what it means in mammoscope.toml, classes"
        )
    return (Part(part) if part else None), Pathology(declared.classes[name])


def _said(path: str, declared: FolderDeclaration) -> dict[str, str | None]:
    """What the file name says, by the declared pattern."""
    if declared.name is None:
        return {}
    stem = PurePosixPath(path).stem
    found = re.fullmatch(declared.name, stem)
    if found is None or not found["patient"]:
        raise SourceError(f"{PurePosixPath(path).name}: does not match name = {declared.name!r}. Correct the pattern")
    return found.groupdict()


def _word(word: str | None, words: type[Word], path: str) -> Word | None:
    if word is None:
        return None
    try:
        return words(word)
    except ValueError:
        allowed = ", ".join(words)
        file = PurePosixPath(path).name
        raise SourceError(f"{file}: {word!r} is not one of {allowed}. Correct the pattern or the name") from None


FOLDERS = Source(
    name="folders",
    read=_read,
    layout="mammoscope.toml, if names differ or file names tell patients\n"
    "benign/<file>, malignant/<file>, normal/<file>, or these below train/, tune/ and test/",
    labels="malignant is malignant, benign and normal are not; label_origin as declared, else derived",
    licence="that of your data",
    cite="your data's own paper",
    url="",
)
