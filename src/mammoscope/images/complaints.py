"""What native code writes to the standard error stream, where that is the only way it has to say that data are bad."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

CORRUPT = b"Corrupt JPEG data"  # libjpeg's words when it fills a gap and goes on
_ONE_AT_A_TIME = Lock()


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect libjpeg's warning that it made pixels up; nothing that is written meanwhile is shown.

    The stream belongs to the whole process: threads wait for each other here.

    Yields:
        A list that holds the warning, once the block is left, if there was one.
    """
    said: list[str] = []
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as caught:
        before = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            if CORRUPT in caught.read(1 << 16):
                said.append(CORRUPT.decode())
