"""CBIS-DDSM as the archive gives it: DICOM folders and up to four case description tables."""

import logging
from collections.abc import Iterator
from pathlib import Path

from mammoscope.records import Record
from mammoscope.sources.cbis_files import CbisFiles
from mammoscope.sources.cbis_tables import read_cases, warn_of
from mammoscope.sources.source import Source

LOG = logging.getLogger(__name__)


def _read(root: Path) -> Iterator[Record]:
    files = CbisFiles(root)
    yield from read_cases(root, source="cbis_ddsm", files=files)
    if files.unreadable:
        LOG.warning("%d files cannot be read, the first is %s", len(files.unreadable), min(files.unreadable))
    warn_of(files.doubtful)


CBIS_DDSM = Source(
    name="cbis_ddsm",
    read=_read,
    layout="{mass,calc}_case_description_{train,test}_set.csv, any of the four, or in csv/\n"
    "Mass-Training_P_00001_LEFT_CC/<study>/<series>/1-1.dcm, or below CBIS-DDSM/",
    labels="MALIGNANT is malignant, BENIGN and BENIGN_WITHOUT_CALLBACK are not; biopsy, but for the last: reader",
    licence="CC BY 3.0",
    cite="Lee RS et al. A curated mammography data set for use in computer-aided detection and diagnosis research. "
    "Scientific Data 4:170177 (2017), doi:10.1038/sdata.2017.177; data: doi:10.7937/K9/TCIA.2016.7O02S9CY",
    url="https://www.cancerimagingarchive.net/collection/cbis-ddsm/",
)
