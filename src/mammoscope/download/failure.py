"""What can go wrong between a server and the disk.

A full or read-only disk is a `StorageError`, as everywhere.
"""

from mammoscope.errors import MammoscopeError


class DownloadError(MammoscopeError, OSError):
    """A data set could not be fetched: ask for it, sign in, wait, or run the same command again.

    Attributes:
        status: HTTP status of the server's answer, where there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class DamagedError(DownloadError):
    """What arrived is not what the server announced: worth another attempt, a bounded number of times."""
