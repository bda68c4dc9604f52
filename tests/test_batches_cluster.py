"""A cluster that is lost while it works is named, and ends the work; nothing waits for ever."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from mammoscope.batches import ClusterError, connected
from mammoscope.batches import cluster as places

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
NAP_S = 60


@pytest.fixture
def scheduler() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture
def worker(scheduler: LocalCluster, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    options = ["--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path)]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.scheduler_address, *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def work(address: str, *, meanwhile: Callable[[], None]) -> None:
    with connected(address) as cluster:
        assert cluster.executor.submit(int, "1").result() == 1
        job = cluster.executor.submit(time.sleep, NAP_S)
        meanwhile()
        job.result()


@pytest.mark.usefixtures("worker")
def test_a_lost_scheduler_ends_the_work_in_a_sentence(scheduler: LocalCluster) -> None:
    """It was a traceback: the executor raises another CancelledError than the client does."""
    with pytest.raises(
        ClusterError, match=r"the cluster was lost \(its scheduler is gone\)\. Run the same command again"
    ):
        work(scheduler.scheduler_address, meanwhile=scheduler.close)


def test_without_a_worker_the_work_ends_in_a_sentence(
    scheduler: LocalCluster,
    worker: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It waited in silence."""
    monkeypatch.setattr(places, "LOOK_S", 0.1)

    def lose() -> None:
        monkeypatch.setattr(places, "WORKER_S", 1)
        worker.kill()

    with pytest.raises(ClusterError, match=r"the cluster was lost \(no worker is left, for 1 s\)"):
        work(scheduler.scheduler_address, meanwhile=lose)

    assert "no worker is left on the cluster; waiting 1 s for another" in caplog.text
