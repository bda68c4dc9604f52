"""Work on a Dask cluster instead of this machine."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from mammoscope.errors import MammoscopeError

ANSWER_S = 10  # of a scheduler
WORKER_S = 60  # until it has a first worker


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
            way. What was prepared stays valid.
    """
    try:
        from distributed import Client, TimeoutError  # noqa: A004, PLC0415
        from distributed.client import FutureCancelledError  # noqa: PLC0415
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
            yield Cluster(executor=client.get_executor(), workers=count)
        except TimeoutError as error:
            raise ClusterError(f"{address}: has no workers. Start some with: dask worker {address}") from error
        except (KilledWorker, CommClosedError, FutureCancelledError) as error:
            raise ClusterError(
                f"{address}: the cluster was lost ({type(error).__name__}). Run the same command again: it goes on"
            ) from error
