"""Work on a Dask cluster instead of this machine."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from mammoscope.errors import MammoscopeError

LOG = logging.getLogger(__name__)
ANSWER_S = 10  # of a scheduler
WORKER_S = 60  # until it has a first worker, and another one after the last was lost
LOOK_S = 5  # between two looks at how many workers it has
Given = ParamSpec("Given")
Result = TypeVar("Result")


class ClusterError(MammoscopeError, OSError):
    """A cluster cannot be used: install what is missing, start it, or work without `--cluster`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where work can be sent to.

    Attributes:
        executor: Takes functions and their arguments.
        workers: How many it works on at a time.
    """

    executor: Executor
    workers: int


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to a Dask cluster for the time of a `with` block.

    Every machine of the cluster must see the data set and the cache under the same paths as this one, and have the
    same version of mammoscope. Dask moves work with pickle: connect only to a cluster that is yours.

    Args:
        address: Of the scheduler, such as tcp://10.0.0.1:8786.

    Raises:
        ClusterError: `distributed` is not installed, no scheduler or worker answers, or the cluster was lost on the
            way: the scheduler, or for a minute every worker. What was prepared stays valid.
    """
    try:
        from distributed import Client, TimeoutError  # noqa: A004, PLC0415
        from distributed.comm import CommClosedError, get_address_host_port  # noqa: PLC0415
        from distributed.scheduler import KilledWorker  # noqa: PLC0415
    except ImportError as error:
        raise ClusterError(
            "--cluster needs the package distributed. Install it with: pip install 'mammoscope[cluster]'"
        ) from error
    try:
        get_address_host_port(address)  # what is no address leaves a client behind that nobody can close
        client = Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(f"{address}: no Dask scheduler answers there. Start one with: dask scheduler") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_S)
            count = sum(client.nthreads().values())
        except TimeoutError as error:
            raise ClusterError(f"{address}: has no workers. Start some with: dask worker {address}") from error
        sent = _Sent(client=client, there=client.get_executor())
        watch = Thread(target=sent.watch, daemon=True)
        watch.start()
        try:
            yield Cluster(executor=sent, workers=count)
        except (KilledWorker, CommClosedError, CancelledError) as error:
            why = type(error).__name__ if isinstance(error, KilledWorker) else "its scheduler is gone"
            if sent.deserted.is_set():
                why = f"no worker is left, for {WORKER_S} s"
            raise ClusterError(
                f"{address}: the cluster was lost ({why}). Run the same command again: it goes on"
            ) from error
        finally:
            sent.over.set()
            watch.join()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sent(Executor):
    """What was sent to a cluster; it is cancelled where nobody is left to do it.

    The client cancels all itself where it loses its scheduler. Without a worker it would wait for ever.
    """

    client: Any
    there: Executor
    deserted: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """As every executor does.

        Raises:
            CancelledError: The cluster was lost.
        """
        if self.deserted.is_set() or self.client.status == "closed":
            raise CancelledError
        return self.there.submit(fn, *args, **kwargs)

    def watch(self) -> None:
        """Look for workers until it is over, or there was none for too long."""
        last, told = monotonic(), False
        while not self.over.wait(LOOK_S) and self.client.status == "running":
            try:
                found = self.client.nthreads()
            except OSError:  # the scheduler is lost, too
                return
            if found:
                last, told = monotonic(), False
            elif monotonic() - last >= WORKER_S:
                self.deserted.set()
                self.there.shutdown(wait=False)
                return
            elif not told:
                LOG.warning("no worker is left on the cluster; waiting %d s for another", WORKER_S)
                told = True
