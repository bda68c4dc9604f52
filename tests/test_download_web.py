"""One address: whole or not at all, resumed where that is safe, tried again where that helps."""

from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive_server import Archive, Impatient, serving, web
from mammoscope.download import DownloadError
from mammoscope.download.web import _NoDowngrade, plain_opener, read_url, save_url
from mammoscope.errors import StorageError

BODY = bytes(range(256)) * 16


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive(files={"/a": BODY})) as running:
        yield running


def save(archive: Archive, to: Path, *, limit_bytes: int = 10_000, **given: object) -> bytes:
    save_url(f"{archive.url}/a", what="a", to=to, web=web(**given), limit_bytes=limit_bytes)
    return to.read_bytes()


def test_a_file_is_saved_whole_and_nothing_else_is_left(archive: Archive, tmp_path: Path) -> None:
    found = save(archive, tmp_path / "a.zip")

    assert found == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_it_says_who_it_is(archive: Archive, tmp_path: Path) -> None:
    save(archive, tmp_path / "a")

    assert archive.asked("/a")[0]["User-Agent"].startswith("mammoscope/")


def test_a_cut_transfer_goes_on_where_it_stopped(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["cut 1000", "cut 500"]

    found = save(archive, tmp_path / "a")

    assert found == BODY
    assert [headers.get("Range") for headers in archive.asked("/a")] == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_run_goes_on_with_the_part_of_an_earlier_one(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["cut 1000"]
    with pytest.raises(DownloadError, match=r"1,000 of 4,096 bytes arrived"):
        save(archive, tmp_path / "a", attempts=1)
    assert not (tmp_path / "a").exists()

    found = save(archive, tmp_path / "a")

    assert found == BODY
    assert archive.asked("/a")[1]["Range"] == "bytes=1000-"


def test_a_part_of_another_version_is_not_gone_on_with(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"old" * 100)
    (tmp_path / "a.part.tag").write_text('"old"')

    assert save(archive, tmp_path / "a") == BODY


def test_a_part_whose_version_the_server_does_not_tell_is_fetched_anew(archive: Archive, tmp_path: Path) -> None:
    archive.etag = False
    archive.faults["/a"] = ["cut 1000"]

    found = save(archive, tmp_path / "a")

    assert found == BODY
    assert "Range" not in archive.asked("/a")[1]


def test_a_part_longer_than_the_file_is_fetched_anew(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["cut 1000"]
    with pytest.raises(DownloadError):
        save(archive, tmp_path / "a", attempts=1)
    (tmp_path / "a.part").write_bytes(b"x" * 9999)

    assert save(archive, tmp_path / "a") == BODY


def test_a_part_from_another_place_is_not_appended(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["cut 1000", "other part"]

    assert save(archive, tmp_path / "a") == BODY


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(BODY) - 1), max_size=4))
def test_wherever_it_is_cut_the_bytes_are_the_same(archive: Archive, tmp_path: Path, cuts: list[int]) -> None:
    (tmp_path / "a").unlink(missing_ok=True)
    archive.faults["/a"] = [f"cut {after}" for after in cuts]

    assert save(archive, tmp_path / "a", attempts=6) == BODY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(archive: Archive, tmp_path: Path, status: int) -> None:
    archive.faults["/a"] = [str(status), str(status)]

    assert save(archive, tmp_path / "a") == BODY
    assert len(archive.asked("/a")) == 3


def test_patience_ends_and_the_last_answer_is_told(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["503"] * 9

    with pytest.raises(DownloadError, match=r"a: 127.0.0.1 did not deliver in 3 attempts, the last time: HTTP 503"):
        save(archive, tmp_path / "a")

    assert len(archive.asked("/a")) == 3


def test_waits_double_and_follow_the_servers_wish_within_bounds(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["503", "503", "503", "429", "503"]
    stop = Impatient()

    save(archive, tmp_path / "a", attempts=6, stop=stop, pause_s=0.5, longest_pause_s=5.0)

    assert stop.waits == [0.5, 1.0, 2.0, 5.0, 5.0]


def test_no_wait_goes_past_the_deadline(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["503"] * 9
    stop = Impatient()

    with pytest.raises(DownloadError, match="in 2 attempts"):
        save(archive, tmp_path / "a", stop=stop, attempts=9, pause_s=1.0, deadline_s=1.5)

    assert stop.waits == [1.0]


@pytest.mark.parametrize(
    ("status", "meaning"), [(401, "asks to sign in"), (403, "refuses access"), (404, "has nothing")]
)
def test_a_refusal_is_final(archive: Archive, tmp_path: Path, status: int, meaning: str) -> None:
    archive.faults["/a"] = [str(status)] * 3

    with pytest.raises(DownloadError, match=meaning) as caught:
        save(archive, tmp_path / "a")

    assert caught.value.status == status
    assert len(archive.asked("/a")) == 1


def test_a_silent_server_is_given_up(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["silent"] * 3

    with pytest.raises(DownloadError, match="timed out"):
        save(archive, tmp_path / "a", timeout_s=0.1, attempts=2)


def test_nobody_listening_is_told(tmp_path: Path) -> None:
    with serving(Archive()) as gone:
        pass

    with pytest.raises(DownloadError, match="Connection refused"):
        save(gone, tmp_path / "a")


@pytest.mark.parametrize("fault", ["", "unannounced"])
def test_more_than_it_can_be_is_not_taken(archive: Archive, tmp_path: Path, fault: str) -> None:
    archive.faults["/a"] = [fault]

    with pytest.raises(DownloadError, match="sends more than the 4,095 bytes"):
        save(archive, tmp_path / "a", limit_bytes=4095)

    assert not (tmp_path / "a").exists()
    assert len(archive.asked("/a")) == 1


def test_a_stop_ends_a_transfer_and_keeps_its_part(archive: Archive, tmp_path: Path) -> None:
    stop = Impatient()
    stop.set()

    with pytest.raises(DownloadError, match="stopped"):
        save(archive, tmp_path / "a", stop=stop)

    assert (tmp_path / "a.part").exists()


def test_a_full_or_closed_disk_is_not_the_servers_fault(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("not a folder")

    with pytest.raises(StorageError, match=r"a\.part: could not be written, Not a directory"):
        save(archive, tmp_path / "folder" / "a")

    assert len(archive.asked("/a")) == 1


def test_a_redirection_is_followed(archive: Archive, tmp_path: Path) -> None:
    archive.faults["/a"] = ["to /a"]

    assert save(archive, tmp_path / "a") == BODY


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/a", "file:///a"])
def test_a_redirection_out_of_http_is_not_followed(archive: Archive, tmp_path: Path, address: str) -> None:
    archive.faults["/a"] = [f"to {address}"] * 3

    with pytest.raises(DownloadError, match=r"Not followed|refuses"):
        save(archive, tmp_path / "a")


def test_https_never_becomes_http() -> None:
    asked = Request("https://archive.example/a")

    with pytest.raises(DownloadError, match="leads from https to http"):
        _NoDowngrade().redirect_request(asked, None, 302, "", HTTPMessage(), "http://archive.example/a")


def test_only_http_is_spoken(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")

    with pytest.raises(DownloadError, match="begins with 'file'"):
        read_url((tmp_path / "secret").as_uri(), what="a", web=web(), limit_bytes=10)

    assert not any("file_open" in dir(handler) for handler in plain_opener().handlers)


def test_a_body_is_read_and_bounded(archive: Archive) -> None:
    archive.faults["/a"] = ["503", "cut 7"]

    assert read_url(f"{archive.url}/a", what="a", web=web(), limit_bytes=4096) == BODY
    with pytest.raises(DownloadError, match="sends more"):
        read_url(f"{archive.url}/a", what="a", web=web(), limit_bytes=4095)


def test_no_query_of_an_address_is_told(archive: Archive) -> None:
    with pytest.raises(DownloadError) as caught:
        read_url(f"{archive.url}/b?token=secret", what="b", web=web(), limit_bytes=10)

    assert "secret" not in str(caught.value)
