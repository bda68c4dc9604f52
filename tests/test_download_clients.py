"""idc-index and kagglehub, played by modules with the same functions; neither is installed here."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from archive_server import Archive, collection, plant_collection, serving, web
from mammoscope.download import Addresses, DownloadError, Job, plan_download, read_manifest, run_download
from mammoscope.errors import StorageError
from mammoscope.sources import CBIS_DDSM, build_index


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    plant_collection(folder)
    return folder


@pytest.fixture
def archive(tree: Path) -> Iterator[Archive]:
    with serving(Archive(files=collection(tree))) as running:
        yield running


def module(name: str, **members: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    return made


class ClientError(Exception):
    """An error that only the client knows."""


def idc_index(tree: Path, *, has: tuple[str, ...] = ("cbis_ddsm", "cmmd"), lose: int = 0, fail: str = "") -> ModuleType:
    """Has the functions of idc_index 0.13 that are called."""
    folders = sorted({file.parent for file in tree.rglob("*.dcm")})

    class IDCClient:
        def get_collections(self) -> list[str]:
            return list(has)

        def sql_query(self, sql: str) -> SimpleNamespace:
            assert "FROM index WHERE collection_id = 'cbis_ddsm'" in sql
            rows = [
                {
                    "PatientID": folder.parent.parent.name,
                    "StudyInstanceUID": folder.parent.name,
                    "SeriesInstanceUID": folder.name,
                    "instanceCount": len(list(folder.iterdir())),
                    "series_size_MB": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 2),
                }
                for folder in folders
            ]
            return SimpleNamespace(to_dict=lambda orient: rows if orient == "records" else None)

        def download_from_selection(self, **asked: Any) -> None:
            assert set(asked) == {"downloadDir", "seriesInstanceUID", "dirTemplate", "quiet", "show_progress_bar"}
            if fail:
                raise ClientError(fail)
            for folder in folders:
                if folder.name in asked["seriesInstanceUID"][lose:]:
                    name = asked["dirTemplate"].replace("%Modality", "MG").replace("%SeriesInstanceUID", folder.name)
                    into = Path(asked["downloadDir"]) / name
                    into.mkdir(parents=True)
                    for number, file in enumerate(sorted(folder.iterdir())):
                        shutil.copy(file, into / f"{number:08x}-6f7a-4a55-9d4c-000000000000.dcm")

    return module("idc_index", IDCClient=IDCClient, ClientError=ClientError)


def planned(archive: Archive, out: Path, found: Callable[[str], ModuleType], **given: object) -> Job:
    addresses = Addresses(nbia=(f"{archive.url}/v4",), tables=(f"{archive.url}/tables/{{name}}",))
    settings = {"addresses": addresses, "importer": found, "web": web()}
    return plan_download("cbis_ddsm", out=out, **(settings | given))  # type: ignore[arg-type]


def test_the_commons_are_asked_first_and_what_arrives_is_read(archive: Archive, tree: Path, tmp_path: Path) -> None:
    job = planned(archive, tmp_path, lambda _: idc_index(tree))

    outcome = run_download(job)

    assert job.plan.origin == "Imaging Data Commons"
    assert outcome.failed == ()
    assert {path.partition("/")[2].partition("/")[0] for path, _ in archive.seen} == {"tables"}
    assert build_index(CBIS_DDSM, tmp_path).table.equals(build_index(CBIS_DDSM, tree).table)
    assert {one.checked for one in read_manifest(tmp_path).values()} == {"size", "header"}
    assert planned(archive, tmp_path, lambda _: idc_index(tree)).plan.items == 0


def test_the_archive_is_asked_where_the_commons_do_not_have_it(archive: Archive, tree: Path, tmp_path: Path) -> None:
    plan = planned(archive, tmp_path, lambda _: idc_index(tree, has=("cmmd",))).plan

    assert plan.origin.endswith("/v4")
    assert "does not list CBIS-DDSM" in plan.notes[0]


def test_the_commons_alone_can_be_asked_for(archive: Archive, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="does not list CBIS-DDSM"):
        planned(archive, tmp_path, lambda _: idc_index(tree, has=("cmmd",)), via="idc")


def test_a_client_with_other_columns_is_told(archive: Archive, tree: Path, tmp_path: Path) -> None:
    broken = idc_index(tree)
    broken.IDCClient.sql_query = lambda *_: SimpleNamespace(to_dict=lambda _: [{"PatientID": "a"}])

    with pytest.raises(DownloadError, match="idc-index: KeyError: 'series_size_MB'. Update it, or use --via tcia"):
        planned(archive, tmp_path, lambda _: broken, via="idc")


def test_a_series_that_the_client_leaves_out_is_a_failure(archive: Archive, tree: Path, tmp_path: Path) -> None:
    outcome = run_download(planned(archive, tmp_path, lambda _: idc_index(tree, lose=1)))

    assert len(outcome.failed) == 1
    assert "idc-index left no picture" in outcome.failed[0].message


def test_a_picture_that_the_client_cut_short_is_a_failure(archive: Archive, tree: Path, tmp_path: Path) -> None:
    client = idc_index(tree)
    ask = client.IDCClient.sql_query

    def larger(self: object, sql: str) -> SimpleNamespace:
        rows = ask(self, sql).to_dict("records")
        rows[0]["series_size_MB"] += 1
        return SimpleNamespace(to_dict=lambda _: rows)

    client.IDCClient.sql_query = larger
    outcome = run_download(planned(archive, tmp_path, lambda _: client))

    assert len(outcome.failed) == 1
    assert re.search(r"[0-9,]+ bytes arrived, 1,00[0-9,]+ are announced", outcome.failed[0].message)


def test_a_client_that_fails_is_told_once_for_each_series(archive: Archive, tree: Path, tmp_path: Path) -> None:
    job = planned(archive, tmp_path, lambda _: idc_index(tree, fail="s5cmd is gone\nsecond line"), only=("mass",))
    series = job.plan.items - 2

    outcome = run_download(job)

    assert len(outcome.failed) == series > 1
    assert {one.message.partition("idc-index: ")[2] for one in outcome.failed} == {
        "ClientError: s5cmd is gone. Run the same command again, or use --via tcia"
    }


def kagglehub(files: dict[str, bytes], *, error: Exception | None = None) -> ModuleType:
    """Has the functions of kagglehub 1.0 that are called, and keeps its files where that does."""
    calls: list[str] = []

    def fetch(handle: str, path: str | None = None, *, force_download: bool = False) -> str:
        calls.append(handle)
        if error is not None:
            raise error
        where = Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle
        for name, body in files.items():
            file = where / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        (where.parent / f"{where.name}.complete").touch()
        return str(where)

    errors = module("kagglehub.exceptions", ClientError=ClientError)
    both = {"dataset_download": fetch, "competition_download": fetch}
    return module("kagglehub", **both, exceptions=errors, calls=calls)


RSNA_FILES = {"train.csv": b"site_id,patient_id\n", "train_images/1/2.dcm": b"picture", "test.csv": b""}


def test_an_edition_arrives_in_its_place_with_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    client = kagglehub(RSNA_FILES)
    job = plan_download("rsna", out=tmp_path / "rsna", importer=lambda _: client)

    outcome = run_download(job)

    entry = read_manifest(tmp_path / "rsna")["kaggle rsna-breast-cancer-detection"]
    assert outcome.failed == ()
    assert {file.path: file.bytes for file in entry.files} == {name: len(body) for name, body in RSNA_FILES.items()}
    assert {p.name for p in (tmp_path / "rsna").iterdir()} == {
        "train.csv",
        "test.csv",
        "train_images",
        "download.jsonl",
    }
    assert client.calls == ["rsna-breast-cancer-detection"]


def test_an_edition_that_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    client = kagglehub({"csv/dicom_info.csv": b"a", "jpeg/1.2/1-1.jpg": b"b"})
    for _ in range(2):
        job = plan_download("cbis-ddsm-jpeg", out=tmp_path, importer=lambda _: client)
        run_download(job)

    assert client.calls == ["awsaf49/cbis-ddsm-breast-cancer-image-dataset"]
    assert (job.plan.items, job.plan.here) == (0, 1)


def test_the_plan_of_an_edition_tells_the_rules_and_the_room(tmp_path: Path) -> None:
    plan = plan_download("rsna", out=tmp_path, importer=lambda _: kagglehub({})).plan

    assert plan.size_bytes == 314_720_000_000
    assert plan.needs_bytes == 2 * 314_720_000_000 + 1_000_000_000
    assert "accept the rules on https://www.kaggle.com/competitions/rsna-breast-cancer-detection" in plan.notes[0]


def test_a_refusal_tells_how_to_sign_in_and_no_signed_address(tmp_path: Path) -> None:
    refusal = ClientError("403 for https://storage.example/a.zip?Signature=secret&x=1 \nsecond")
    job = plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: kagglehub({}, error=refusal))

    outcome = run_download(job)

    assert "KAGGLE_API_TOKEN" in outcome.failed[0].message
    assert "ClientError: 403 for https://storage.example/a.zip?... " in outcome.failed[0].message
    assert "secret" not in outcome.failed[0].message


def test_a_full_disk_under_a_client_is_a_full_disk(tmp_path: Path) -> None:
    full = kagglehub({}, error=OSError(errno.ENOSPC, "No space left on device"))

    with pytest.raises(StorageError, match="No space left on device. Make room"):
        run_download(plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: full))


def test_another_delivery_is_not_taken_for_the_edition(tmp_path: Path) -> None:
    job = plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: kagglehub({"readme.md": b""}))

    assert "csv/dicom_info.csv, jpeg is not in what was delivered" in run_download(job).failed[0].message


def test_a_link_in_an_edition_is_not_taken_over(tmp_path: Path) -> None:
    client = kagglehub({"csv/dicom_info.csv": b"", "jpeg/a.jpg": b""})
    fetch = client.dataset_download

    def with_link(handle: str) -> str:
        where = fetch(handle)
        (Path(where) / "jpeg" / "out").symlink_to("/")
        return str(where)

    client.dataset_download = with_link  # type: ignore[attr-defined]
    job = plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: client)

    assert "holds a link, 'out'" in run_download(job).failed[0].message


def test_a_missing_client_is_told(tmp_path: Path) -> None:
    def missing(name: str) -> ModuleType:
        raise ImportError(name)

    with pytest.raises(DownloadError, match=r"rsna needs kagglehub, which is not installed.*mammoscope\[download\]"):
        plan_download("rsna", out=tmp_path, importer=missing)


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_the_clients_own_cache_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
    if before is not None:
        monkeypatch.setenv("KAGGLEHUB_CACHE", before)

    run_download(plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: kagglehub({})))

    assert os.environ.get("KAGGLEHUB_CACHE") == before


def test_what_the_client_keeps_elsewhere_is_left_there(tmp_path: Path) -> None:
    client = kagglehub({})
    client.dataset_download = lambda _: str(tmp_path / "mounted")  # type: ignore[attr-defined]
    job = plan_download("cbis_ddsm_jpeg", out=tmp_path / "out", importer=lambda _: client)

    assert "Index that folder instead" in run_download(job).failed[0].message


def test_a_move_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "dicom_info.csv").write_bytes(b"moved before")
    client = kagglehub({"jpeg/1.2/1-1.jpg": b"b"})

    outcome = run_download(plan_download("cbis_ddsm_jpeg", out=tmp_path, importer=lambda _: client))

    files = next(iter(read_manifest(tmp_path).values())).files
    assert outcome.failed == ()
    assert [file.path for file in files] == ["csv/dicom_info.csv", "jpeg/1.2/1-1.jpg"]
