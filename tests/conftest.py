"""Shapes and types are checked while the tests run; real pictures are found, or their tests skip."""

import gc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

SOURCE = Path(__file__).parents[1] / "src"


def modules_with_arrays() -> list[str]:
    """Those whose shapes are checked. Of the others mypy knows the types, and a check of each call takes long."""
    texts = {file: file.read_text(encoding="utf-8") for file in (SOURCE / "mammoscope").rglob("*.py")}
    aliases = {
        name for text in texts.values() for name in re.findall(r"^([A-Z]\w+) = .*\[(?:np\.|Tensor)", text, re.MULTILINE)
    }
    with_arrays = re.compile(rf"jaxtyping|\b({'|'.join(sorted(aliases))})\b")
    imports = re.compile(r"^(?:from|import) [^\n(]*(?:\([^)]*\))?", re.MULTILINE)
    files = [file for file, text in texts.items() if with_arrays.search(" ".join(imports.findall(text)))]
    return [".".join(file.relative_to(SOURCE).with_suffix("").parts) for file in files]


install_import_hook(modules_with_arrays(), "checker.check")

if TYPE_CHECKING:
    from mammoscope.pipeline import Work

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")

DATA = Path(os.environ.get("MAMMOSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_finish() -> None:
    """Modules stay to the end: to look through them for garbage takes up to 0.7 s each time that a library asks."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """At the end they go like everything else; compiled modules complain otherwise."""
    gc.unfreeze()


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
