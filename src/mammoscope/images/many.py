"""One function over many files, in several processes: a file that kills its process costs only itself."""

import multiprocessing
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Result = TypeVar("Result")


def over_files(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    crashed: Callable[[Job], Result],
    workers: int | None = None,
) -> Iterator[Result]:
    """Yield the result of each job, in the order in which they are done.

    Args:
        work: Called with a job in a worker process; both and its result can be pickled.
        jobs: Drawn a few ahead, so that memory stays flat.
        crashed: Makes the result of a job whose process died.
        workers: Processes; one per processor when not given. With 1 the work is done in this process.
    """
    count = workers or processors()
    if count == 1:
        yield from map(work, jobs)
        return
    waiting = iter(jobs)
    while True:
        with _pool(count, work) as pool:
            stranded = yield from _until_broken(pool, waiting, work=work, ahead=4 * count)
        if not stranded:
            return
        for job in stranded:  # one of these killed its process: each gets a process of its own
            yield _alone(job, work=work, crashed=crashed)


def processors() -> int:
    """Processors that this process may use: the default number of workers."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _until_broken(
    pool: Executor, waiting: Iterator[Job], *, work: Callable[[Job], Result], ahead: int
) -> Generator[Result, None, list[Job]]:
    """Yield results; return the jobs in flight when a process died."""
    flying: dict[Future[Result], Job] = {}
    drawn: list[Job] = []
    while True:
        try:
            drawn += islice(waiting, max(0, ahead - len(flying) - len(drawn)))
            while drawn:
                flying[pool.submit(work, drawn[-1])] = drawn[-1]
                drawn.pop()
            if not flying:
                return []
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                result = future.result()
                del flying[future]
                yield result
        except BrokenProcessPool:
            return [*flying.values(), *drawn]


def _alone(job: Job, *, work: Callable[[Job], Result], crashed: Callable[[Job], Result]) -> Result:
    try:
        with _pool(1, work) as pool:
            return pool.submit(work, job).result()
    except BrokenProcessPool:
        return crashed(job)


def _pool(workers: int, work: Callable[[Job], Result]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may hang
    function = work.func if isinstance(work, partial) else work
    context.set_forkserver_preload([function.__module__])  # imported once, not once a process
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread)


def _one_thread() -> None:
    cv2.setNumThreads(1)
