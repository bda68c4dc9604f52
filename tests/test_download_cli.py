"""`mammoscope download`: what it prints, and its exit codes."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

import mammoscope.download
from archive_server import Archive, collection, plant_collection, serving, web
from mammoscope.cli.download import download
from mammoscope.download import BY_HAND, FETCHED, Addresses, DownloadError, how_to_ask, plan_download
from mammoscope.sources import SOURCES


def missing(name: str) -> ModuleType:
    raise ImportError(name)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The command as it is, but for where the archive stands."""
    plant_collection(tmp_path / "tree")
    with serving(Archive(files=collection(tmp_path / "tree"))) as running:
        addresses = Addresses(nbia=(f"{running.url}/v4",), tables=(f"{running.url}/tables/{{name}}",))
        local = partial(plan_download, addresses=addresses, web=web(), importer=missing)
        monkeypatch.setattr(mammoscope.download, "plan_download", local)
        yield running


def run(*words: object) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(download)
    done = CliRunner().invoke(app, [*map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_a_dry_run_says_what_and_how_much_under_which_terms(archive: Archive, tmp_path: Path) -> None:
    code, text, _ = run("cbis_ddsm", "--out", tmp_path / "got", "--dry-run")

    assert code == 0
    for word in ("cbis_ddsm", "CC BY 3.0", "items", "files", "needs", "free", "idc-index, which is not installed"):
        assert word in text
    assert not (tmp_path / "got").exists()


def test_a_dry_run_answers_in_json(archive: Archive, tmp_path: Path) -> None:
    code, text, _ = run("cbis-ddsm", "--out", tmp_path / "got", "--dry-run", "--only", "mass", "--json")

    plan = json.loads(text)
    assert code == 0
    assert plan["fits"] is True
    assert plan["items"] > 2


def test_a_download_prints_what_it_did(archive: Archive, tmp_path: Path) -> None:
    code, text, told = run("cbis_ddsm", "--out", tmp_path / "got", "--only", "csv")

    assert code == 0
    assert text.startswith("4 fetched")
    assert "licence" in told
    assert len(list((tmp_path / "got").glob("*.csv"))) == 4


def test_a_part_that_could_not_be_had_is_exit_code_1(archive: Archive, tmp_path: Path) -> None:
    del archive.files["/tables/mass_case_description_test_set.csv"]

    code, text, told = run("cbis_ddsm", "--out", tmp_path / "got", "--only", "mass", "--only", "csv", "--json")

    outcome = json.loads(text)
    assert code == 1
    assert [one["item"] for one in outcome["failed"]] == ["table mass_case_description_test_set.csv"]
    assert "HTTP 404" in told


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_what_cannot_be_fetched_says_where_how_and_under_which_terms(name: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be fetched by a program") as caught:
        run(name, "--out", tmp_path)

    assert str(caught.value) == how_to_ask(name)
    assert SOURCES[name].url in str(caught.value)
    assert SOURCES[name].licence in str(caught.value)


def test_every_source_with_pictures_of_its_own_is_fetched_or_asked_for() -> None:
    general = {"table", "folders", "dicom"}  # the user's own files

    assert set(SOURCES) - general <= {*FETCHED, *BY_HAND}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cbis",), "'cbis' is not one of cbis_ddsm"),
        (("cbis_ddsm", "--only", "mas"), "--only 'mas' is not one of mass, calc, csv; did you mean 'mass'"),
        (("cbis_ddsm", "--via", "icd"), "--via 'icd' is not one of auto, idc, tcia; did you mean 'idc'"),
        (("rsna", "--only", "mass"), "rsna is whole, and 'mass' is not one of nothing to choose"),
    ],
)
def test_a_wrong_word_is_told_with_the_right_ones(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        run(*words, "--out", tmp_path)


def test_connections_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="connections must be 1 to 16, got 99"):
        plan_download("cbis_ddsm", out=tmp_path, connections=99)
