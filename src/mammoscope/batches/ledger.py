"""What the files of a data set held when they were last read, so that unchanged ones need not be read again.

A file is taken as unchanged if device, inode, size and both times are. What it holds stays the truth: the ledger only
remembers its hash, and may be deleted at any time.
"""

import logging
import os
import sqlite3
import time
from pathlib import Path
from types import TracebackType

log = logging.getLogger(__name__)

FILE = "ledger.sqlite"
SETTLED_S = 2.0  # a file that changed just now may change again within one tick of the file system's clock
COMMIT_S = 2.0
WAIT_S = 10.0  # for another run on the same cache

CREATE = "CREATE TABLE IF NOT EXISTS files (place TEXT PRIMARY KEY, state TEXT, sha256 TEXT) WITHOUT ROWID"


class Ledger:
    """Hashes of files by what the file system says of them.

    Where the file system of the cache cannot hold it (no locks, no room), everything is read anew, and the log says so.

    Args:
        folder: The cache.
    """

    def __init__(self, folder: Path) -> None:
        self._base: sqlite3.Connection | None = None
        self._committed = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(folder / FILE, timeout=WAIT_S)
            self._base.execute(CREATE)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def __enter__(self) -> "Ledger":  # noqa: PYI034 beartype reads it
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._base is not None:
            try:
                self._base.commit()
            except sqlite3.Error as refused:
                self._give_up(refused)
        if self._base is not None:
            self._base.close()

    def sha256(self, stat: os.stat_result) -> str | None:
        """What a file held when it was as it is now; None if that is not known."""
        if self._base is None:
            return None
        place, state = _described(stat)
        query = "SELECT sha256 FROM files WHERE place = ? AND state = ?"
        try:
            row = self._base.execute(query, (place, state)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return row[0] if row else None

    def note(self, before: os.stat_result, after: os.stat_result, *, sha256: str) -> None:
        """Remember what a file held that was read between two looks at it, unless it was changing."""
        changed = max(after.st_mtime, after.st_ctime)
        if self._base is None or _described(before) != _described(after) or time.time() - changed < SETTLED_S:
            return
        try:
            self._base.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (*_described(after), sha256))
            if time.monotonic() - self._committed > COMMIT_S:
                self._base.commit()
                self._committed = time.monotonic()
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("%s cannot be used, every file is read again: %s", FILE, error)
        if self._base is not None:
            self._base.close()
        self._base = None


def _described(stat: os.stat_result) -> tuple[str, str]:
    return f"{stat.st_dev}:{stat.st_ino}", f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
