"""Benchmarks are not run by the tests; what they take from the project must be there all the same."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHES = sorted((Path(__file__).parents[1] / "bench").rglob("*.py"))


@pytest.mark.parametrize("file", BENCHES, ids=lambda file: file.stem)
def test_a_benchmark_imports_only_what_there_is(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))

    taken = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    for node in taken:
        if (node.module or "").partition(".")[0] == "mammoscope":
            module = import_module(node.module or "")
            missing = [one.name for one in node.names if not hasattr(module, one.name)]
            assert missing == []
