"""The list of what is here: one JSON object a line, written when a thing is whole and in its place."""

import hashlib
import logging
import os
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from mammoscope.download.failure import DownloadError
from mammoscope.errors import StorageError

LOG = logging.getLogger(__name__)
NAME = "download.jsonl"
BLOCK_BYTES = 1 << 20


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError(f"{path!r} is not a path inside the folder")
    return path


class Saved(BaseModel):
    """One file, relative to the folder of the data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Annotated[str, AfterValidator(_inside)]
    bytes: int
    sha256: str


class Entry(BaseModel):
    """One thing that was fetched: a series, a table, a whole edition.

    Attributes:
        item: Its name, never used twice.
        origin: Who it came from.
        checked: What it was compared with, as the server gave it: md5, size, count, header or nothing.
        files: What it is on disk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: str
    origin: str
    checked: str
    files: tuple[Saved, ...]


def saved(file: Path, *, out: Path) -> Saved:
    """Describe a file that lies in its place."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    path = str(PurePosixPath(*file.relative_to(out).parts))
    return Saved(path=path, bytes=file.stat().st_size, sha256=digest.hexdigest())


def read_manifest(out: Path) -> dict[str, Entry]:
    """What a folder's list says is here, by item.

    A last line that a crash cut short is left out; any other broken line is an error.

    Raises:
        DownloadError: A line is not an entry.
    """
    file = out / NAME
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                LOG.info("%s: the last line is cut short and is left out", NAME)
                continue
            reason = error.errors()[0]["msg"]
            raise DownloadError(
                f"{NAME}:{number}: {reason}. Remove the line; what it named is fetched again"
            ) from error
        entries[entry.item] = entry
    return entries


def add_entry(entry: Entry, *, out: Path) -> None:
    """Add one line to a folder's list; it is on the disk when this returns.

    Raises:
        StorageError: The file system refused.
    """
    file = out / NAME
    try:
        with file.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a crash cut the last line short
                    _drop_last_line(file)
            stream.write(entry.model_dump_json().encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(f"{NAME}: could not be written, {error.strerror}. Make room, then run it again") from error


def _drop_last_line(file: Path) -> None:
    text = file.read_bytes()
    os.truncate(file, text.rfind(b"\n") + 1)


def is_here(entry: Entry, *, out: Path) -> bool:
    """Whether all files of an entry lie in their places with their sizes."""
    return all((out / f.path).is_file() and (out / f.path).stat().st_size == f.bytes for f in entry.files)
