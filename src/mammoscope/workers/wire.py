"""Values as bytes and back, between a process and its worker: data only, and nothing is unpickled.

A worker opens files from outside, and a hole in a decoder may put such a file in charge of it. What comes back is
therefore a JSON tree beside raw buffers. It can name classes of data (dataclasses, enums, exceptions, pydantic models)
that are already imported here, and nothing else; functions go to a worker, never back.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from importlib import import_module
from pathlib import Path, PurePath
from types import FunctionType
from typing import IO, Any

import numpy as np
from pydantic import BaseModel

HEAD_BYTES = 8
ALIGNED = 16  # bytes; where an array may start
KINDS = "biufcSUMm"  # of numpy: everything but objects
SCALARS = frozenset({type(None), bool, int, float, str})
SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}

BROKEN = (
    *(EOFError, AttributeError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError, RecursionError),
)
"""What reading a broken message raises."""

Find = Callable[[str], Any]


def send(stream: IO[bytes], value: object) -> None:
    """Write one value.

    Raises:
        TypeError: It is not data.
        OSError: The other side is gone.
    """
    buffers: list[memoryview] = []
    head = json.dumps(_tree(value, buffers), separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGNED)
    parts = [len(head).to_bytes(ALIGNED, "big"), head]
    for buffer in buffers:
        parts += [buffer, bytes(-buffer.nbytes % ALIGNED)]  # type: ignore[list-item]
    stream.write(sum(map(_size, parts)).to_bytes(HEAD_BYTES, "big"))
    stream.writelines(parts)
    stream.flush()


def receive(stream: IO[bytes], *, most_bytes: int, find: Find | None = None) -> Any:
    """Wait for one value.

    Args:
        stream: Where from.
        most_bytes: A longer message is refused unread.
        find: Finds a class by its name; `loaded` if None. Only what comes from the parent may be `imported`.

    Raises:
        EOFError: The other side is gone, or sends what is no message; other errors of `BROKEN` where it is damaged.
    """
    head = stream.read(HEAD_BYTES)
    length = int.from_bytes(head, "big")
    if len(head) < HEAD_BYTES or not ALIGNED <= length <= most_bytes:
        raise EOFError
    message = memoryview(bytearray(length))
    filled = 0
    while filled < length:
        count = stream.readinto(message[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        filled += count
    end = ALIGNED + int.from_bytes(message[:ALIGNED], "big")
    return _Reader(message[end:], find or loaded).value(json.loads(bytes(message[ALIGNED:end])))


def loaded(name: str) -> Any:
    """Find `module:name` in a module that is already imported."""
    module, _, inside = name.partition(":")
    return getattr(sys.modules[module], inside)


def imported(name: str) -> Any:
    """Find `module:name`, and import the module if need be."""
    module, _, inside = name.partition(":")
    return getattr(import_module(module), inside)


def _size(part: "bytes | memoryview") -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)


def _name(thing: Any) -> str:
    name = f"{thing.__module__}:{thing.__qualname__}"
    if getattr(sys.modules.get(thing.__module__), thing.__qualname__, None) is not thing:
        raise TypeError(f"{name} cannot be sent to a worker process: it is not at the top of its module")
    return name


def _tree(value: Any, buffers: list[memoryview]) -> Any:  # noqa: C901, PLR0911 one line a kind
    """Scalars as they are, everything else as a list that begins with what it is."""
    if type(value) in SCALARS:
        return value
    if type(value).__name__ in SEQUENCES and type(value) is SEQUENCES[type(value).__name__]:
        return [type(value).__name__, *(_tree(item, buffers) for item in value)]
    if isinstance(value, np.ndarray | np.generic | bytes):
        return _array(value, buffers)
    match value:
        case dict():
            return ["dict", *([_tree(key, buffers), _tree(item, buffers)] for key, item in value.items())]
        case Enum():
            return ["enum", _name(type(value)), _tree(value.value, buffers)]
        case PurePath():
            return ["path", str(value)]
        case BaseModel():
            return ["model", _name(type(value)), value.model_dump_json()]
        case Exception():
            return ["error", _name(type(value)), _tree(value.args, buffers), _tree(vars(value), buffers)]
        case FunctionType():
            return ["function", _name(value)]
        case partial():
            return ["partial", *(_tree(part, buffers) for part in (value.func, value.args, value.keywords))]
    if is_dataclass(value) and not isinstance(value, type):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        return ["data", _name(type(value)), _tree(held, buffers)]
    raise TypeError(f"a value of type {type(value).__name__} is not data, and cannot be sent to or from a worker")


def _array(value: Any, buffers: list[memoryview]) -> list[Any]:
    if isinstance(value, bytes):
        buffers.append(memoryview(value))
        return ["bytes", len(value)]
    array = np.asarray(value)
    if array.dtype.kind not in KINDS:
        raise TypeError(f"an array of {array.dtype} is not data, and cannot be sent to or from a worker")
    plain = np.ascontiguousarray(array)
    buffers.append(plain.view(np.uint8).reshape(-1).data if plain.size else memoryview(b""))
    return ["array" if isinstance(value, np.ndarray) else "number", array.dtype.str, *array.shape]


class _Reader:
    """Takes a tree apart; the buffers come in its order."""

    def __init__(self, buffers: memoryview, find: Find) -> None:
        self._buffers = buffers
        self._find = find

    def value(self, tree: Any) -> Any:  # noqa: C901, PLR0911 one line a kind
        if not isinstance(tree, list):
            return tree
        kind, *rest = tree
        match kind:
            case "dict":
                return {self.value(key): self.value(item) for key, item in rest}
            case "array" | "number":
                found = self._array(*rest)
                return found if kind == "array" else found[()]
            case "bytes":
                return bytes(self._taken(*rest))
            case "path":
                return Path(*rest)
            case "enum":
                return self._class(rest[0], Enum)(self.value(rest[1]))
            case "model":
                return self._class(rest[0], BaseModel).model_validate_json(rest[1])
            case "error":
                return self._error(*rest)
            case "data":
                return self._data(*rest)
            case "function" | "partial":
                return self._function(kind, rest)
        return SEQUENCES[kind](self.value(item) for item in rest)

    def _taken(self, size: int) -> memoryview:
        if not 0 <= size <= len(self._buffers):
            raise ValueError("a buffer is missing")
        taken, self._buffers = self._buffers[:size], self._buffers[size + -size % ALIGNED :]
        return taken

    def _array(self, kind: str, *shape: int) -> np.ndarray:
        dtype = np.dtype(kind)
        size = dtype.itemsize
        for length in shape:
            size *= length
        if dtype.kind not in KINDS or any(length < 0 for length in shape):
            raise ValueError("not an array of data")
        return np.frombuffer(self._taken(size), dtype=dtype).reshape(shape)

    def _class(self, name: str, base: type) -> Any:
        found = self._find(name)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise TypeError(f"{name} is not data")
        return found

    def _error(self, name: str, args: Any, held: Any) -> Exception:
        kind = self._class(name, Exception)
        error: Exception = kind.__new__(kind, *self.value(args))
        vars(error).update(self.value(held))
        return error

    def _data(self, name: str, held: Any) -> Any:
        kind: type = self._class(name, object)
        if not is_dataclass(kind):
            raise TypeError(f"{name} is not data")
        value: Any = object.__new__(kind)
        given = self.value(held)
        for field in fields(kind):
            object.__setattr__(value, field.name, given[field.name])
        return value

    def _function(self, kind: str, rest: list[Any]) -> Any:
        if self._find is loaded:
            raise TypeError("a function is not data")
        if kind == "function":
            return self._find(rest[0])
        function, args, keywords = (self.value(part) for part in rest)
        return partial(function, *args, **keywords)
