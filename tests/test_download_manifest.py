"""The list of what is here survives a crash, and is never believed about paths outside."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammoscope.download import DownloadError, Entry, Saved, read_manifest
from mammoscope.download.manifest import NAME, add_entry, is_here, saved
from mammoscope.errors import StorageError

NO_SUM = "0" * 64


def entry(item: str, *files: Saved) -> Entry:
    return Entry(item=item, origin="server", checked="md5", files=files)


def test_what_was_added_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1-1.dcm").write_bytes(b"abc")
    one = entry("series 1", saved(tmp_path / "a" / "1-1.dcm", out=tmp_path))
    add_entry(one, out=tmp_path)
    add_entry(entry("series 2"), out=tmp_path)

    found = read_manifest(tmp_path)

    assert found == {"series 1": one, "series 2": entry("series 2")}
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example B.1
    assert one.files == (Saved(path="a/1-1.dcm", bytes=3, sha256=sha256),)


def test_no_list_is_an_empty_list(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200))
def test_a_crash_while_writing_loses_one_line_at_most(tmp_path: Path, lost: int) -> None:
    file = tmp_path / NAME
    file.unlink(missing_ok=True)
    for item in ("series 1", "series 2"):
        add_entry(entry(item), out=tmp_path)
    body = file.read_bytes()
    second = body.index(b"\n") + 1
    file.write_bytes(body[: max(second, len(body) - lost)])

    before = set(read_manifest(tmp_path))
    add_entry(entry("series 3"), out=tmp_path)

    assert {"series 1"} <= before
    assert {"series 1", "series 3"} <= set(read_manifest(tmp_path))
    assert before - set(read_manifest(tmp_path)) <= {"series 2"}


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    add_entry(entry("series 1"), out=tmp_path)
    with (tmp_path / NAME).open("a") as file:
        file.write('{"item": "series 2"}\n')

    with pytest.raises(DownloadError, match=rf"{NAME}:2: Field required. Remove the line"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\\x", ""])
def test_a_path_outside_is_not_believed(tmp_path: Path, path: str) -> None:
    line = f'{{"item":"s","origin":"o","checked":"md5","files":[{{"path":"{path}","bytes":1,"sha256":""}}]}}'
    (tmp_path / NAME).write_text(line.replace("\\", "\\\\") + "\n")

    with pytest.raises(DownloadError, match="not a path inside the folder"):
        read_manifest(tmp_path)


def test_a_file_that_is_gone_or_changed_in_size_is_not_here(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"abc")
    listed = entry("table a.csv", Saved(path="a.csv", bytes=3, sha256=NO_SUM))

    assert is_here(listed, out=tmp_path)
    (tmp_path / "a.csv").write_bytes(b"abcd")
    assert not is_here(listed, out=tmp_path)
    (tmp_path / "a.csv").unlink()
    assert not is_here(listed, out=tmp_path)


def test_a_list_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()

    with pytest.raises(StorageError, match=f"{NAME}: could not be written"):
        add_entry(entry("series 1"), out=tmp_path)
