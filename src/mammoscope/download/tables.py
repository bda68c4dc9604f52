"""The four case description tables of CBIS-DDSM: small files from the archive's own site."""

from pathlib import Path

from mammoscope.download.failure import DamagedError, DownloadError
from mammoscope.download.job import STAGE, Failed, Task
from mammoscope.download.manifest import Entry, saved
from mammoscope.download.series import Half
from mammoscope.download.web import Web, save_url

TABLES: dict[str, Half] = {
    "mass_case_description_train_set.csv": "mass",
    "mass_case_description_test_set.csv": "mass",
    "calc_case_description_train_set.csv": "calc",
    "calc_case_description_test_set.csv": "calc",
}
"""Name of each table, and the half of the data set that it describes."""

TABLE_ADDRESSES = (
    "https://www.cancerimagingarchive.net/wp-content/uploads/{name}",
    "https://wiki.cancerimagingarchive.net/download/attachments/22516629/{name}?api=v2",
)
"""Where the collection's page has them, and where its older page has them."""

TABLE_BYTES = 1_000_000  # none is larger: 190 to 925 kB
FIRST_WORD = "patient_id"  # of the header, in all four


def table_task(name: str, *, addresses: tuple[str, ...], out: Path, web: Web) -> Task:
    """The work of fetching one table from the first address that has it."""
    return Task(items=(f"table {name}",), fetch=lambda: [_fetched(name, addresses=addresses, out=out, web=web)])


def _fetched(name: str, *, addresses: tuple[str, ...], out: Path, web: Web) -> Entry | Failed:
    refusals = []
    for address in addresses:
        try:
            return _from(address.format(name=name), name, out=out, web=web)
        except DownloadError as error:
            if web.stop.is_set():
                raise
            refusals.append(str(error))
    return Failed(item=f"table {name}", message="; ".join(refusals))


def _from(url: str, name: str, *, out: Path, web: Web) -> Entry:
    staged = out / STAGE / name
    staged.parent.mkdir(parents=True, exist_ok=True)
    save_url(url, what=name, to=staged, web=web, limit_bytes=16 * TABLE_BYTES)
    with staged.open("rb") as stream:
        head = stream.read(64).decode("utf-8-sig", errors="replace")
    if not head.startswith(FIRST_WORD):
        staged.unlink()
        raise DamagedError(f"{name}: begins with {head[:20]!r}, not with {FIRST_WORD!r}: a page, not the table")
    file = out / name
    staged.replace(file)
    return Entry(item=f"table {name}", origin=url, checked="header", files=(saved(file, out=out),))
