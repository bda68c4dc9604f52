"""What the documentation says is run: every Python block, every command's name, every link."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mammoscope.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [(text[: match.start(1)].count("\n"), match.group(1)) for match in found]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: str(p.relative_to(ROOT)))
def test_python_blocks_run_in_order(page: Path, tmp_path: Path) -> None:
    namespace: dict[str, object] = {"__name__": "docs"}
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for line, block in blocks(page, "python"):
            exec(compile("\n" * line + block, str(page), "exec"), namespace)  # noqa: S102
    finally:
        os.chdir(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_that_are_named_exist(page: Path) -> None:
    verbs = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    text = page.read_text(encoding="utf-8")

    named = set(re.findall(r"(?:^|`|\$ |bin/)mammoscope ([a-z][a-z-]+)", text, flags=re.MULTILINE))

    assert named <= verbs, f"{page.name} names {sorted(named - verbs)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))

    broken = [t for t in targets if "://" not in t and not t.startswith("mailto:") and not (page.parent / t).exists()]

    assert broken == []


def test_no_page_names_a_path_of_a_machine() -> None:
    wrong = [
        page.name
        for page in PAGES
        if re.search(r"(?<![\w.])/(work|home|root|Users)/", page.read_text(encoding="utf-8"))
    ]

    assert wrong == []


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
