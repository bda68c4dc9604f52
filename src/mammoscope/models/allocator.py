"""glibc's allocator, told to keep what it has.

Every training step frees and asks for the same large blocks. By default glibc hands them back to the
kernel and faults them in again page by page, which costs more than some convolutions do.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def keep_memory() -> bool:
    """Ask glibc to serve large blocks from its heap and not to trim it.

    Returns:
        Whether it took the settings; False on systems without glibc, where nothing changes.

    Source:
        mallopt(3). `bench/training.py` measures what it is worth here.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    settings = {M_MMAP_THRESHOLD: 1 << 30, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 1 << 28}
    return all(bool(mallopt(name, value)) for name, value in settings.items())
