"""Data sets on disk, read into records: one file per data set, one line per data set in `SOURCES`."""

from importlib import import_module

from mammoscope.errors import SourceError, nearest
from mammoscope.sources.cbis_ddsm import CBIS_DDSM
from mammoscope.sources.cbis_ddsm_jpeg import CBIS_DDSM_JPEG
from mammoscope.sources.cdd_cesm import CDD_CESM, CDD_CESM_SUBTRACTED
from mammoscope.sources.cmmd import CMMD
from mammoscope.sources.dicom import DICOM
from mammoscope.sources.embed import EMBED
from mammoscope.sources.folders import FOLDERS
from mammoscope.sources.inbreast import INBREAST
from mammoscope.sources.mini_mias import MINI_MIAS
from mammoscope.sources.own_table import TABLE
from mammoscope.sources.rsna import RSNA
from mammoscope.sources.source import Source, build_index
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.vindr import VINDR

__all__ = [
    "CBIS_DDSM",
    "CBIS_DDSM_JPEG",
    "CDD_CESM",
    "CDD_CESM_SUBTRACTED",
    "CMMD",
    "DICOM",
    "EMBED",
    "FOLDERS",
    "INBREAST",
    "MINI_MIAS",
    "RSNA",
    "SOURCES",
    "TABLE",
    "VINDR",
    "Row",
    "Source",
    "build_index",
    "read_table",
    "source_named",
]

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        CBIS_DDSM,
        CBIS_DDSM_JPEG,
        RSNA,
        VINDR,
        INBREAST,
        CMMD,
        CDD_CESM,
        CDD_CESM_SUBTRACTED,
        MINI_MIAS,
        EMBED,
        TABLE,
        FOLDERS,
        DICOM,
    )
}
"""The data sets that are built in, by name."""


def source_named(text: str) -> Source:
    """Find a source by its name, or an outside one as `package.module:NAME`.

    Args:
        text: A key of `SOURCES`, with `-` allowed for `_`; or where a `Source` value can be imported from.

    Raises:
        SourceError: Neither.

    Example:
        >>> source_named("rsna").licence
        'Kaggle competition rules: non-commercial research, no redistribution'
    """
    known = text.replace("-", "_")
    if known in SOURCES:
        return SOURCES[known]
    module, colon, name = text.partition(":")
    if not (module and colon and name) or module.startswith("."):
        raise SourceError(
            f"{text!r} is not one of {', '.join(SOURCES)}, nor package.module:NAME{nearest(known, list(SOURCES))}"
        )
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SourceError(f"{text!r} cannot be imported: {error}. Install the package, or correct the name") from error
    if not isinstance(found, Source):
        raise SourceError(f"{text!r} is a {type(found).__name__}, not a mammoscope.sources.Source")
    return found
