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
        self._noted: list[tuple[str, str, str]] = []
        self._settled = time.monotonic()
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
        self._settle()
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
        self._noted.append((*_described(after), sha256))
        if time.monotonic() - self._settled > COMMIT_S:
            self._settle()

    def _settle(self) -> None:
        """Write what was noted, in one go: the base is locked for as long as that takes, and others wait meanwhile."""
        if self._base is None:
            return
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", self._noted)
        except sqlite3.Error as error:
            self._give_up(error)
        self._noted.clear()
        self._settled = time.monotonic()

    def _give_up(self, error: Exception) -> None:
        log.warning("%s cannot be used, every file is read again: %s", FILE, error)
        if self._base is not None:
            self._base.close()
        self._base = None


def _described(stat: os.stat_result) -> tuple[str, str]:
    return f"{stat.st_dev}:{stat.st_ino}", f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
