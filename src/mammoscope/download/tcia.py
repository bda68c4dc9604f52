"""CBIS-DDSM from The Cancer Imaging Archive: the NBIA REST interface, one zip file a series."""

import logging
import shutil
from pathlib import Path
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError

from mammoscope.download.archive import unpack_pictures
from mammoscope.download.failure import DamagedError, DownloadError
from mammoscope.download.job import STAGE, Task
from mammoscope.download.manifest import Entry
from mammoscope.download.series import Series, place
from mammoscope.download.web import Web, read_url, save_url

LOG = logging.getLogger(__name__)
NBIA_ADDRESSES = (
    "https://services.cancerimagingarchive.net/nbia-api/services/v4",
    "https://services.cancerimagingarchive.net/nbia-api/services/v1",
)
"""The public interface, newest first: version 1 answers the same questions where version 4 is gone."""

COLLECTION = "CBIS-DDSM"
MOST_LIST_BYTES = 256_000_000
MOST_SERIES_BYTES = 2_000_000_000  # where the server does not say
ROUNDS = 3  # a series that arrives damaged is fetched so often
ROWS = TypeAdapter(list[Series])


def list_series(addresses: tuple[str, ...], *, web: Web) -> tuple[str, tuple[Series, ...]]:
    """Ask for all series of the collection.

    Args:
        addresses: Interfaces to ask, in this order, until one answers.
        web: How servers are spoken to.

    Returns:
        The interface that answered, and the series.

    Raises:
        DownloadError: None answers, or what it says is not a list of series.

    Source:
        NBIA REST interface, getSeries.
    """
    refusals = []
    for base in addresses:
        url = f"{base}/getSeries?{urlencode({'Collection': COLLECTION, 'format': 'json'})}"
        try:
            return base, _rows(read_url(url, what=f"list of {COLLECTION}", web=web, limit_bytes=MOST_LIST_BYTES))
        except DownloadError as error:
            refusals.append(str(error))
    raise DownloadError("; ".join(refusals))


def _rows(body: bytes) -> tuple[Series, ...]:
    try:
        rows = ROWS.validate_json(body or b"[]")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise DownloadError(f"list of {COLLECTION}: {where}: {first['msg']}. The interface has changed") from error
    if not rows:
        raise DownloadError(f"list of {COLLECTION}: the server lists no series. Look at the collection's own page")
    return tuple({row.uid: row for row in rows}.values())


def series_task(series: Series, *, base: str, out: Path, web: Web) -> Task:
    """The work of fetching one series."""
    return Task(items=(series.item,), fetch=lambda: [_fetched(series, base=base, out=out, web=web)])


def _fetched(series: Series, *, base: str, out: Path, web: Web, rounds: int = ROUNDS) -> Entry:
    archive, folder = out / STAGE / f"{series.uid}.zip", out / STAGE / series.uid
    archive.parent.mkdir(parents=True, exist_ok=True)
    size = MOST_SERIES_BYTES if series.size_bytes is None else series.size_bytes
    limit = size + size // 10 + 16_000_000  # the list and the archive's own bytes come on top
    try:
        _save(series, base=base, to=archive, web=web, limit_bytes=limit)
        files, summed = unpack_pictures(archive, into=folder, limit_bytes=limit)
        checked = "md5" if summed else "count" if series.size_bytes is None else "size"
        return place(files, series=series, out=out, origin=base, checked=checked)
    except DamagedError as error:
        LOG.info("%s", error)
        if rounds == 1:
            raise
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return _fetched(series, base=base, out=out, web=web, rounds=rounds - 1)


def _save(series: Series, *, base: str, to: Path, web: Web, limit_bytes: int) -> None:
    """With MD5 sums in the archive; without, where the interface does not have them."""
    ask = urlencode({"SeriesInstanceUID": series.uid})
    try:
        save_url(f"{base}/getImageWithMD5Hash?{ask}", what=series.item, to=to, web=web, limit_bytes=limit_bytes)
    except DownloadError as error:
        if error.status != 404:
            raise
        save_url(f"{base}/getImage?{ask}", what=series.item, to=to, web=web, limit_bytes=limit_bytes)
