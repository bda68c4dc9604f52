"""Write the pages of docs/reference that follow from the code: commands, names, recipes, what metrics.json holds.

Run: python docs/generate.py          writes them
     python docs/generate.py --check  exits 1 if one is out of date
"""

import importlib
import inspect
import json
import pkgutil
import re
import sys
from pathlib import Path

import click
import typer

import mammoscope
from mammoscope.cli import app
from mammoscope.evaluation import classes_schema, localisation_schema, metrics_schema, task_schema
from mammoscope.training import Recipe

HERE = Path(__file__).parent / "reference"


def cli_page() -> str:
    """Every verb with its help, as the program prints it on a terminal 100 columns wide."""
    command = typer.main.get_command(app)
    lines = ["# Command line", "", "Generated from the program: `python docs/generate.py`.", ""]
    root = click.Context(command, info_name="mammoscope", terminal_width=100, max_content_width=100)
    lines += ["```text", command.get_help(root).rstrip(), "```", ""]
    for name, verb in command.commands.items():  # type: ignore[attr-defined]
        context = click.Context(verb, info_name=name, parent=root, terminal_width=100, max_content_width=100)
        lines += [f"## {name}", "", "```text", verb.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines)


def python_page() -> str:
    """Every exported name with the first line of its docstring."""
    lines = ["# Python", "", "Generated from the code: `python docs/generate.py`. `help(name)` tells all.", ""]
    for info in pkgutil.iter_modules(mammoscope.__path__, "mammoscope."):
        if not info.ispkg or info.name == "mammoscope.cli":
            continue
        module = importlib.import_module(info.name)
        about = (inspect.getdoc(module) or "").splitlines()[0]
        lines += [f"## {info.name}", "", about, "", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {_about(getattr(module, name))} |" for name in module.__all__]
        lines.append("")
    return "\n".join(lines)


def _about(thing: object) -> str:
    if inspect.isfunction(thing) or inspect.isclass(thing):
        return (inspect.getdoc(thing) or "").splitlines()[0].replace("|", "\\|")
    return f"a value of type `{type(thing).__name__}`" if not hasattr(thing, "__origin__") else "a type"


def recipe_page() -> str:
    """Every key of a recipe with its type, default and meaning."""
    lines = [
        "# Recipe",
        "",
        "Generated from the models: `python docs/generate.py`. A recipe is a TOML file; an unknown key is an error.",
        "",
    ]
    schema = Recipe.model_json_schema()
    lines += _table("top level", schema, schema)
    for name, definition in schema.get("$defs", {}).items():
        if "properties" in definition:
            lines += _table(name, definition, schema)
    return "\n".join(lines)


def _table(name: str, definition: dict, schema: dict) -> list[str]:
    lines = [f"## {name}", "", definition.get("description", "").splitlines()[0] if "description" in definition else ""]
    lines += ["", "| key | type | default | meaning |", "|---|---|---|---|"]
    told = _attributes(definition.get("description", ""))
    for key, value in definition["properties"].items():
        default = value.get("default", "required" if key in definition.get("required", ()) else "")
        default = "see there" if isinstance(default, dict | list) and default else default
        meaning = value.get("description", told.get(key, "")).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| `{key}` | {_type(value, schema)} | `{default}` | {meaning} |")
    return [*lines, ""]


def _attributes(docstring: str) -> dict[str, str]:
    """What the Attributes section of a docstring says of each field."""
    return dict(re.findall(r"^ {4,}(\w+): (.+)$", docstring, flags=re.MULTILINE))


def _type(value: dict, schema: dict) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        target = schema["$defs"][name]
        return " or ".join(f"`{word}`" for word in target["enum"]) if "enum" in target else name
    if "anyOf" in value or "oneOf" in value:
        return " or ".join(_type(option, schema) for option in value.get("anyOf", value.get("oneOf")))
    if "enum" in value:
        return " or ".join(f"`{word}`" for word in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        inner = value.get("items") or (value.get("prefixItems") or [{}])[0]
        return f"list of {_type(inner, schema)}"
    return str(value.get("type", ""))


def metrics_page() -> str:
    """What `metrics.json` holds, as JSON Schema."""
    return json.dumps(metrics_schema(), indent=1)


PAGES = {
    "cli.md": cli_page,
    "python.md": python_page,
    "recipe.md": recipe_page,
    "metrics.schema.json": metrics_page,
    "metrics-classes.schema.json": lambda: json.dumps(task_schema(), indent=1),
    "classes.schema.json": lambda: json.dumps(classes_schema(), indent=1),
    "localisation.schema.json": lambda: json.dumps(localisation_schema(), indent=1),
}


def main() -> int:
    """Write the pages, or check them."""
    stale = []
    for name, page in PAGES.items():
        text = page().rstrip() + "\n"
        file = HERE / name
        if "--check" in sys.argv:
            if not file.is_file() or file.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            file.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}. Run: python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
