"""From the name of a data set to a job."""

from importlib import import_module
from pathlib import Path

from mammoscope.download.by_hand import BY_HAND, how_to_ask
from mammoscope.download.cbis import PUBLIC, Addresses, cbis_job
from mammoscope.download.failure import DownloadError
from mammoscope.download.job import Job
from mammoscope.download.kaggle import EDITIONS, kaggle_job
from mammoscope.download.outside import Importer
from mammoscope.download.web import Web
from mammoscope.errors import nearest

PARTS = ("mass", "calc", "csv")
ORIGINS = ("auto", "idc", "tcia")
FETCHED = ("cbis_ddsm", *EDITIONS)
"""Data sets that can be fetched; those in `BY_HAND` must be asked for."""


def plan_download(
    source: str,
    *,
    out: Path,
    only: tuple[str, ...] = (),
    via: str = "auto",
    connections: int = 4,
    web: Web | None = None,
    addresses: Addresses = PUBLIC,
    importer: Importer = import_module,
) -> Job:
    """Find out what a download would do; lists are asked for, no picture is fetched.

    Args:
        source: Name of the data set, as `mammoscope sources` has it, with `-` allowed for `_`.
        out: Folder for it. What an earlier run left whole there is not fetched again.
        only: Parts of CBIS-DDSM: `mass` or `calc`, each with its tables, or `csv` for all four tables.
        via: Who CBIS-DDSM comes from: `idc`, `tcia`, or `auto`, which is the first where that has it.
        connections: Transfers at the same time, 1 to 16.
        web: How servers are spoken to.
        addresses: Where CBIS-DDSM is.
        importer: Finds the clients idc_index and kagglehub.

    Returns:
        The plan and the work. Nothing is written yet.

    Raises:
        DownloadError: The data set is not known or must be asked for, a client is missing, a server does not answer.

    Example:
        >>> plan_download("rnsa", out=Path("rsna"))
        Traceback (most recent call last):
        mammoscope.download.failure.DownloadError: 'rnsa' is not one of cbis_ddsm, cbis_ddsm_jpeg, rsna, vindr,
        inbreast, cmmd, cdd_cesm, cdd_cesm_subtracted, mini_mias, embed; did you mean 'rsna'?
    """
    name = source.replace("-", "_")
    if name in BY_HAND:
        raise DownloadError(how_to_ask(name))
    if name not in FETCHED:
        known = [*FETCHED, *BY_HAND]
        raise DownloadError(f"{source!r} is not one of {', '.join(known)}{nearest(name, known)}")
    if not 1 <= connections <= 16:
        raise DownloadError(f"connections must be 1 to 16, got {connections}: the archive serves others, too")
    web = web or Web()
    if name in EDITIONS:
        _refuse_others((*only, *({via} - {"auto"})), allowed=(), option=f"--only and --via: {name} is whole, and")
        return kaggle_job(EDITIONS[name], out=out, importer=importer, stop=web.stop)
    _refuse_others(only, allowed=PARTS, option="--only")
    _refuse_others((via,), allowed=ORIGINS, option="--via")
    return cbis_job(
        out, only=only or PARTS, via=via, connections=connections, web=web, addresses=addresses, importer=importer
    )


def _refuse_others(given: tuple[str, ...], *, allowed: tuple[str, ...], option: str) -> None:
    wrong = [one for one in given if one not in allowed]
    if wrong:
        known = ", ".join(allowed) or "nothing to choose"
        raise DownloadError(f"{option} {wrong[0]!r} is not one of {known}{nearest(wrong[0], allowed)}")
