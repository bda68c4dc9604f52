"""A zip from the network: its pictures, and nothing that it would like to do besides."""

import io
import stat
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive_server import series_zip
from mammoscope.download import DownloadError
from mammoscope.download.archive import unpack_pictures
from mammoscope.download.failure import DamagedError

PICTURES = {"00000001.dcm": b"first" * 50, "00000002.dcm": b"second" * 50}


def packed(path: Path, members: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    pairs = list(members.items()) if isinstance(members, dict) else members
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # a name that stands in it twice
        for name, body in pairs:
            archive.writestr(name, body)
    return path


def unpack(path: Path, *, limit_bytes: int = 100_000) -> tuple[list[bytes], bool]:
    files, summed = unpack_pictures(path, into=path.parent / "into", limit_bytes=limit_bytes)
    return [file.read_bytes() for file in files], summed


def test_pictures_come_out_in_order_and_are_compared_with_their_sums(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(series_zip(PICTURES))

    assert unpack(path) == ([*PICTURES.values()], True)


def test_without_sums_nothing_is_claimed_and_other_files_stay_inside(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"LICENSE": b"terms", "1-1.dcm": b"picture"})

    assert unpack(path) == ([b"picture"], False)
    assert [file.suffix for file in (tmp_path / "into").iterdir()] == [".part"]


def test_a_wrong_sum_is_told_with_both_values(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(series_zip(PICTURES, sums={"00000002.dcm": "0" * 32}))

    with pytest.raises(DamagedError, match=r"MD5 of '00000002.dcm' is [0-9a-f]{32}, the archive's list says 0{32}"):
        unpack(path)


def test_a_picture_that_the_list_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(series_zip({"1.dcm": b"a"}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("2.dcm", b"b")

    with pytest.raises(DamagedError, match="says none"):
        unpack(path)


@pytest.mark.parametrize(
    "name",
    ["../up.dcm", "a/../../up.dcm", "/etc/up.dcm", "..\\up.dcm", "C:\\up.dcm", "C:up.dcm", "a/..", "../"],
)
def test_a_name_that_leaves_the_folder_refuses_the_whole_archive(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "a.zip", {"good.dcm": b"x", name: b"y"})

    with pytest.raises(DownloadError, match="leads out of the folder"):
        unpack(path)

    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_a_device_refuses_the_whole_archive(tmp_path: Path, kind: int) -> None:
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (kind | 0o777) << 16
    path = packed(tmp_path / "a.zip", [("good.dcm", b"x"), (link, b"/etc/passwd")])

    with pytest.raises(DownloadError, match="'link.dcm' is a link or a device"):
        unpack(path)

    assert not (tmp_path / "into").exists()


def test_an_encrypted_member_refuses_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.dcm": b"x"})
    body = bytearray(path.read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1  # general purpose bit 0, in the central directory
    path.write_bytes(body)

    with pytest.raises(DownloadError, match="encrypted"):
        unpack(path)


def test_a_name_twice_refuses_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", [("a.dcm", b"x"), ("a.dcm", b"y")])

    with pytest.raises(DownloadError, match="two members have one name"):
        unpack(path)


def test_a_bomb_is_told_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.dcm", bytes(8_000_000))
    assert path.stat().st_size < 10_000

    with pytest.raises(DownloadError, match=r"unpacks to 8,000,000 bytes, against at most 100,000"):
        unpack(path)


def test_what_comes_out_together_is_bounded(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.dcm": bytes(600), "b.dcm": bytes(600)})

    with pytest.raises(DownloadError, match=r"'b.dcm' unpacks to more than 400 bytes"):
        unpack(path, limit_bytes=1000)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mammoscope.download.archive.MOST_MEMBERS", 1)
    path = packed(tmp_path / "a.zip", {"a.dcm": b"", "b.dcm": b""})

    with pytest.raises(DownloadError, match="2 members, against at most 1"):
        unpack(path)


@pytest.mark.parametrize("keep", [0, 10, 100, 400])
def test_an_archive_that_is_cut_off_is_damaged(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(series_zip(PICTURES)[:keep])

    with pytest.raises(DamagedError, match="not a whole zip file"):
        unpack(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_changed_bytes_give_the_same_pictures_or_our_error(tmp_path: Path, data: st.DataObject) -> None:
    body = bytearray(series_zip(PICTURES))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.zip"
    path.write_bytes(body)

    try:
        files, summed = unpack(path)
    except DownloadError:
        return

    assert not summed or sorted(files) == sorted(PICTURES.values())


def test_a_picture_that_the_list_names_and_the_archive_lacks_is_not_lost_in_silence(tmp_path: Path) -> None:
    """Found by changing one byte of a name in the archive's directory."""
    body = series_zip(PICTURES)
    at = body.rindex(b".dcm")
    path = tmp_path / "a.zip"
    path.write_bytes(body[:at] + b".dcn" + body[at + 4 :])

    with pytest.raises(DamagedError, match="names '.*', which is not in it|not a whole zip file"):
        unpack(path)


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    packed_bytes = io.BytesIO()
    with zipfile.ZipFile(packed_bytes, "w") as archive:
        archive.writestr(zipfile.ZipInfo("."), b"x")
    path = tmp_path / "a.zip"
    path.write_bytes(packed_bytes.getvalue())

    with pytest.raises(DownloadError, match="leads out"):
        unpack(path)
