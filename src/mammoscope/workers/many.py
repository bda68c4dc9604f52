"""One function over many files, in guarded processes here or on a cluster: a file that kills one costs only itself."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from mammoscope.workers.limits import Limits, Lost
from mammoscope.workers.worker import Worker

Job = TypeVar("Job")
Result = TypeVar("Result")

AHEAD = 4  # jobs in flight for one worker
CHUNK = 64  # jobs that share the start of one worker on a cluster


def over_files(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    crashed: Callable[[Job, str], Result],
    limits: Limits | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Result]:
    """Yield the result of each job, in the order in which they are done.

    Args:
        work: Called with a job in a worker process: a function at the top of its module, or a `partial` of one.
            Jobs and results are data: plain values, paths, arrays, dataclasses, enums, pydantic models, exceptions.
        jobs: Drawn a few ahead, so that memory stays flat.
        crashed: Makes the result of a job that had none, from the job and its code: `crashed`, `timeout`, `memory`.
        limits: What one job may cost.
        workers: Processes; one per processor when not given. With 0 the work is done in this process, unguarded.
        executor: Where the worker processes are started instead, such as `Client.get_executor()` of a Dask cluster;
            `workers` is then how many it has.
    """
    allowed, count = limits or Limits(), processors() if workers is None else workers
    if executor is not None:
        there = partial(_chunk, work, allowed)
        done = _completed(lambda given: executor.submit(there, given), jobs, workers=count, most=CHUNK)
    elif count:
        done = _guarded_here(work, jobs, limits=allowed, workers=count)
    else:
        done = ((job, _unguarded(work, job)) for job in jobs)
    for job, answer in done:
        yield crashed(job, answer.code) if isinstance(answer, Lost) else answer


def processors() -> int:
    """Processors that this process may use: the default number of workers."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unguarded(work: Callable[[Job], Result], job: Job) -> Result | Lost:
    try:
        return work(job)
    except MemoryError:
        return Lost(code="memory")


def _guarded_here(
    work: Callable[[Job], Result], jobs: Iterable[Job], *, limits: Limits, workers: int
) -> Iterator[tuple[Job, Result | Lost]]:
    """Threads that each borrow one of as many worker processes."""
    every = [Worker[Job, Result](work, limits=limits) for _ in range(workers)]
    idle: SimpleQueue[Worker[Job, Result]] = SimpleQueue()
    for worker in every:
        idle.put(worker)

    def answer(given: list[Job]) -> list[Result | Lost]:
        worker = idle.get()
        try:
            return [worker.run(job) for job in given]
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(workers)
    try:
        yield from _completed(lambda given: pool.submit(answer, given), jobs, workers=workers, most=1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in every:  # also those that a thread waits for: it ends with them
            worker.close()
        pool.shutdown()


def _chunk(work: Callable[[Job], Result], limits: Limits, given: list[Job]) -> list[Result | Lost]:
    """Runs on a machine of the cluster."""
    with Worker[Job, Result](work, limits=limits) as worker:
        return [worker.run(job) for job in given]


def _completed(
    submit: Callable[[list[Job]], "Future[list[Result | Lost]]"], jobs: Iterable[Job], *, workers: int, most: int
) -> Iterator[tuple[Job, Result | Lost]]:
    """Jobs with their answers; the lists that are submitted grow with what is done, up to `most` jobs."""
    waiting, flying, done = iter(jobs), dict[Future[list[Result | Lost]], list[Job]](), 0
    try:
        while True:
            size = min(most, 1 + done // (AHEAD * workers))
            while len(flying) < AHEAD * workers and (given := list(islice(waiting, size))):
                flying[submit(given)] = given
            if not flying:
                return
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                given = flying.pop(future)
                done += len(given)
                yield from zip(given, future.result(), strict=True)
    finally:
        for future in flying:
            future.cancel()
