"""Take the pictures out of a zip that came over the network, trusting nothing in it."""

import csv
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from mammoscope.download.failure import DamagedError, DownloadError

MOST_MEMBERS = 10_000
SUMS = "md5hashes.csv"  # beside the pictures, with the columns Filename and MD5Hash: NBIA getImageWithMD5Hash
MOST_SUM_BYTES = 4 << 20
BLOCK_BYTES = 1 << 20
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, LookupError, RuntimeError, OSError)
"""What zipfile raises over a file that is not whole; NotImplementedError is a RuntimeError."""


def unpack_pictures(archive: Path, *, into: Path, limit_bytes: int) -> tuple[list[Path], bool]:
    """Unpack the DICOM files of an archive under names of our own.

    The archive is refused whole if one of its members is absolute, climbs with `..`, is a link, is
    encrypted or stands in it twice. No name from it becomes a name on disk.

    Args:
        archive: The zip file.
        into: Folder for the files; they are numbered in the order of the archive.
        limit_bytes: All that may come out of it, together.

    Returns:
        The files, and whether each was compared with an MD5 sum from the archive.

    Raises:
        DamagedError: It is not a zip file, is cut off, a sum does not fit, or a listed picture is not in it.
        DownloadError: It holds what an archive of pictures never holds.

    Source:
        CWE-22 (names that leave the folder), CWE-409 (bombs).
    """
    files: list[Path] = []
    with _read(archive.name):
        opened = zipfile.ZipFile(archive)
    with opened:
        with _read(archive.name):
            members = _safe_members(opened, name=archive.name, limit_bytes=limit_bytes)
            sums = _sums(opened, members)
        into.mkdir(parents=True, exist_ok=True)
        pictures = [member for member in members if member.filename.lower().endswith(".dcm")]
        _refuse_lost(sums, {member.filename for member in pictures}, name=archive.name)
        for number, member in enumerate(pictures):
            file = into / f"{number:05d}.part"  # no source takes it for its own
            found = _copy(opened, member, file, name=archive.name, limit_bytes=limit_bytes)
            _refuse_other(found, sums, member=member.filename, name=archive.name)
            files.append(file)
            limit_bytes -= file.stat().st_size
    return files, bool(sums)


@contextmanager
def _read(name: str) -> Iterator[None]:
    """Whatever goes wrong while a zip file is read is the zip file's fault; writing stays outside."""
    try:
        yield
    except DownloadError:
        raise
    except UNREADABLE as error:
        raise DamagedError(f"{name}: not a whole zip file ({error}). Fetch it again") from error


def _safe_members(opened: zipfile.ZipFile, *, name: str, limit_bytes: int) -> list[zipfile.ZipInfo]:
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > MOST_MEMBERS:
        raise DownloadError(f"{name}: {len(members)} members, against at most {MOST_MEMBERS}. Not unpacked")
    for member in opened.infolist():
        path = PurePosixPath(member.filename)
        outside = not path.parts or path.is_absolute() or ".." in path.parts or {"\\", ":"} & {*member.filename}
        if outside:
            raise DownloadError(f"{name}: member {member.filename!r} leads out of the folder. Not unpacked")
        if stat.S_IFMT(member.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise DownloadError(f"{name}: member {member.filename!r} is a link or a device. Not unpacked")
        if member.flag_bits & 0x1:
            raise DownloadError(f"{name}: member {member.filename!r} is encrypted. Not unpacked")
    if len({member.filename for member in members}) < len(members):
        raise DownloadError(f"{name}: two members have one name. Not unpacked")
    told = sum(member.file_size for member in members)
    if told > limit_bytes + MOST_SUM_BYTES:
        raise DownloadError(f"{name}: unpacks to {told:,} bytes, against at most {limit_bytes:,}. Not unpacked")
    return members


def _sums(opened: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[str, str]:
    member = next((m for m in members if PurePosixPath(m.filename).name == SUMS), None)
    if member is None or member.file_size > MOST_SUM_BYTES:
        return {}
    with opened.open(member) as stream:
        text = stream.read(MOST_SUM_BYTES).decode("utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return {row["Filename"]: row["MD5Hash"].lower() for row in rows if row.get("Filename") and row.get("MD5Hash")}


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, *, name: str, limit_bytes: int) -> str:
    """Copy a member, counting what really comes out, and return its MD5 sum."""
    digest, got = hashlib.md5(usedforsecurity=False), 0
    with _read(name):
        stream = opened.open(member)
    with stream, file.open("wb") as copy:
        while True:
            with _read(name):
                block = stream.read(BLOCK_BYTES)
            if not block:
                return digest.hexdigest()
            got += len(block)
            if got > limit_bytes:
                raise DownloadError(f"{member.filename!r} unpacks to more than {limit_bytes:,} bytes. Not unpacked")
            digest.update(block)
            copy.write(block)


def _refuse_lost(sums: dict[str, str], there: set[str], *, name: str) -> None:
    lost = sorted(set(sums) - there)
    if lost:
        raise DamagedError(f"{name}: its list names {lost[0]!r}, which is not in it ({len(lost)} such). Fetch it again")


def _refuse_other(found: str, sums: dict[str, str], *, member: str, name: str) -> None:
    if sums and sums.get(member) != found:
        told = sums.get(member, "none")
        raise DamagedError(f"{name}: MD5 of {member!r} is {found}, the archive's list says {told}. Fetch it again")
