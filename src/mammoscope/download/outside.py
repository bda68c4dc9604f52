"""Clients that are not ours: found when needed, and their errors told without what is secret in them."""

import errno
import re
import subprocess
from collections.abc import Callable
from types import ModuleType

from mammoscope.download.failure import DownloadError
from mammoscope.errors import StorageError

Importer = Callable[[str], ModuleType]
USUAL = (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, subprocess.SubprocessError)
QUERY = re.compile(r"[?]\S+")


def client_module(name: str, *, importer: Importer, needed_for: str) -> ModuleType:
    """Import a client.

    Raises:
        DownloadError: It is not installed.
    """
    try:
        return importer(name)
    except ImportError as error:
        raise DownloadError(
            f"{needed_for} needs {name.replace('_', '-')}, which is not installed. Install mammoscope with its "
            "download extra: mammoscope[download]"
        ) from error


def own_errors(module: ModuleType) -> tuple[type[Exception], ...]:
    """What a client may raise: the errors that it defines, and the usual ones."""
    found = [*vars(module).values(), *vars(getattr(module, "exceptions", module)).values()]
    return (*{each for each in found if isinstance(each, type) and issubclass(each, Exception)}, *USUAL)


def told(error: Exception, *, what: str, remedy: str) -> DownloadError | StorageError:
    """A client's error as one of ours, without queries of addresses: a signed address opens what it names."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}:
        return StorageError(f"{what}: could not be written, {error.strerror}. Make room, or choose another folder")
    line = QUERY.sub("?...", (str(error).strip().splitlines() or [""])[0])
    said = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return DownloadError(f"{what}: {said}. {remedy}")
