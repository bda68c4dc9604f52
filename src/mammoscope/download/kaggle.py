"""Editions on Kaggle, through Kaggle's own client kagglehub, which signs in with its own files or environment."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Literal

from mammoscope.download.failure import DamagedError, DownloadError
from mammoscope.download.job import RESERVE_BYTES, STAGE, Failed, Job, Plan, Task, free_bytes
from mammoscope.download.manifest import NAME, Entry, is_here, read_manifest, saved
from mammoscope.download.outside import Importer, client_module, own_errors, told
from mammoscope.sources import SOURCES

CACHE = "KAGGLEHUB_CACHE"  # the client's own variable
SIGN_IN = (
    "To sign in, make a token on the settings page of your Kaggle account; kagglehub reads it from "
    "KAGGLE_API_TOKEN, from KAGGLE_USERNAME and KAGGLE_KEY, or from its own file in ~/.kaggle"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A data set as it stands on Kaggle.

    Attributes:
        name: The source that reads it; terms and page stand there.
        handle: Its name on Kaggle.
        kind: A competition's data are given to those who accept its rules on its page.
        about_bytes: Its size as users report it; None if not known for sure.
        files: Its number of files, likewise.
        needs: What the source needs there; without it, something else was delivered.
    """

    name: str
    handle: str
    kind: Literal["dataset", "competition"]
    about_bytes: int | None
    files: int | None
    needs: tuple[str, ...]

    @property
    def item(self) -> str:
        """Its name in the list of what is here."""
        return f"kaggle {self.handle}"

    @property
    def url(self) -> str:
        """Its page."""
        return SOURCES[self.name].url


CBIS_DDSM_JPEG = Edition(
    name="cbis_ddsm_jpeg",
    handle="awsaf49/cbis-ddsm-breast-cancer-image-dataset",
    kind="dataset",
    about_bytes=None,
    files=None,
    needs=("csv/dicom_info.csv", "jpeg"),
)
RSNA = Edition(
    name="rsna",
    handle="rsna-breast-cancer-detection",
    kind="competition",
    about_bytes=314_720_000_000,
    files=54_713,
    needs=("train.csv", "train_images"),
)
EDITIONS: dict[str, Edition] = {edition.name: edition for edition in (CBIS_DDSM_JPEG, RSNA)}
"""The editions that can be fetched, by the source that reads them."""


def kaggle_job(edition: Edition, *, out: Path, importer: Importer, stop: Event) -> Job:
    """Plan an edition. Its size is what users report: the client does not tell before it has fetched.

    Raises:
        DownloadError: The client is missing.
    """
    module = client_module("kagglehub", importer=importer, needed_for=edition.name)
    entry = read_manifest(out).get(edition.item)
    here = entry is not None and is_here(entry, out=out)
    task = Task(items=(edition.item,), fetch=lambda: [_fetched(edition, module=module, out=out)])
    size = 0 if here else edition.about_bytes
    plan = Plan(
        source=edition.name,
        origin=edition.url,
        licence=SOURCES[edition.name].licence,
        cite=SOURCES[edition.name].cite,
        items=0 if here else 1,
        here=int(here),
        files=0 if here else edition.files,
        size_bytes=size,
        needs_bytes=2 * size + RESERVE_BYTES if size else size,  # the archive, and what is unpacked from it
        free_bytes=free_bytes(out),
        notes=() if here else (f"an edition comes whole, through kagglehub. {SIGN_IN}{_rules(edition)}",),
    )
    return Job(plan=plan, out=out, tasks=() if here else (task,), connections=1, stop=stop)


def _rules(edition: Edition) -> str:
    return f", and accept the rules on {edition.url}" if edition.kind == "competition" else ""


def _fetched(edition: Edition, *, module: ModuleType, out: Path) -> Entry | Failed:
    stage = out / STAGE / "kaggle"
    stage.mkdir(parents=True, exist_ok=True)
    function: Callable[[str], str] = getattr(module, f"{edition.kind}_download")
    try:
        with _cache_in(stage):
            where = Path(function(edition.handle))
    except own_errors(module) as error:
        raise told(error, what=f"{edition.item}: kagglehub", remedy=f"{SIGN_IN}{_rules(edition)}") from error
    if not where.is_relative_to(stage):
        raise DownloadError(f"{edition.item}: kagglehub has it in a folder of its own here. Index that folder instead")
    links = [path.name for path in where.rglob("*") if path.is_symlink()]
    if links:
        raise DownloadError(f"{edition.item}: holds a link, {links[0]!r}. Not taken over")
    missing = [name for name in edition.needs if not (where / name).exists() and not (out / name).exists()]
    if missing:
        raise DamagedError(f"{edition.item}: {', '.join(missing)} is not in what was delivered. Look at {edition.url}")
    for path in sorted(where.iterdir()):
        _move(path, out / path.name)
    shutil.rmtree(stage, ignore_errors=True)
    files = [file for file in sorted(out.rglob("*")) if file.is_file() and file != out / NAME]
    described = tuple(saved(file, out=out) for file in files if out / STAGE not in file.parents)
    return Entry(item=edition.item, origin=edition.url, checked="by the client", files=described)


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Let the client keep its files, and what it has of an archive, where the next run finds them."""
    before = os.environ.get(CACHE)
    os.environ[CACHE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CACHE]
        else:
            os.environ[CACHE] = before


def _move(path: Path, to: Path) -> None:
    if to.is_dir() and path.is_dir():  # of an earlier attempt
        shutil.rmtree(to)
    path.replace(to)
