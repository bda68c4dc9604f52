"""What would be fetched, and fetching it."""

import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

from mammoscope.download.failure import DownloadError
from mammoscope.download.manifest import Entry, add_entry
from mammoscope.errors import StorageError

LOG = logging.getLogger(__name__)
STAGE = ".download"  # folder for what is not whole yet, inside the data set's own: a move there is one step
RESERVE_BYTES = 1_000_000_000  # left free for everything else on the disk
MOST_FAILURES = 10  # one after the other: the server, or the way to it, is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One thing that could not be fetched, and why."""

    item: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a download would do.

    Attributes:
        source: Name of the data set.
        origin: Who it is fetched from.
        licence: Terms of the data.
        cite: What a paper that uses the data cites.
        items: Series, tables or editions to fetch, without those that are here.
        here: Items that are whole from an earlier run.
        files: Files in `items`; None if the server does not say.
        size_bytes: Size of `items`; None if the server does not say.
        needs_bytes: Room that must be free: the size, what is unpacked at the same time, and a reserve.
        free_bytes: Room that is free.
        notes: What the user should know besides.
    """

    source: str
    origin: str
    licence: str
    cite: str
    items: int
    here: int
    files: int | None
    size_bytes: int | None
    needs_bytes: int | None
    free_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether there is room, as far as the server says how much is needed."""
        return self.needs_bytes is None or self.needs_bytes <= self.free_bytes

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return asdict(self) | {"notes": list(self.notes), "fits": self.fits}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work that one connection does.

    Attributes:
        items: What it fetches.
        fetch: Fetches it, and says of each item what is on disk, or why not.
    """

    items: tuple[str, ...]
    fetch: Callable[[], list[Entry | Failed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A plan and the work that carries it out.

    Attributes:
        plan: What would be done.
        out: Folder of the data set.
        tasks: The work.
        connections: Tasks at the same time, at most.
        stop: Ends what is under way.
    """

    plan: Plan
    out: Path
    tasks: tuple[Task, ...]
    connections: int
    stop: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a download did."""

    fetched: int
    here: int
    failed: tuple[Failed, ...]
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return asdict(self) | {"failed": [asdict(one) for one in self.failed]}


def free_bytes(folder: Path) -> int:
    """Room on the disk that a folder is, or would be, on."""
    there = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    return shutil.disk_usage(there).free


def run_download(job: Job, *, progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Carry out a plan. What is whole stays; the same command later goes on from there.

    Args:
        job: What `plan_download` gave.
        progress: Told items done and all items, after each.

    Returns:
        What was fetched and what was not; one item that fails does not end the others.

    Raises:
        StorageError: There is too little room, or the file system refuses.
        DownloadError: Ten items in a row fail.
    """
    _refuse_full(job.plan)
    job.out.mkdir(parents=True, exist_ok=True)
    failed: list[Failed] = []
    fetched = size = in_a_row = 0
    with _workers(job) as pool:
        waiting = [pool.submit(_carried_out, task) for task in job.tasks]
        for future in as_completed(waiting):
            for result in future.result():
                if isinstance(result, Failed):
                    failed.append(result)
                    in_a_row += 1
                    LOG.warning("%s", result.message)
                else:
                    add_entry(result, out=job.out)
                    fetched, in_a_row = fetched + 1, 0
                    size += sum(file.bytes for file in result.files)
                if progress is not None:
                    progress(fetched + len(failed), job.plan.items)
            if in_a_row >= MOST_FAILURES:
                raise DownloadError(
                    f"{job.plan.source}: {in_a_row} items in a row could not be fetched, the last one: "
                    f"{failed[-1].message}. {fetched} are whole; run the same command again later"
                )
    if not failed:
        shutil.rmtree(job.out / STAGE, ignore_errors=True)
    return Outcome(fetched=fetched, here=job.plan.here, failed=tuple(failed), size_bytes=size)


def _refuse_full(plan: Plan) -> None:
    if not plan.fits:
        raise StorageError(
            f"{plan.source}: needs {plan.needs_bytes:,} bytes on the disk, {plan.free_bytes:,} are free. Make room, "
            "choose another folder with --out, or fetch a part with --only"
        )


@contextmanager
def _workers(job: Job) -> Iterator[ThreadPoolExecutor]:
    """Threads that end soon when anything else ends."""
    pool = ThreadPoolExecutor(max_workers=job.connections, thread_name_prefix="download")
    try:
        yield pool
    except BaseException:
        job.stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _carried_out(task: Task) -> list[Entry | Failed]:
    try:
        return task.fetch()
    except StorageError:
        raise
    except DownloadError as error:
        return [Failed(item=item, message=str(error)) for item in task.items]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(
            f"{task.items[0]}: could not be written, {reason}. Make room or choose another folder, then run the same "
            "command again"
        ) from error
