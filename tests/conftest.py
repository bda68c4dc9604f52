"""Shapes and types are checked while the tests run; real pictures are found, or their tests skip."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("mammoscope", "checker.check")

if TYPE_CHECKING:
    from mammoscope.pipeline import Work

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")

DATA = Path(os.environ.get("MAMMOSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def real_data() -> Path:
    """The folder with real mammograms, named by MAMMOSCOPE_DATA."""
    if not DATA.is_dir():
        pytest.skip("no real mammograms here: set MAMMOSCOPE_DATA to a folder with rsna_jpeg640, rsna_dicom, mini_mias")
    return DATA


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom of 24 women in the layout of CBIS-DDSM."""
    from mammoscope.phantom import write_cbis_ddsm

    folder = tmp_path_factory.mktemp("phantom") / "data"
    write_cbis_ddsm(folder, patients=24, seed=0, rows=128)
    return folder


@pytest.fixture(scope="session")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> "Work":
    """That phantom, to train on in this process."""
    from mammoscope.pipeline import Work
    from mammoscope.sources import SOURCES, build_index

    index = build_index(SOURCES["cbis_ddsm"], data)
    return Work(index=index, cache=tmp_path_factory.mktemp("cache"), workers=0, device="cpu")
