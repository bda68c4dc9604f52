"""Files below a folder, in a fixed order: links are followed, a loop of them is refused."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mammoscope.errors import SourceError

PICTURES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".pgm", ".tif", ".tiff")


def files_below(root: Path, *, suffixes: tuple[str, ...] | None = PICTURES) -> Iterator[str]:
    """Yield the files below a folder, relative to it with forward slashes, folder by folder in sorted order.

    Hidden files and folders are passed over. Links to folders are followed.

    Args:
        root: The folder.
        suffixes: Suffixes wanted, in lower case; None for all files.

    Raises:
        SourceError: A link leads back into a folder above it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.PNG", "notes.txt", ".c.png"):
        ...         _ = (Path(folder) / name).write_bytes(b"")
        ...     list(files_below(Path(folder)))
        ['a.PNG', 'b.png']
    """
    above: dict[str, tuple[str, ...]] = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        here = os.path.realpath(folder)
        line = above.pop(folder, ())
        if here in line:
            raise SourceError(f"{Path(folder).name}: is a link back into a folder above it. Remove the link")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        above |= {os.path.join(folder, name): (*line, here) for name in folders}  # noqa: PTH118 os.walk's own spelling
        below = PurePosixPath(*Path(folder).relative_to(root).parts)
        for name in sorted(names):
            wanted = suffixes is None or name.lower().endswith(suffixes)
            if wanted and not name.startswith("."):
                yield str(below / name)


def inside(listed: str, *, where: str) -> str:
    r"""A path that a table lists, with forward slashes, if it stays inside the data set's folder.

    Args:
        listed: The path as it is written; backslashes and a leading `./` are allowed.
        where: File and line, for the message.

    Raises:
        SourceError: The path is absolute or climbs out of the folder.

    Example:
        >>> inside(r".\images\a.png", where="own.csv:2")
        'images/a.png'
        >>> inside("../a.png", where="own.csv:2")
        Traceback (most recent call last):
        mammoscope.errors.SourceError: own.csv:2: path of a.png leaves the data set's folder. Write it relative to it
    """
    parts = listed.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or ":" in parts[0]:
        raise SourceError(f"{where}: path of {parts[-1]} leaves the data set's folder. Write it relative to it")
    return "/".join(part for part in parts if part not in {"", "."})


def only_one(found: list[str], *, image: str) -> str | None:
    """The one file of an image; None if there is none.

    Raises:
        SourceError: There are several.
    """
    if len(found) > 1:
        names = ", ".join(PurePosixPath(path).name for path in sorted(found)[:3])
        raise SourceError(f"{image}: {len(found)} files for one image, {names}. Keep one of them")
    return found[0] if found else None
