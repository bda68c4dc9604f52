"""CBIS-DDSM: what of it is wanted, who has it, what is missing here, whether it fits."""

from dataclasses import dataclass
from pathlib import Path

from mammoscope.download.failure import DownloadError
from mammoscope.download.idc import idc_series, idc_tasks
from mammoscope.download.job import RESERVE_BYTES, Job, Plan, Task, free_bytes
from mammoscope.download.manifest import is_here, read_manifest
from mammoscope.download.outside import Importer, client_module
from mammoscope.download.series import Series
from mammoscope.download.tables import TABLE_ADDRESSES, TABLE_BYTES, TABLES, table_task
from mammoscope.download.tcia import NBIA_ADDRESSES, list_series, series_task
from mammoscope.download.web import Web
from mammoscope.sources import CBIS_DDSM


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where CBIS-DDSM is; several of a kind are asked in their order.

    Attributes:
        nbia: The archive's REST interface.
        tables: The case tables, with `{name}` for the name of one.
    """

    nbia: tuple[str, ...] = NBIA_ADDRESSES
    tables: tuple[str, ...] = TABLE_ADDRESSES


PUBLIC = Addresses()
"""Where The Cancer Imaging Archive has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pictures:
    """Series that are wanted and not here, and the work of fetching them."""

    origin: str
    here: int
    left: tuple[Series, ...]
    tasks: tuple[Task, ...]
    at_once: int
    notes: tuple[str, ...]


def cbis_job(
    out: Path,
    *,
    only: tuple[str, ...],
    via: str,
    connections: int,
    web: Web,
    addresses: Addresses,
    importer: Importer,
) -> Job:
    """Plan CBIS-DDSM; see `plan_download` for the arguments."""
    here = {item for item, entry in read_manifest(out).items() if is_here(entry, out=out)}
    names = [name for name, half in TABLES.items() if half in only or "csv" in only]
    missing = [name for name in names if f"table {name}" not in here]
    pictures = _Pictures(
        origin=addresses.tables[0].partition("{")[0], here=0, left=(), tasks=(), at_once=connections, notes=()
    )
    if set(only) != {"csv"}:
        pictures = _pictures(
            out, only=only, via=via, connections=connections, here=here, web=web, nbia=addresses.nbia, importer=importer
        )
    sizes: list[int | None] = [*[TABLE_BYTES] * len(missing), *(one.size_bytes for one in pictures.left)]
    plan = Plan(
        source=CBIS_DDSM.name,
        origin=pictures.origin,
        licence=CBIS_DDSM.licence,
        cite=CBIS_DDSM.cite,
        items=len(missing) + len(pictures.left),
        here=len(names) - len(missing) + pictures.here,
        files=_sum([*[1] * len(missing), *(one.images for one in pictures.left)]),
        size_bytes=_sum(sizes),
        needs_bytes=_needs(sizes, at_once=pictures.at_once),
        free_bytes=free_bytes(out),
        notes=pictures.notes,
    )
    tables = tuple(table_task(name, addresses=addresses.tables, out=out, web=web) for name in missing)
    return Job(plan=plan, out=out, tasks=(*tables, *pictures.tasks), connections=pictures.at_once, stop=web.stop)


def _pictures(
    out: Path,
    *,
    only: tuple[str, ...],
    via: str,
    connections: int,
    here: set[str],
    web: Web,
    nbia: tuple[str, ...],
    importer: Importer,
) -> _Pictures:
    def wanted(series: tuple[Series, ...]) -> tuple[tuple[Series, ...], int]:
        mine = [one for one in series if one.half in only or {"mass", "calc"} <= set(only)]
        left = tuple(one for one in mine if one.item not in here)
        return left, len(mine) - len(left)

    notes: tuple[str, ...] = ()
    if via != "tcia":
        try:
            module = client_module("idc_index", importer=importer, needed_for="the Imaging Data Commons")
            client, series = idc_series(module)
            left, done = wanted(series)
            tasks = idc_tasks(left, client=client, module=module, out=out)
            origin = "Imaging Data Commons"
            return _Pictures(origin=origin, here=done, left=left, tasks=tasks, at_once=1, notes=())
        except DownloadError as error:
            if via == "idc":
                raise
            notes = (f"{error}. The archive itself is asked instead",)
    base, series = list_series(nbia, web=web)
    left, done = wanted(series)
    tasks = tuple(series_task(one, base=base, out=out, web=web) for one in left)
    return _Pictures(origin=base, here=done, left=left, tasks=tasks, at_once=connections, notes=notes)


def _sum(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _needs(sizes: list[int | None], *, at_once: int) -> int | None:
    """The files, the archives that are unpacked at the same time, and a reserve; nothing for nothing."""
    total = _sum(sizes)
    if not total:
        return total
    largest = sorted((size or 0 for size in sizes), reverse=True)[:at_once]
    return total + sum(largest) + RESERVE_BYTES
