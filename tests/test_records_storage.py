"""A file is whole or not there, whatever the file system does."""

import errno
import os
from pathlib import Path

import pytest

from mammoscope.errors import StorageError
from mammoscope.storage import whole_file, write_text


def refusing(number: int) -> object:
    def fsync(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"a\.txt: could not be written, No space left on device\. Make room"),
        (errno.EDQUOT, "Make room"),
        (errno.EIO, "Choose a folder that can be written"),
    ],
)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(os, "fsync", refusing(number))

    with pytest.raises(StorageError, match=message):
        write_text(tmp_path / "a.txt", "new")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def write_half(path: Path, failure: Exception) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("half")
        raise failure


def test_a_disk_that_fills_while_the_body_writes_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a\.txt: could not be written"):
        write_half(tmp_path / "a.txt", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    assert not list(tmp_path.iterdir())


def test_any_other_failure_of_the_body_is_passed_on_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_half(tmp_path / "a.txt", KeyError("x"))

    assert not list(tmp_path.iterdir())


def test_the_name_appears_only_with_the_whole_content(tmp_path: Path) -> None:
    with whole_file(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("new")

        assert not (tmp_path / "deep" / "a.txt").exists()

    assert (tmp_path / "deep" / "a.txt").read_text() == "new"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_a_folder_that_is_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="Choose a folder that can be written"):
        write_text(tmp_path / "file" / "a.txt", "text")
