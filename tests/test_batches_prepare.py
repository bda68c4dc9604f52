"""The cache: every image has an outcome; a kill, a change or a broken ledger never spoils it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from dying import misbehave
from mammoscope.batches import ClusterError, connected, ledger, prepare
from mammoscope.cli import app, progress
from mammoscope.errors import StorageError
from mammoscope.images import Preprocess, cached
from mammoscope.records import Record, index_of, write_index
from mammoscope.workers.many import over_files
from planted import images, picture

SMALL = Preprocess(rows=48, cols=32)


def files(folder: Path) -> dict[str, bytes]:
    """What a cache holds, beside its ledger."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ledger.FILE)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_every_image_has_an_outcome_in_the_order_given(tmp_path: Path) -> None:
    for name in ("c.png", "a.png"):
        picture(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"")
    told: list[tuple[int, int]] = []

    table = prepare(
        images(tmp_path, ["c.png", "b.png", "gone.png", "a.png"]),
        roots={"own": tmp_path},
        preprocess=SMALL,
        folder=tmp_path / "cache",
        workers=2,
        progress=lambda done, total: told.append((done, total)),
    )

    assert table["image_id"].to_list() == ["c.png", "b.png", "gone.png", "a.png"]
    assert table["code"].to_list() == [None, "empty", "missing", None]
    assert table["file"].is_null().to_list() == [False, True, True, False]
    assert "b.png: has no bytes" in table["message"][1]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_processes_and_one_process_prepare_the_same(tmp_path: Path) -> None:
    names = [picture(tmp_path / f"{n}.png", seed=n).name for n in range(3)]

    tables = [
        prepare(images(tmp_path, names), roots={"own": tmp_path}, preprocess=SMALL, folder=tmp_path / f"{n}", workers=n)
        for n in (0, 2)
    ]

    assert tables[0].equals(tables[1])
    for name in tables[0]["file"]:
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_the_cache_keeps_lossless_16_bit_pictures_and_their_trail(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    table = prepare(
        images(tmp_path, ["a.png"]), roots={"own": tmp_path}, preprocess=SMALL, folder=tmp_path / "cache", workers=0
    )

    array = np.load(tmp_path / "cache" / table["file"][0])
    about = json.loads((tmp_path / "cache" / table["file"][0]).with_suffix(".json").read_text())
    assert (array.dtype, array.shape) == (np.uint16, (48, 32))
    assert about["trail"]
    assert table["mean_intensity"][0] == pytest.approx(array.mean() / 65535, abs=1e-5)


@pytest.mark.parametrize("change", ["bytes", "settings", "laterality"])
def test_whatever_changes_the_picture_changes_its_name(tmp_path: Path, change: str) -> None:
    picture(tmp_path / "a.png")
    table, given = images(tmp_path, ["a.png"]), {"roots": {"own": tmp_path}, "folder": tmp_path / "cache", "workers": 1}
    first = prepare(table, preprocess=SMALL, **given)

    if change == "bytes":
        picture(tmp_path / "a.png", seed=1)
    if change == "laterality":
        table = table.with_columns(laterality=pl.lit("R"))
    second = prepare(table, preprocess=Preprocess(rows=48, cols=40) if change == "settings" else SMALL, **given)

    assert second["file"][0] != first["file"][0]


def test_a_full_disk_is_a_typed_error_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a.png")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)

    with pytest.raises(StorageError, match=r"could not be written, No space left on device. Make room"):
        prepare(
            images(tmp_path, ["a.png"]), roots={"own": tmp_path}, preprocess=SMALL, folder=tmp_path / "c", workers=0
        )

    assert [file.name for file in (tmp_path / "c").rglob("*") if file.is_file()] == ["ledger.sqlite"]


def test_eight_bits_take_half_the_room_and_are_another_picture(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    table = images(tmp_path, ["a.png"])
    given = {"roots": {"own": tmp_path}, "folder": tmp_path / "cache", "workers": 0}

    names = [prepare(table, preprocess=SMALL.model_copy(update={"bits": bits}), **given)["file"][0] for bits in (8, 16)]

    small, large = (np.load(tmp_path / "cache" / name) for name in names)
    assert (small.dtype, large.dtype) == (np.uint8, np.uint16)
    np.testing.assert_allclose(small / 255, large / 65535, atol=0.5 / 255)


class TestUnchangedFiles:
    @pytest.fixture(autouse=True)
    def _settled(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(ledger, "SETTLED_S", 0.0)  # the files of a test are new
        picture(tmp_path / "a.png")
        self.hashed: list[str] = []
        digest_of = cached.digest_of
        monkeypatch.setattr(cached, "digest_of", lambda path: self.hashed.append(path.name) or digest_of(path))
        self.table = images(tmp_path, ["a.png"])
        self.given = {
            "roots": {"own": tmp_path},
            "preprocess": SMALL,
            "folder": tmp_path / "cache",
            "workers": 0,
        }
        self.first = prepare(self.table, **self.given)

    def test_are_not_even_opened_again(self) -> None:
        again = prepare(self.table, **self.given)

        assert again.equals(self.first)
        assert self.hashed == ["a.png"]

    def test_are_prepared_again_where_the_cache_lost_them(self, tmp_path: Path) -> None:
        (tmp_path / "cache" / self.first["file"][0]).unlink()

        again = prepare(self.table, **self.given)

        assert again.equals(self.first)
        assert (tmp_path / "cache" / self.first["file"][0]).is_file()

    def test_are_told_from_changed_ones_of_the_same_size_and_date(self, tmp_path: Path) -> None:
        file = tmp_path / "a.png"
        held, times = bytearray(file.read_bytes()), file.stat()
        held[-20] ^= 1
        file.write_bytes(held)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

        prepare(self.table, **self.given)

        assert self.hashed == ["a.png", "a.png"]

    def test_are_read_again_where_the_ledger_is_broken(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        (tmp_path / "cache" / ledger.FILE).write_bytes(b"no ledger" * 1000)

        again = prepare(self.table, **self.given)

        assert again.equals(self.first)
        assert self.hashed == ["a.png", "a.png"]
        assert "ledger.sqlite cannot be used, every file is read again: file is not a database" in caplog.text


@pytest.mark.parametrize("spoiled", ["emptied", "cut", "of another size", "text"])
def test_a_damaged_picture_in_the_cache_is_named_and_made_anew(tmp_path: Path, spoiled: str) -> None:
    name = picture(tmp_path / "a.png").name
    how = {"roots": {"own": tmp_path}, "preprocess": SMALL, "folder": tmp_path / "cache", "workers": 0}
    prepared = tmp_path / "cache" / prepare(images(tmp_path, [name]), **how)["file"][0]
    whole = prepared.read_bytes()
    if spoiled == "of another size":
        np.save(prepared, np.zeros((32, 48), np.uint16))
    else:
        prepared.write_bytes({"emptied": b"", "cut": whole[:-1], "text": b"not a picture"}[spoiled])
        with pytest.raises(StorageError, match=rf"{prepared.name}: is no whole prepared picture .*it is made anew"):
            cached.load_prepared(prepared)

    prepare(images(tmp_path, [name]), **how)

    assert prepared.read_bytes() == whole


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")

    prepare(images(tmp_path, ["a.png"]), roots={"own": tmp_path}, preprocess=SMALL, folder=tmp_path / "c", workers=0)

    with ledger.Ledger(tmp_path / "c") as book:
        assert book.sha256((tmp_path / "a.png").stat()) is None


def test_two_runs_on_one_cache_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base was once locked from the first note of a run to the next: the other one stood still, then gave up."""
    monkeypatch.setattr(ledger, "SETTLED_S", 0.0)
    monkeypatch.setattr(ledger, "WAIT_S", 0.0)
    stat = picture(tmp_path / "a.png").stat()

    with ledger.Ledger(tmp_path / "c") as one, ledger.Ledger(tmp_path / "c") as other:
        one.note(stat, stat, sha256="aa")
        other.note(picture(tmp_path / "b.png").stat(), (tmp_path / "b.png").stat(), sha256="bb")

    with ledger.Ledger(tmp_path / "c") as book:
        assert [book.sha256((tmp_path / name).stat()) for name in ("a.png", "b.png")] == ["aa", "bb"]


def test_a_file_in_the_place_of_the_cache_ends_the_run_and_is_no_fault_of_the_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "c").touch()

    with pytest.raises(StorageError, match="could not be written"):
        prepare(
            images(tmp_path, ["a.png"]), roots={"own": tmp_path}, preprocess=SMALL, folder=tmp_path / "c", workers=0
        )


def test_only_what_was_left_half_written_long_ago_is_swept(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    for name, age_s in ((".ab.npy.x.npy", 7200), (".ab.npy.y.npy", 60), ("ab.npy", 7200)):
        (tmp_path / "ab" / name).touch()
        os.utime(tmp_path / "ab" / name, (time.time() - age_s,) * 2)

    assert cached.sweep(tmp_path) == 1

    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [".ab.npy.y.npy", "ab.npy"]


def done(folder: Path) -> int:
    return sum(1 for _ in folder.glob("??/[!.]*.json"))


PREPARE = """
import sys
from pathlib import Path
import polars as pl
from mammoscope.batches import prepare
from mammoscope.images import Preprocess
folder = Path(sys.argv[1])
prepare(pl.read_csv(folder / "images.csv"), roots={"own": folder}, preprocess=Preprocess(rows=48, cols=32),
        folder=folder / "cache", workers=2)
"""


def test_a_cache_that_was_killed_again_and_again_is_the_same_in_the_end(tmp_path: Path) -> None:
    names = [picture(tmp_path / f"{n}.png", seed=n).name for n in range(60)]
    table = images(tmp_path, names)
    table.write_csv(tmp_path / "images.csv")
    given = {"roots": {"own": tmp_path}, "preprocess": SMALL, "workers": 0}

    for moment in np.random.default_rng(4).uniform(0, 0.05, 2):
        before = done(tmp_path / "cache")
        with subprocess.Popen([sys.executable, "-c", PREPARE, str(tmp_path)]) as run:
            while done(tmp_path / "cache") == before and run.poll() is None:
                time.sleep(0.002)
            time.sleep(moment)
            run.kill()
        assert before < done(tmp_path / "cache") < 60, "it was not killed on the way"
    time.sleep(0.5)  # workers end when they notice that they are alone
    for left in (tmp_path / "cache").rglob(".*"):
        os.utime(left, (0, 0))
    resumed = prepare(table, folder=tmp_path / "cache", **given)

    assert resumed.equals(prepare(table, folder=tmp_path / "whole", **given))
    assert files(tmp_path / "cache") == files(tmp_path / "whole")


def index_file(folder: Path, names: list[str]) -> str:
    records = [Record(source="own", patient_id=name, image_id=name, path=name) for name in names]
    write_index(index_of(records, roots={"own": folder}), folder / "index.parquet")
    return str(folder / "index.parquet")


def test_failures_are_listed_and_counted_by_code(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    index = index_file(tmp_path, ["gone.png", "b.png", "a.png", "lost.png"])
    words = ["prepare", "phantom-max-pool", index, "--cache", str(tmp_path / "c"), "--workers", "0"]

    told, shown = CliRunner().invoke(app, [*words, "--json"]), CliRunner().invoke(app, words)

    facts = json.loads(told.stdout)
    assert told.exit_code == shown.exit_code == 1
    assert (facts["prepared"], facts["codes"]) == (1, {"missing": 2, "empty": 1})
    assert [row["image_id"] for row in facts["failed"]] == ["b.png", "gone.png", "lost.png"]
    assert shown.stdout.splitlines()[0] == "1 prepared, 3 failed"
    assert shown.stdout.splitlines()[1].split(maxsplit=2) == ["2", "missing", "there is no such file"]


def test_progress_is_told_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)

    with progress.counted("preparing") as told:
        time.sleep(0.01)
        told(1, 1000)
        told(1000, 1000)

    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("preparing 1/1000, ")
    assert "files/s" in lines[0]
    assert lines[0].endswith(" left")
    assert lines[1].startswith("preparing 1000/1000, ")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed")
def test_a_cluster_prepares_the_same_and_loses_only_what_kills_its_decoder(tmp_path: Path) -> None:
    from distributed import LocalCluster

    names = [picture(tmp_path / f"{n}.png", seed=n).name for n in range(3)]
    given = {"roots": {"own": tmp_path}, "preprocess": SMALL}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as machines,
        connected(machines.scheduler_address) as cluster,
    ):
        there = prepare(
            images(tmp_path, [*names, "gone.png"]),
            folder=tmp_path / "there",
            workers=cluster.workers,
            executor=cluster.executor,
            **given,
        )
        lost = list(
            over_files(
                misbehave, ["a", "crash", "b"], crashed=lambda _, code: code, workers=2, executor=cluster.executor
            )
        )

    here = prepare(images(tmp_path, [*names, "gone.png"]), folder=tmp_path / "here", workers=0, **given)
    assert there.equals(here)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert sorted(lost) == ["a", "b", "crashed"]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", "tcp://127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mammoscope.batches.cluster.ANSWER_S", 0.2)

    with pytest.raises(ClusterError, match=f"{address}: no Dask scheduler answers there"), connected(address):
        pass


def test_without_the_package_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(ClusterError, match=r"pip install 'mammoscope\[cluster\]'"), connected("tcp://127.0.0.1:1"):
        pass
