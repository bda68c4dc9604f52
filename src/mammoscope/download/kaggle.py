"""Editions on Kaggle, through Kaggle's own client kagglehub, which signs in with its own files or environment."""

import inspect
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Literal

from mammoscope.download.failure import DamagedError, DownloadError
from mammoscope.download.job import RESERVE_BYTES, STAGE, Failed, Job, Plan, Task, free_bytes
from mammoscope.download.manifest import Entry, is_here, read_manifest, saved
from mammoscope.download.outside import Importer, client_module, own_errors, told
from mammoscope.sources import SOURCES

SIGN_IN = (
    "Make a token on the settings page of your Kaggle account; kagglehub reads it from KAGGLE_API_TOKEN, from "
    "KAGGLE_USERNAME and KAGGLE_KEY, or from its own file in ~/.kaggle"
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
        DownloadError: The client is missing, or too old to be told where to put the files.
    """
    module = client_module("kagglehub", importer=importer, needed_for=edition.name)
    function = _function(edition, module)
    entry = read_manifest(out).get(edition.item)
    here = entry is not None and is_here(entry, out=out)
    task = Task(items=(edition.item,), fetch=lambda: [_fetched(edition, function=function, module=module, out=out)])
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


def _function(edition: Edition, module: ModuleType) -> Callable[..., str]:
    function: Callable[..., str] = getattr(module, f"{edition.kind}_download")
    if "output_dir" not in inspect.signature(function).parameters:
        version = getattr(module, "__version__", "of unknown version")
        raise DownloadError(f"kagglehub {version} cannot be told where to put the files. Update kagglehub")
    return function


def _fetched(edition: Edition, *, function: Callable[..., str], module: ModuleType, out: Path) -> Entry | Failed:
    stage = out / STAGE / "kaggle"
    stage.mkdir(parents=True, exist_ok=True)
    try:
        where = Path(function(edition.handle, output_dir=str(stage)))
    except own_errors(module) as error:
        raise told(error, what=f"{edition.item}: kagglehub", remedy=f"{SIGN_IN}{_rules(edition)}") from error
    links = [path.name for path in where.rglob("*") if path.is_symlink()]
    if links:
        raise DownloadError(f"{edition.item}: holds a link, {links[0]!r}. Not taken over")
    missing = [name for name in edition.needs if not (where / name).exists()]
    if missing:
        raise DamagedError(f"{edition.item}: {', '.join(missing)} is not in what was delivered. Look at {edition.url}")
    names = [path.name for path in sorted(where.iterdir()) if not path.name.startswith(".")]
    for name in names:
        _move(where / name, out / name)
    files = [file for name in names for file in ([out / name] if (out / name).is_file() else (out / name).rglob("*"))]
    shutil.rmtree(stage, ignore_errors=True)
    described = tuple(saved(file, out=out) for file in sorted(files) if file.is_file())
    return Entry(item=edition.item, origin=edition.url, checked="nothing", files=described)


def _move(path: Path, to: Path) -> None:
    if to.is_dir() and path.is_dir():  # of an earlier attempt
        shutil.rmtree(to)
    path.replace(to)
