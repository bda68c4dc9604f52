"""Imports point up the list of layers, and the command line answers without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "mammoscope"
LAYERS = (
    "vocabulary errors calibrators combiners storage referral trail workers dicom records sources download phantom "
    "images deid cohort batches models training evaluation explain report pipeline serve cli"
).split()
FILES = sorted(file for file in ROOT.rglob("*.py") if file.parent != ROOT or file.stem in LAYERS)


def imports(file: Path) -> set[str]:
    """First-level names under mammoscope that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mammoscope."):
            found.add(node.module.split(".")[1])
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("mammoscope.")}
    return found


def layer(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_file_belongs_to_a_layer() -> None:
    strangers = [file.name for file in ROOT.glob("*.py") if layer(file) not in {*LAYERS, "__init__", "__main__"}]

    assert strangers == []
    assert {layer(file) for file in FILES} <= set(LAYERS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_up(file: Path) -> None:
    below = [name for name in imports(file) if LAYERS.index(name) > LAYERS.index(layer(file))]

    assert below == []


@pytest.mark.parametrize("name", ["explain", "serve"])
def test_explain_and_serve_do_without_the_training_code(name: str) -> None:
    wrong = [file.name for file in FILES if layer(file) == name and imports(file) & {"batches", "training"}]

    assert wrong == []


@pytest.mark.parametrize(
    "name", ["evaluation", "report", "records", "sources", "cohort", "phantom", "images", "deid", "cli"]
)
def test_imports_without_torch(name: str) -> None:
    code = f"import sys, mammoscope.{name}; sys.exit('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_no_file_is_longer_than_500_lines() -> None:
    long = [file.name for file in FILES if len(file.read_text(encoding="utf-8").splitlines()) > 500]

    assert long == []


def test_nothing_unpickles_or_evaluates() -> None:
    words = ("pickle.load", "torch.load(", "joblib.load", "eval(", "exec(", "yaml.load", "allow_pickle=True")
    wrong = [
        f"{file.name}: {word}"
        for file in FILES
        for word in words
        for line in file.read_text(encoding="utf-8").splitlines()
        if word in line and ".eval(" not in line
    ]

    assert wrong == []
