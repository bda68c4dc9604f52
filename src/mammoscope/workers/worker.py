"""A process of its own for files from outside: whatever a file does to it, the caller gets an answer in time."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.spawn import get_preparation_data
from threading import Event, Lock, Timer
from types import TracebackType
from typing import Any, Generic, TypeVar

from mammoscope.workers.limits import Limits, Lost
from mammoscope.workers.wire import BROKEN, receive, send

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

START_S = 120.0  # a worker starts in half a second; a busy machine may need longer
END_S = 10.0
MOST_READY_BYTES = 1 << 16

INHERITED = frozenset(
    {
        *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE"),
    }
)
"""What a worker knows of the environment, beside LC_*: no key, token or proxy."""

KEPT_MEMORY = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 30))
"""glibc gives large blocks back to the system, and faults them in page by page for the next file: here it does not."""


class Worker(Generic[Job, Result]):
    """A child process that calls one function for one job after another, under limits.

    Args:
        work: Called in the child: a function at the top of its module, or a `partial` of one. Jobs and results are
            data: plain values, paths, arrays, dataclasses, enums, pydantic models, exceptions.
        limits: For each job.
        threads: That its codecs and its resampling may use.
    """

    def __init__(self, work: Callable[[Job], Result], *, limits: Limits, threads: int = 1) -> None:
        self._work = work
        self._threads = threads
        self._limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._lock = Lock()  # another thread may close

    def __enter__(self) -> "Worker[Job, Result]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, job: Job) -> Result | Lost:
        """Answer a job, or say how it was lost; the next job gets a sound process.

        Whatever `work` raises is raised here. A process that is lost after other files may have been harmed by
        one of those: the job is then tried once more in a fresh one.

        Raises:
            RuntimeError: No process can be started, or the worker is closed.
        """
        used = self._child is not None
        answer = self._ask(job)
        if used and isinstance(answer, Lost) and answer.code != "timeout" and not self._closed:
            answer = self._ask(job)
        return answer

    def close(self) -> None:
        """End the child, whatever it does; may be called from another thread, and again."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()
        self._drop()

    def _ask(self, job: Job) -> Result | Lost:
        child = self._child or self._start()
        message, late = _exchange(child, job, seconds=self._limits.seconds, most_bytes=self._limits.memory_bytes)
        kind, value, records = message or ("lost", Lost(code="timeout" if late else "crashed"), [])
        for name, level, text in records:
            logging.getLogger(name).log(level, "%s", text)
        if kind == "lost" or late:
            self._drop()
        if isinstance(value, Exception) and kind == "raised":
            raise value
        answer: Result | Lost = value
        return answer

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._closed:
                raise RuntimeError("the worker is closed")
            self._child = child = subprocess.Popen(
                [sys.executable, "-P", "-m", "mammoscope.workers.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(threads=self._threads),
            )
        ready: Any = None
        for question in ((self._limits, _script(self._work)), self._work):
            ready, _ = _exchange(child, question, seconds=START_S, most_bytes=MOST_READY_BYTES)
            if ready not in {"started", "ready"}:
                break
        if ready != "ready" and not self._closed:
            self._drop()
            reason = "it ended, or was not ready in time" if ready is None else ready
            raise RuntimeError(f"a worker process could not be started: {reason}")
        return child

    def _drop(self) -> None:
        """Forget the child, and leave neither a zombie nor an open pipe."""
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # of a process that waits for a file system that does not answer
            child.wait(END_S)
        for stream in (child.stdin, child.stdout):
            with suppress(OSError):  # of bytes that were never sent
                if stream is not None:
                    stream.close()


def _exchange(
    child: "subprocess.Popen[bytes]", question: object, *, seconds: float, most_bytes: int
) -> tuple[Any, bool]:
    """Send a question and wait: the answer, or None; and whether the child was killed for being late."""
    late = Event()

    def end() -> None:
        late.set()
        child.kill()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return _asked(child, question, most_bytes=most_bytes), late.is_set()
    finally:
        timer.cancel()


def _asked(child: "subprocess.Popen[bytes]", question: object, *, most_bytes: int) -> Any:
    if child.stdin is None or child.stdout is None:
        return None
    try:
        send(child.stdin, question)
    except (OSError, ValueError):  # ValueError: closed by another thread
        return None
    try:
        return receive(child.stdout, most_bytes=most_bytes)
    except OSError:
        return None
    except BROKEN as error:
        if not isinstance(error, EOFError) and not child.stdout.closed:
            log.error("the answer of a worker cannot be read: %s", error)  # noqa: TRY400 the trace would say nothing
        return None


def _script(work: Callable[..., Any]) -> dict[str, Any]:
    """How the script that is running can be imported, where the function is one of its own."""
    function = work.func if isinstance(work, partial) else work
    if function.__module__ != "__main__":
        return {}
    return {key: value for key, value in get_preparation_data("worker").items() if key.startswith("init_main")}


def _environment(*, threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in INHERITED or name.startswith("LC_")}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    one |= dict.fromkeys(("OPJ_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), str(threads))  # JPEG 2000; resampling
    places = [os.path.abspath(place) for place in sys.path]  # noqa: PTH100 "" is the working folder
    return kept | one | KEPT_MEMORY | {"PYTHONPATH": os.pathsep.join(places)}
