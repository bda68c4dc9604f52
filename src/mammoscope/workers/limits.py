"""What one file may cost before it is given up, and what stands for its answer then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost before it is given up.

    Attributes:
        memory_bytes: Private memory of the worker. Beside it stand some 100 MB of shared code, and the pages of a
            file that is read through a memory map.
        seconds: From the question to the answer.

    Example:
        >>> Limits(seconds=5)
        Limits(memory_bytes=1342177280, seconds=5)
    """

    memory_bytes: int = 5 << 28
    seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Stands for the answer to a job that had none.

    Attributes:
        code: `crashed`, `timeout` or `memory`, of `mammoscope.images.CODES`.
    """

    code: str
