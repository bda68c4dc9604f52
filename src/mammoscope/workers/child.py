"""The process behind `mammoscope.workers.worker`: reads questions, works under limits, sends answers.

Run as `python -m mammoscope.workers.child`, by `Worker` only. It ends when its input ends, so it never outlives its
parent by more than the time limit of one job.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.spawn import prepare
from typing import IO, Any

from mammoscope.workers.limits import Limits, Lost
from mammoscope.workers.wire import imported, receive, send

if sys.platform != "win32":
    import resource

MOST_BYTES = 1 << 30  # of a question
SPARE_S = 1.0  # the parent is the first to notice that a job takes too long


class _Records(logging.Handler):
    """Keeps what is logged, for the parent's log."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append((record.name, record.levelno, self.format(record)))

    def taken(self) -> list[tuple[str, int, str]]:
        taken, self.kept = self.kept, []
        return taken


def main() -> None:
    """Answer questions until there are none."""
    questions, answers = _own_streams()
    if sys.platform != "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    ask = partial(receive, questions, most_bytes=MOST_BYTES, find=imported)
    limits: Limits
    limits, script = ask()
    try:
        prepare(script)
        send(answers, "started")
        work: Callable[[Any], Any] = ask()
    except (AttributeError, ImportError, TypeError) as error:
        send(answers, f"its function cannot be found there, {error}")
        return
    records = _Records()
    logging.getLogger().addHandler(records)
    _limit_memory(limits.memory_bytes)
    send(answers, "ready")
    _silence()
    while True:
        try:
            job = ask()
        except EOFError:
            return
        _alarm(limits.seconds + SPARE_S)
        kind, value = _answer(work, job)
        try:
            send(answers, (kind, value, records.taken()))
        except TypeError as error:
            send(answers, ("raised", error, []))
        except MemoryError:
            send(answers, ("lost", Lost(code="memory"), []))
        _alarm(0)


def _answer(work: Callable[[Any], Any], job: Any) -> tuple[str, Any]:
    try:
        return "done", work(job)
    except MemoryError:
        return "lost", Lost(code="memory")
    except Exception as error:  # noqa: BLE001 it is raised in the parent
        return "raised", error


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to the parent, out of reach of what a decoder prints or reads."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return questions, answers


def _silence() -> None:
    """Decoders write to stderr what may come out of a file; what this program has to say is in its log."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)


def _limit_memory(size: int) -> None:
    if sys.platform == "win32":
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's picture
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = size if most == resource.RLIM_INFINITY else min(size, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _alarm(seconds: float) -> None:
    """Die when the time is over, even if the parent is gone and a decoder holds the interpreter."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()
