"""Shapes and types are checked while the tests run; real pictures are found, or their tests skip."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("mammoscope", "checker.check")

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")

DATA = Path(os.environ.get("MAMMOSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def real_data() -> Path:
    """The folder with real mammograms, named by MAMMOSCOPE_DATA."""
    if not DATA.is_dir():
        pytest.skip("no real mammograms here: set MAMMOSCOPE_DATA to a folder with rsna_jpeg640, rsna_dicom, mini_mias")
    return DATA
