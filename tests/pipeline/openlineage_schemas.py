"""OpenLineage's published schemas: of a checkout, or from the classes that its client generates from them.

No package carries the schemas themselves. The client's classes have their properties, types and addresses; which of
their texts are ids, times and addresses the classes do not say, so that stands here.
"""

import enum
import importlib
import inspect
import json
import pkgutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attr
import openlineage.client.generated as generated
from referencing import Registry, Resource

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
FORMATS = {"runId": "uuid", "eventTime": "date-time"} | dict.fromkeys(
    ("producer", "schemaURL", "_producer", "_schemaURL"), "uri"
)


def of_checkout(spec: Path) -> Registry:
    """The schemas of the folder `spec` of github.com/OpenLineage/OpenLineage, by their addresses."""
    return _registry(json.loads(path.read_text()) for path in (spec / "OpenLineage.json", *spec.glob("facets/*.json")))


def of_client() -> Registry:
    """The schemas that the client's classes were generated from, as far as the classes tell them."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{m.name}") for m in pkgutil.iter_modules(generated.__path__)
    ]
    documents: dict[str, dict[str, Any]] = {}
    for module in modules:
        for one in vars(module).values():
            if inspect.isclass(one) and one.__module__ == module.__name__ and hasattr(one, "_get_schema"):
                address, _, name = one._get_schema().partition("#/$defs/")
                document = documents.setdefault(address, {"$schema": DIALECT, "$id": address, "$defs": {}})
                document["$defs"][name] = _definition(one, vars(module))
    return _registry(documents.values())


def _registry(schemas: typing.Iterable[dict[str, Any]]) -> Registry:
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


def _definition(one: type, names: dict[str, Any]) -> dict[str, Any]:
    """A class as a schema: what may not be None is required."""
    fields = list(_fields(one, names))
    return {
        "type": "object",
        "properties": {name: _schema(hint) | _format(name) for name, hint in fields},
        "required": [name for name, hint in fields if type(None) not in typing.get_args(hint)],
    }


def _fields(one: type, names: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for field in attr.fields(one):
        yield field.name, eval(field.type, names) if isinstance(field.type, str) else field.type


def _format(name: str) -> dict[str, str]:
    return {"format": FORMATS[name]} if name in FORMATS else {}


def _schema(hint: Any) -> dict[str, Any]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(part) for part in parts if part is not type(None)]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1])}
    if origin is list:
        return {"type": "array", "items": _schema(parts[0])}
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    return {"$ref": hint._get_schema()} if hasattr(hint, "_get_schema") else {}
