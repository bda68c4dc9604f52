"""Files from outside are opened in processes that may be killed by them: nothing else is."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dying import fail_on, harm, misbehave
from mammoscope.errors import ImageError, StorageError
from mammoscope.images import CODES, Limits, Preprocess, Step, read_guarded, read_mammogram
from mammoscope.images.guarded import ANSWER_CODES, answers
from mammoscope.vocabulary import View
from mammoscope.workers.many import over_files
from mammoscope.workers.wire import BROKEN, imported, loaded, receive, send
from mammoscope.workers.worker import Worker
from planted import picture

TESTS = Path(__file__).parent
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")


def outcome(job: str, code: str) -> tuple[str, str]:
    return job, code


def alive(process: int) -> bool:
    """A process that has ended and was not waited for counts as gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(process: int, *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(process)


def test_a_job_that_kills_hangs_or_hoards_costs_only_itself() -> None:
    jobs = ["a", "crash", "b", "hang", "c", "hoard", "d"]

    found = list(over_files(misbehave, jobs, crashed=outcome, limits=Limits(seconds=1.5), workers=2))

    lost = {("crash", "crashed"), ("hang", "timeout"), ("hoard", "memory")}
    assert set(found) == {"a", "b", "c", "d"} | lost
    assert len(found) == len(jobs)
    assert {code for _, code in lost} <= set(CODES)


def test_memory_that_grows_little_by_little_is_limited_too() -> None:
    with Worker[str, object](misbehave, limits=Limits(memory_bytes=300 << 20)) as worker:
        assert getattr(worker.run("grow"), "code", None) == "memory"
        assert worker.run("a") == "a"


def test_a_file_is_not_blamed_for_what_another_did_to_the_process() -> None:
    with Worker[str, str](harm, limits=Limits()) as worker:
        assert [worker.run(job) for job in ("first", "second")] == ["first", "second"]


@LINUX
def test_workers_leave_no_process_and_no_open_file() -> None:
    before = {path.name for path in Path("/proc/self/fd").iterdir()}

    processes = set(over_files(misbehave, ["process"] * 8, crashed=outcome, workers=2))
    abandoned = over_files(misbehave, ["process"] * 8, crashed=outcome, workers=2)
    processes.add(next(abandoned))
    abandoned.close()

    assert not any(Path(f"/proc/{process}").exists() for process in processes)
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before


@LINUX
def test_what_a_decoder_prints_and_opens_does_not_reach_the_answers() -> None:
    counts = list(over_files(misbehave, ["print"] * 5, crashed=outcome, workers=1))

    assert len(set(counts)) == 1
    assert isinstance(counts[0], int)


def test_a_worker_knows_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_TOKEN", "secret")

    (names,) = over_files(misbehave, ["environment"], crashed=outcome, workers=1)

    assert "STORE_TOKEN" not in names
    assert "PATH" in names


def test_jobs_are_drawn_only_a_few_ahead() -> None:
    drawn = []

    def jobs() -> object:
        for n in range(1000):
            drawn.append(n)
            yield str(n)

    found = over_files(misbehave, jobs(), crashed=outcome, workers=1)
    for _ in range(10):
        next(found)

    assert len(drawn) <= 14
    found.close()


def test_without_workers_the_work_is_done_here() -> None:
    assert list(over_files(misbehave, ["process", "hoard"], crashed=outcome, workers=0)) == [
        os.getpid(),
        ("hoard", "memory"),
    ]


def test_an_error_of_the_work_is_raised_here_and_ends_it() -> None:
    with pytest.raises(KeyError, match="fail"):
        list(over_files(misbehave, ["a", "fail", "b"], crashed=outcome, workers=2))


def test_a_function_that_a_worker_cannot_find_is_said_at_once() -> None:
    with pytest.raises(TypeError, match="is not at the top of its module"):
        list(over_files(lambda job: job, ["a"], crashed=outcome, workers=1))


ALONE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from dying import misbehave
from mammoscope.images import Limits
from mammoscope.workers.many import over_files
if __name__ == "__main__":
    for found in over_files(misbehave, ["process", sys.argv[2]], crashed=print, limits=Limits(seconds=2), workers=1):
        print(found, flush=True)
        time.sleep(float(sys.argv[3]))
"""


def alone(job: str, *, then_s: float) -> tuple[subprocess.Popen[str], int]:
    """A process of its own with a worker that is busy with a job; and the worker."""
    run = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(TESTS), job, str(then_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert run.stdout is not None
    return run, int(run.stdout.readline())


@LINUX
@pytest.mark.parametrize("job", ["a", "spin"])
def test_a_worker_ends_when_its_parent_is_killed(job: str) -> None:
    run, worker = alone(job, then_s=30)
    was_alive = alive(worker)

    run.kill()
    run.communicate()

    assert was_alive
    assert gone(worker, within_s=10)


@LINUX
def test_an_interrupt_ends_all_at_once() -> None:
    run, worker = alone("hang", then_s=0)
    time.sleep(0.2)

    start = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate()

    assert run.returncode != 0
    assert gone(worker, within_s=1)
    assert time.monotonic() - start < 1.9, "it waited for the job"


def test_a_file_read_guarded_is_the_same_mammogram(tmp_path: Path) -> None:
    file, wanted = picture(tmp_path / "a.png"), Preprocess(rows=48, cols=32)

    guarded = read_guarded(file, preprocess=wanted, view=View.CC)

    read = read_mammogram(file, preprocess=wanted, view=View.CC)
    np.testing.assert_array_equal(guarded.pixels, read.pixels)
    assert guarded.trail == read.trail
    assert guarded.geometry.chain == read.geometry.chain
    assert (guarded.view, guarded.original_shape) == (View.CC, read.original_shape)


def test_a_file_read_guarded_fails_with_its_code(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")

    with pytest.raises(ImageError, match="a.png: has no bytes") as caught:
        read_guarded(tmp_path / "a.png")

    assert caught.value.code == "empty"


def test_a_file_that_takes_too_long_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="a.png: the decoder did not end within the time allowed") as caught:
        read_guarded(picture(tmp_path / "a.png"), limits=Limits(seconds=1e-4))

    assert caught.value.code == "timeout"


def test_a_fault_of_ours_is_an_answer_and_its_trace_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (answer,) = answers(fail_on, [Path("folder/a.png")], workers=1)

    assert (answer.code, answer.message) == ("internal", "a.png: KeyError. See the log, and report it")
    assert answer.code in ANSWER_CODES
    assert "a.png failed unexpectedly, KeyError" in caplog.text
    assert "in fail_on" in caplog.text
    assert "folder" not in caplog.text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.sampled_from([View.CC, Path("a/b"), Step(name="a", detail="b", cause="c"), Preprocess(rows=99)]),
    lambda inside: (
        st.lists(inside)
        | st.tuples(inside)
        | st.dictionaries(st.text() | st.integers(), inside)
        | st.sets(st.integers())
    ),
)


def read(message: bytes, **how: object) -> object:
    with TemporaryFile() as stream:
        stream.write(message)
        stream.seek(0)
        return receive(stream, most_bytes=1 << 20, **how)


def written(value: object) -> bytes:
    with TemporaryFile() as stream:
        send(stream, value)
        stream.seek(0)
        return stream.read()


@given(VALUES)
def test_data_comes_out_of_the_pipe_as_it_went_in(value: object) -> None:
    assert read(written(value)) == value


@given(arrays(st.sampled_from(["u1", "<u2", ">i2", "f4", "?", "m8[s]"]), array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_out_of_the_pipe_as_they_went_in(array: np.ndarray) -> None:
    found = read(written([array, array]))[1]

    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("error", [ImageError("a", code="blank"), StorageError("full"), OSError(28, "No space")])
def test_errors_keep_what_they_say(error: Exception) -> None:
    found = read(written(error))

    assert type(found) is type(error)
    assert (str(found), vars(found)) == (str(error), vars(error))


@given(st.binary(max_size=200))
def test_a_broken_message_is_refused(noise: bytes) -> None:
    whole = written({"a": np.arange(3)})

    for message in (noise, whole[: len(noise) % len(whole)], whole[:16] + noise + whole[16 + len(noise) :]):
        with suppress(*BROKEN):
            read(message)


@pytest.mark.parametrize("value", [os.path.join, partial(os.path.join, "a")])
def test_no_function_comes_back_from_a_worker(value: object) -> None:
    with pytest.raises(TypeError, match="a function is not data"):
        read(written(value), find=loaded)

    assert read(written(value), find=imported)


@pytest.mark.parametrize("value", [object(), np.array([object()]), iter([]), type])
def test_what_is_not_data_is_not_sent(value: object) -> None:
    with pytest.raises(TypeError, match="is not data"):
        written(value)
