"""What a package exports is public: described in order, and named in the reference."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import mammoscope

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"
PACKAGES = sorted(
    info.name
    for info in pkgutil.iter_modules(mammoscope.__path__, "mammoscope.")
    if info.ispkg and info.name != "mammoscope.cli"
)
PUBLIC = [(package, name) for package in PACKAGES for name in getattr(importlib.import_module(package), "__all__", ())]
ORDER = ["Args:", "Returns:", "Raises:", "Source:", "Example:"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_is_public_in_order(package: str) -> None:
    exported = importlib.import_module(package).__all__

    assert list(exported) == sorted(exported, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=lambda value: value)
def test_a_public_thing_is_described(package: str, name: str) -> None:
    thing = getattr(importlib.import_module(package), name)
    if not (inspect.isfunction(thing) or inspect.isclass(thing)):
        return

    text = inspect.getdoc(thing) or ""
    sections = [line for line in text.splitlines() if line in ORDER]

    assert text, f"{package}.{name} has no docstring"
    assert sections == [section for section in ORDER if section in sections]


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=lambda value: value)
def test_a_public_function_has_one_positional_subject(package: str, name: str) -> None:
    thing = getattr(importlib.import_module(package), name)
    if not inspect.isfunction(thing):
        return

    positional = [p for p in inspect.signature(thing).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert len(positional) <= 2  # the subject, and at most what it is read into or with


def test_the_reference_names_every_public_thing() -> None:
    text = REFERENCE.read_text(encoding="utf-8")

    missing = [f"{package}.{name}" for package, name in PUBLIC if f"`{name}`" not in text]

    assert missing == []


def test_every_module_imports() -> None:
    for info in pkgutil.walk_packages(mammoscope.__path__, "mammoscope."):
        importlib.import_module(info.name)
