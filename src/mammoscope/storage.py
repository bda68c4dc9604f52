"""Writing files so that a reader never sees half of one."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from mammoscope.errors import StorageError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it takes the place of `path` in one step.

    The bytes reach the disk before the name does, so a kill or a power cut leaves
    either the old file or the new one. On failure the temporary file is removed.

    Args:
        path: The file to write. Its folder is made if missing.

    Returns:
        A context manager; write to the path that it gives.

    Raises:
        StorageError: The file system refused, with its reason (no space, read-only, ...).

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix, delete=False) as file:
            temporary = Path(file.name)
        yield temporary
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.chmod(0o644)
        temporary.replace(path)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(_refusal(path, error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file in one step.

    Raises:
        StorageError: The file system refused.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def alone_with(path: Path) -> Iterator[int]:
    """Open a file to read it and to append to it while no other process does; it is made if missing.

    The lock goes with the process: one that is killed leaves none behind.

    Args:
        path: The file. Its folder is made if missing.

    Returns:
        A context manager; it gives a file descriptor at the start of the file. Writes go to its end.

    Raises:
        StorageError: The file system refused, or knows no locks.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise StorageError(_refusal(path, error)) from error
    try:
        _lock(descriptor)
        yield descriptor
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(_refusal(path, error)) from error
    finally:
        os.close(descriptor)  # gives the lock back


def _lock(descriptor: int) -> None:
    """Wait for the lock."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 only there

        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
    else:
        import fcntl  # noqa: PLC0415 not on Windows

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _refusal(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    remedy = "Make room" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "Choose a folder that can be written"
    return f"{path.name}: could not be written, {reason}. {remedy}, then run the same command again"
