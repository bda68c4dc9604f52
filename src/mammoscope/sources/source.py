"""A data set that can be read: a value, not a plug-in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mammoscope.errors import SourceError
from mammoscope.records import Index, Record, index_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set: how its folder is read, and what a user must know of it.

    Attributes:
        name: The value of `Record.source`.
        read: Reader of a folder; yields one record per finding and never skips a row in silence.
        layout: What the folder holds, one line a file or pattern.
        labels: What a positive label means and who says so.
        licence: Terms of the data, not of this program.
        cite: What a paper that uses the data cites.
        url: Where the data are asked for.
    """

    name: str
    read: Callable[[Path], Iterator[Record]]
    layout: str
    labels: str
    licence: str
    cite: str
    url: str


def build_index(source: Source, root: Path) -> Index:
    """Read a whole data set into an index.

    Args:
        source: The data set.
        root: The folder it was unpacked in.

    Returns:
        The validated index, rows in the order of the data set's own tables.

    Raises:
        SourceError: The folder is missing, is not laid out as the source expects, or contradicts itself.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from mammoscope.sources import MINI_MIAS
        >>> with TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "Info.txt").write_text("mdb001 G CIRC B 535 425 197")
        ...     build_index(MINI_MIAS, Path(folder)).table["image_id"].to_list()
        ['mdb001']
    """
    if not root.is_dir():
        raise SourceError(
            f"{root.name}: no such folder. {source.name} is read from a folder that holds\n{source.layout}"
        )
    records = list(source.read(root))
    if not records:
        raise SourceError(
            f"{root.name}: no image is listed in it. {source.name} is a folder that holds\n{source.layout}"
        )
    strangers = {record.source for record in records} - {source.name}
    if strangers:
        raise SourceError(
            f"{source.name}: its reader yields records of {sorted(strangers)}. Set Record.source to the name"
        )
    return index_of(records, roots={source.name: root})
