"""CBIS-DDSM from the Imaging Data Commons, through its own client idc-index, where that has the collection."""

import shutil
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from mammoscope.download.failure import DownloadError
from mammoscope.download.job import STAGE, Failed, Task
from mammoscope.download.manifest import Entry
from mammoscope.download.outside import own_errors, told
from mammoscope.download.series import Series, place

NAME = "cbis_ddsm"
BATCH = 50  # series a call: the client starts one process each time, which opens many connections
TEMPLATE = "%Modality_%SeriesInstanceUID"  # of folders, in the client's spelling; no source takes them for its own
ROUNDED = 5_000  # bytes; earlier versions of the index give MB with two decimals
ASK = (
    "SELECT PatientID, StudyInstanceUID, SeriesInstanceUID, instanceCount, series_size_MB "
    "FROM index WHERE collection_id = '{collection}'"
)


def idc_series(module: ModuleType) -> tuple[Any, tuple[Series, ...]]:
    """Ask the client for the collection.

    Args:
        module: idc_index, imported.

    Returns:
        The client, and the series of the collection.

    Raises:
        DownloadError: It does not have the collection, fails, or its table has other columns.
    """
    try:
        client = module.IDCClient()
        mine = [name for name in client.get_collections() if str(name).lower().replace("-", "_") == NAME]
        rows = client.sql_query(ASK.format(collection=mine[0])).to_dict("records") if mine else []
        series = tuple(_series(row) for row in rows)
    except own_errors(module) as error:
        raise told(error, what="idc-index", remedy="Update it, or use --via tcia") from error
    if not series:
        raise DownloadError("the Imaging Data Commons does not list CBIS-DDSM in this version of idc-index")
    return client, series


def _series(row: dict[str, Any]) -> Series:
    names = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
    size_bytes = round(float(row["series_size_MB"]) * 1_000_000)
    return Series.model_validate(
        {name: row[name] for name in names} | {"ImageCount": int(row["instanceCount"]), "FileSize": size_bytes}
    )


def idc_tasks(series: Iterable[Series], *, client: Any, module: ModuleType, out: Path) -> tuple[Task, ...]:
    """The work of fetching series, some at a time."""
    left = iter(series)
    batches = iter(lambda: tuple(islice(left, BATCH)), ())
    return tuple(
        Task(items=tuple(one.item for one in batch), fetch=_fetcher(batch, client=client, module=module, out=out))
        for batch in batches
    )


def _fetcher(
    batch: tuple[Series, ...], *, client: Any, module: ModuleType, out: Path
) -> Callable[[], list[Entry | Failed]]:
    def fetch() -> list[Entry | Failed]:
        stage = out / STAGE / "idc"
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        try:
            client.download_from_selection(
                downloadDir=str(stage),
                seriesInstanceUID=[one.uid for one in batch],
                dirTemplate=TEMPLATE,
                quiet=True,
                show_progress_bar=False,
            )
        except own_errors(module) as error:
            what = f"{batch[0].item} and {len(batch) - 1} more: idc-index"
            raise told(error, what=what, remedy="Run the same command again, or use --via tcia") from error
        return [_placed(one, stage=stage, out=out) for one in batch]

    return fetch


def _placed(series: Series, *, stage: Path, out: Path) -> Entry | Failed:
    files = sorted(stage.glob(f"*_{series.uid}/*.dcm"))
    if not files:  # the client does not raise when a transfer fails, it logs
        return Failed(item=series.item, message=f"{series.item}: idc-index left no picture; its own log says why")
    try:
        return place(files, series=series, out=out, origin="Imaging Data Commons", checked="size", slack_bytes=ROUNDED)
    except DownloadError as error:
        return Failed(item=series.item, message=str(error))
