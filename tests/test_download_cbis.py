"""CBIS-DDSM from a server that answers as the archive does: what arrives is what the source reads."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from archive_server import Archive, collection, plant_collection, series_row, series_zip, serving, web
from mammoscope.download import Addresses, DownloadError, Job, Outcome, Web, plan_download, read_manifest, run_download
from mammoscope.download.series import Series
from mammoscope.download.tables import TABLES
from mammoscope.errors import StorageError
from mammoscope.sources import CBIS_DDSM, build_index

LIST = "/v4/getSeries?Collection=CBIS-DDSM&format=json"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small collection with both halves and all four tables."""
    folder = tmp_path_factory.mktemp("tree")
    plant_collection(folder)
    return folder


@pytest.fixture
def archive(tree: Path) -> Iterator[Archive]:
    with serving(Archive(files=collection(tree))) as running:
        yield running


def not_installed(name: str) -> SimpleNamespace:
    raise ImportError(name)


def planned(archive: Archive, out: Path, *, speaker: Web | None = None, **given: object) -> Job:
    addresses = Addresses(nbia=(f"{archive.url}/v4", f"{archive.url}/v1"), tables=(f"{archive.url}/tables/{{name}}",))
    settings = {"addresses": addresses, "importer": not_installed, "web": speaker or web()}
    return plan_download("cbis_ddsm", out=out, **(settings | given))  # type: ignore[arg-type]


def fetched(archive: Archive, out: Path, **given: object) -> Outcome:
    return run_download(planned(archive, out, **given))


def zips(archive: Archive) -> list[str]:
    return sorted(path for path in archive.files if "getImage" in path)


def test_what_arrives_is_read_as_what_was_there(archive: Archive, tree: Path, tmp_path: Path) -> None:
    outcome = fetched(archive, tmp_path / "got")

    assert outcome.failed == ()
    assert build_index(CBIS_DDSM, tmp_path / "got").table.equals(build_index(CBIS_DDSM, tree).table)
    pictures = {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*.dcm")}
    assert {str(p.relative_to(tmp_path / "got")): p.read_bytes() for p in (tmp_path / "got").rglob("*.dcm")} == pictures


def test_nothing_but_the_data_and_the_list_is_left(archive: Archive, tmp_path: Path) -> None:
    outcome = fetched(archive, tmp_path)

    left = {path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".dcm"}
    entries = read_manifest(tmp_path)
    assert left == {*TABLES, "download.jsonl"}
    assert not (tmp_path / ".download").exists()
    assert len(entries) == outcome.fetched == len(zips(archive)) + 4
    assert {one.checked for one in entries.values()} == {"md5", "header"}
    assert sum(f.bytes for one in entries.values() for f in one.files) == outcome.size_bytes


def test_a_second_run_fetches_nothing(archive: Archive, tmp_path: Path) -> None:
    first = fetched(archive, tmp_path)
    archive.seen.clear()

    second = fetched(archive, tmp_path)

    assert (second.fetched, second.here) == (0, first.fetched)
    assert [path for path, _ in archive.seen] == [LIST]


def test_a_plan_fetches_no_picture_and_writes_nothing(archive: Archive, tree: Path, tmp_path: Path) -> None:
    plan = planned(archive, tmp_path / "got").plan

    sizes = sum(file.stat().st_size for file in tree.rglob("*.dcm"))
    assert [path for path, _ in archive.seen] == [LIST]
    assert not (tmp_path / "got").exists()
    assert plan.items == len(zips(archive)) + 4
    assert plan.files == len(list(tree.rglob("*.dcm"))) + 4
    assert plan.size_bytes == sizes + 4_000_000  # the tables are counted as 1 MB each
    assert plan.needs_bytes is not None
    assert plan.needs_bytes > sizes + 1_000_000_000
    assert plan.licence == "CC BY 3.0"
    assert "idc-index, which is not installed" in plan.notes[0]
    assert json.loads(json.dumps(plan.to_json()))["fits"] is True


def test_a_cut_run_goes_on_with_what_is_missing(archive: Archive, tmp_path: Path) -> None:
    victim = zips(archive)[0]
    archive.faults[victim] = ["cut 200"]
    first = fetched(archive, tmp_path, speaker=web(attempts=1))
    archive.seen.clear()

    second = fetched(archive, tmp_path)

    assert (len(first.failed), second.fetched, second.failed) == (1, 1, ())
    assert [path for path, _ in archive.seen] == [LIST, victim]
    assert archive.asked(victim)[0]["Range"] == "bytes=200-"


def test_a_killed_run_loses_only_what_was_under_way(archive: Archive, tree: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom mammoscope.download import *\n"
        "from mammoscope.download.web import plain_opener\nurl, out = sys.argv[1:]\n"
        "places = Addresses(nbia=(url + '/v4',), tables=(url + '/tables/{name}',))\n"
        "web = Web(opener=plain_opener(proxies={}))\njob = "
        "plan_download('cbis_ddsm', out=Path(out), via='tcia', addresses=places, web=web, connections=2)\n"
        "run_download(job)"
    )
    archive.delay_s = 0.1
    child = subprocess.Popen([sys.executable, "-c", code, archive.url, str(tmp_path)])
    while child.poll() is None and len(read_manifest(tmp_path)) < 5:
        time.sleep(0.01)
    child.kill()
    child.wait()
    archive.delay_s = 0.0
    before = len(read_manifest(tmp_path))

    outcome = fetched(archive, tmp_path)

    assert 5 <= before < len(zips(archive)) + 4
    assert (outcome.here, outcome.fetched, outcome.failed) == (before, len(zips(archive)) + 4 - before, ())
    assert build_index(CBIS_DDSM, tmp_path).table.equals(build_index(CBIS_DDSM, tree).table)


def test_one_series_that_is_gone_does_not_stop_the_others(archive: Archive, tmp_path: Path) -> None:
    victim = zips(archive)[2]
    del archive.files[victim]

    outcome = fetched(archive, tmp_path)

    uid = victim.rpartition("=")[2]
    assert outcome.fetched == len(zips(archive)) + 4
    assert [one.item for one in outcome.failed] == [f"series {uid}"]
    assert "has nothing there (HTTP 404)" in outcome.failed[0].message


def test_an_interface_without_sums_is_asked_for_the_plain_archive(archive: Archive, tree: Path, tmp_path: Path) -> None:
    victim = zips(archive)[0]
    folder = next(path for path in tree.rglob("*") if path.name == victim.rpartition("=")[2])
    del archive.files[victim]
    plain = tmp_path / "plain"
    shutil.make_archive(str(plain), "zip", folder)
    archive.files[victim.replace("getImageWithMD5Hash", "getImage")] = plain.with_suffix(".zip").read_bytes()

    outcome = fetched(archive, tmp_path / "got")

    assert outcome.failed == ()
    assert read_manifest(tmp_path / "got")[f"series {folder.name}"].checked == "size"


def test_an_older_interface_is_asked_where_the_newer_one_is_gone(archive: Archive, tree: Path, tmp_path: Path) -> None:
    archive.files = collection(tree, base="/v1")

    job = planned(archive, tmp_path)

    assert job.plan.origin.endswith("/v1")
    assert run_download(job).failed == ()


def test_a_wrong_sum_is_fetched_again_and_told_if_it_stays(archive: Archive, tmp_path: Path) -> None:
    victim = zips(archive)[0]
    archive.files[victim] = series_zip({"00000001.dcm": b"DICM"}, sums={"00000001.dcm": "f" * 32})

    outcome = fetched(archive, tmp_path)

    assert len(archive.asked(victim)) == 3
    assert "the archive's list says ffff" in outcome.failed[0].message
    assert not any("part" in path.name for path in tmp_path.rglob("*"))


def test_a_series_damaged_once_is_taken_the_next_time(archive: Archive, tmp_path: Path) -> None:
    victim = zips(archive)[0]
    archive.faults[victim] = ["torn"]

    outcome = fetched(archive, tmp_path)

    assert outcome.failed == ()
    assert len(archive.asked(victim)) == 2


@pytest.mark.parametrize("change", ["fewer", "other series", "no picture"])
def test_what_is_not_the_announced_series_is_refused(archive: Archive, tree: Path, tmp_path: Path, change: str) -> None:
    victim, other = zips(archive)[:2]
    archive.files[victim] = {
        "fewer": series_zip({}),
        "other series": archive.files[other],
        "no picture": series_zip({"00000001.dcm": b"<html>not a picture</html>"}),
    }[change]
    rows = [series_row(folder) | {"ImageCount": None} for folder in sorted({f.parent for f in tree.rglob("*.dcm")})]
    if change != "fewer":
        archive.files[LIST] = json.dumps(rows).encode()

    outcome = fetched(archive, tmp_path)

    expected = {"fewer": "0 pictures arrived", "other series": "is of series", "no picture": "is not a DICOM file"}
    assert len(outcome.failed) == 1
    assert expected[change] in outcome.failed[0].message


def test_the_halves_and_the_tables_can_be_had_alone(archive: Archive, tree: Path, tmp_path: Path) -> None:
    subjects = {file.relative_to(tree).parts[0] for file in tree.rglob("*.dcm")}
    for half in ("mass", "calc"):
        fetched(archive, tmp_path / half, only=(half,))
        mine = {path.name for path in (tmp_path / half).iterdir() if path.is_dir()}
        tables = {path.name for path in (tmp_path / half).glob("*.csv")}
        assert mine == {name for name in subjects if name.lower().startswith(half)}
        assert tables == {name for name in TABLES if name.startswith(half)}
    archive.seen.clear()

    outcome = fetched(archive, tmp_path / "csv", only=("csv",))

    assert outcome.fetched == 4
    assert LIST not in [path for path, _ in archive.seen]


def test_a_second_address_of_a_table_is_asked(archive: Archive, tmp_path: Path) -> None:
    tables = (f"{archive.url}/gone/{{name}}", f"{archive.url}/tables/{{name}}")

    outcome = fetched(archive, tmp_path, only=("csv",), addresses=Addresses(nbia=(), tables=tables))

    assert (outcome.fetched, outcome.failed) == (4, ())


def test_a_page_is_not_taken_for_a_table(archive: Archive, tmp_path: Path) -> None:
    name = next(iter(TABLES))
    archive.files[f"/tables/{name}"] = b"<!DOCTYPE html><title>Sign in</title>"

    outcome = fetched(archive, tmp_path, only=("csv",))

    assert outcome.fetched == 3
    assert "begins with '<!DOCTYPE html><titl', not with 'patient_id'" in outcome.failed[0].message
    assert not (tmp_path / name).exists()


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    job = planned(archive, tmp_path / "got")
    archive.seen.clear()

    with pytest.raises(StorageError, match=r"cbis_ddsm: needs [0-9,]+ bytes on the disk, 1,000,000 are free"):
        run_download(job)

    assert not job.plan.fits
    assert archive.seen == []
    assert not (tmp_path / "got").exists()


def test_a_folder_that_cannot_be_written_ends_the_run(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / ".download").write_text("in the way")

    with pytest.raises(StorageError, match="could not be written"):
        fetched(archive, tmp_path)


def test_a_server_that_went_away_is_not_asked_thousands_of_times(archive: Archive, tmp_path: Path) -> None:
    job = planned(archive, tmp_path, connections=1)
    archive.files.clear()

    with pytest.raises(DownloadError, match="10 items in a row could not be fetched"):
        run_download(job)

    assert job.stop.is_set()
    assert len(archive.seen) < 1 + 4 + 2 * len(job.tasks)


def test_progress_counts_every_item_once(archive: Archive, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    job = planned(archive, tmp_path)

    run_download(job, progress=lambda done, total: told.append((done, total)))

    assert told == [(n, job.plan.items) for n in range(1, job.plan.items + 1)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "lists no series"),
        (b"[]", "lists no series"),
        (b"<html>", "Invalid JSON"),
        (b'[{"SeriesInstanceUID": "1.2"}]', "Field required"),
        (b'[{"SeriesInstanceUID": "../x", "StudyInstanceUID": "1.2", "PatientID": "a"}]', "should match pattern"),
        (b'[{"SeriesInstanceUID": "1.2", "StudyInstanceUID": "..", "PatientID": "a"}]', "should match pattern"),
        (b'[{"SeriesInstanceUID": "1.2", "StudyInstanceUID": "1.2", "PatientID": "../../x"}]', "should match pattern"),
    ],
)
def test_a_list_that_is_none_is_told(archive: Archive, tmp_path: Path, body: bytes, message: str) -> None:
    archive.files[LIST] = body

    with pytest.raises(DownloadError, match=message):
        planned(archive, tmp_path)


def test_a_list_with_new_columns_is_read(archive: Archive, tmp_path: Path) -> None:
    row = {"SeriesInstanceUID": "1.2", "StudyInstanceUID": "1.3", "PatientID": "Mass-Test_P_00016_LEFT_CC", "New": 1}
    archive.files[LIST] = json.dumps([row]).encode()

    plan = planned(archive, tmp_path).plan

    assert (plan.items, plan.files, plan.size_bytes, plan.needs_bytes) == (5, None, None, None)
    assert plan.fits


def test_a_subject_without_its_set_goes_where_the_tables_look_for_it() -> None:
    row = {
        "SeriesInstanceUID": "1.2",
        "StudyInstanceUID": "1.3",
        "PatientID": "P_00038_LEFT_CC.dcm",
    }  # seen in the wild

    series = Series.model_validate(row)

    assert (series.folder, series.half) == ("Calc-Test_P_00038_LEFT_CC/1.3/1.2", "calc")
