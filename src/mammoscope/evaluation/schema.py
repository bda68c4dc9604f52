"""What `metrics.json` holds, as JSON Schema: derived from the values themselves, so that the two cannot part."""

import json
import re
from typing import Any

from pydantic import TypeAdapter

from mammoscope.evaluation.class_values import ClassEvaluation
from mammoscope.evaluation.localisation import Localisation
from mammoscope.evaluation.members import Members
from mammoscope.evaluation.subgroup_values import Subgroups
from mammoscope.evaluation.task_values import TaskEvaluation
from mammoscope.evaluation.values import SCHEMA_VERSION, Evaluation

IDENTIFIER = "https://json-schema.org/draft/2020-12/schema"


def metrics_schema() -> dict[str, Any]:
    """JSON Schema of `metrics.json`, as written by `evaluate`, `run` and `write_evaluation`.

    A run adds `subgroups`, `tasks` and `members` where it has them, and `sealed` where its test set is sealed. No other
    key is allowed anywhere, so a reader of the schema knows every key there is.

    Returns:
        A schema of draft 2020-12; `docs/reference/metrics.schema.json` is its copy.

    Source:
        JSON Schema, draft 2020-12.

    Example:
        >>> sorted(metrics_schema()["$defs"])[:3]
        ['Aggregation', 'Baseline', 'BaselineUnit']
    """
    return _of_run(Evaluation, title="metrics.json of mammoscope", subgroups=Subgroups)


def task_schema() -> dict[str, Any]:
    """JSON Schema of the `metrics.json` of a run whose main task has several classes; its `kind` is `classes`.

    Returns:
        A schema of draft 2020-12; `docs/reference/metrics-classes.schema.json` is its copy.

    Source:
        JSON Schema, draft 2020-12.

    Example:
        >>> task_schema()["properties"]["kind"]["const"]
        'classes'
    """
    return _of_run(TaskEvaluation, title="metrics.json of mammoscope, several classes", subgroups=Subgroups)


def _of_run(kind: type[Evaluation | TaskEvaluation], *, title: str, **more: type) -> dict[str, Any]:
    """The schema of a value with what a run writes beside its keys."""
    schema = _schema(kind)
    definitions = schema.pop("$defs")
    beside: dict[str, Any] = {}
    for name, added in {**more, "members": Members}.items():
        found = _schema(added)
        definitions |= {**found.pop("$defs", {}), added.__name__: found}
        beside[name] = {"$ref": f"#/$defs/{added.__name__}"}
    properties = {
        "schema": {"const": SCHEMA_VERSION, "description": "version of this schema"},
        **schema["properties"],
        **beside,
        "tasks": {
            "type": "object",
            "additionalProperties": {"type": "object"},
            "description": "other tasks of the run: what this file would hold, were each the main one; or a reason",
        },
        "sealed": {"type": "array", "items": {"type": "object"}, "description": "ledgers of sealed test sets"},
    }
    whole = {
        **_closed({**schema, "properties": properties}),
        "title": title,
        "required": ["schema", *schema["properties"]],
    }
    closed = {name: _closed(definition) for name, definition in definitions.items()}
    return {"$schema": IDENTIFIER, **whole, "$defs": dict(sorted(closed.items()))}


def _schema(kind: type) -> dict[str, Any]:
    """A generic value is called by its plain name: a file holds one kind of it."""
    found = TypeAdapter(kind).json_schema(mode="serialization", ref_template="#/$defs/{model}")
    plain: dict[str, Any] = json.loads(re.sub(r'\b(Baseline|CalibrationResult)_\w+_"', r'\1"', json.dumps(found)))
    return plain


def classes_schema() -> dict[str, Any]:
    """JSON Schema of `classes.json`, as `mammoscope evaluate --classes` and `write_class_evaluation` write it.

    Returns:
        A schema of draft 2020-12; `docs/reference/classes.schema.json` is its copy.

    Source:
        JSON Schema, draft 2020-12.

    Example:
        >>> classes_schema()["title"]
        'classes.json of mammoscope'
    """
    return _of(ClassEvaluation, title="classes.json of mammoscope")


def localisation_schema() -> dict[str, Any]:
    """JSON Schema of `localisation.json`, as `mammoscope evaluate --lesions` writes it.

    Returns:
        A schema of draft 2020-12; `docs/reference/localisation.schema.json` is its copy.

    Source:
        JSON Schema, draft 2020-12.

    Example:
        >>> localisation_schema()["title"]
        'localisation.json of mammoscope'
    """
    return _of(Localisation, title="localisation.json of mammoscope")


def _of(kind: type[ClassEvaluation | Localisation], *, title: str) -> dict[str, Any]:
    schema = _schema(kind)
    definitions = {name: _closed(definition) for name, definition in schema.pop("$defs", {}).items()}
    return {"$schema": IDENTIFIER, **_closed(schema), "title": title, "$defs": dict(sorted(definitions.items()))}


def _closed(definition: dict[str, Any]) -> dict[str, Any]:
    """Every key of an object is written, and no other; what each means comes from its docstring."""
    if "properties" not in definition:
        return definition
    about, told = _told(definition.get("description", ""))
    properties = {
        name: {**found, "description": told[name]} if name in told else found
        for name, found in definition["properties"].items()
    }
    return {
        **definition,
        "description": about,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _told(docstring: str) -> tuple[str, dict[str, str]]:
    """First line of a docstring, and what its Attributes say."""
    attributes = docstring.partition("Attributes:\n")[2].partition("\n\n")[0]
    joined = re.sub(r"\n {8,}", " ", attributes)
    return docstring.partition("\n")[0], dict(re.findall(r"^ {4}(\w+): (.+)$", joined, flags=re.MULTILINE))
