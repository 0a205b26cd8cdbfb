"""Presets: named settings for a model, laid over params.yaml without touching any other line of it.

A preset is a file in `presets/`: an `about` section (parameters, purpose), then sections of params.yaml with the keys
that it changes. Where each value stands is read from ruamel's parse of both files, and the new value's own text takes
the old one's place. (A full round trip would rewrite quotes, indentation and long lines that a participant chose.)
"""

import difflib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode

from pipeline.errors import InputError
from pipeline.params.reading import Params, parse_params, read_yaml
from pipeline.params.section import Section

if TYPE_CHECKING:
    from rich.table import Table

ABOUT = ("parameters", "purpose")


@dataclass(frozen=True)
class Preset:
    """A preset's text and what it says about itself; `values` are its sections, `about` left out."""

    name: str
    text: str
    parameters: str
    purpose: str
    values: dict[str, Any]

    @property
    def model(self) -> str:
        """The model that it names, or that it takes whatever there is."""
        return str(self.values.get("model", {}).get("name", "any"))


@dataclass(frozen=True)
class Change:
    """A key of params.yaml with its old and its new value."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True)
class _Span:
    """A value's place in a YAML text, from behind its key's colon on, and the column of its key."""

    start: int
    end: int
    column: int
    is_block: bool


def parse_preset(name: str, text: str) -> Preset:
    """Reads a preset.

    Raises:
        InputError: if it is not YAML, says nothing about itself, or has something else than sections in it.
    """
    values = read_yaml(text, f"preset {name}")
    # a key that stands outside of every section is `task`
    if not isinstance(values, dict) or not all(
        isinstance(part, dict) for name, part in values.items() if name != "task"
    ):
        raise InputError(f"preset {name}: is not a mapping of sections")
    about = values.pop("about", {})
    if mistakes := [f"preset {name}: about.{key}: is missing" for key in ABOUT if key not in about]:
        raise InputError(mistakes)
    return Preset(name, text, *(str(about[key]) for key in ABOUT), values)


def find_preset(name: str, names: Sequence[str]) -> str:
    """`name`, if there is such a preset; else InputError with the list."""
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(f"no preset {name!r}{hint}; presets: {', '.join(names) or 'none in presets/'}")


def apply_preset(text: str, preset: Preset, source: str = "params.yaml") -> tuple[str, list[Change]]:
    """The text of a params file with a preset's values in it, and what changed.

    Every byte outside a changed value stays. A mapping that is a value, such as decode.grid, is replaced whole; a
    section is merged key by key.

    Args:
        text: of a valid params file.
        source: its name, for messages.

    Raises:
        InputError: if `text` is not valid as it is, if the preset names an unknown key, or if the result is not valid.
    """
    parse_params(text, source)
    values = YAML(typ="safe", pure=True).load(text)
    places, sources = _find_spans(text), _find_spans(preset.text)
    wanted = dict(_find_leaves(preset.values, Params))
    if unknown := [key for key in wanted if key not in places]:
        raise InputError([f"preset {preset.name}: {key}: not a key of {source}" for key in unknown])
    # by their text, for 1 and 1.0 and True are equal to Python and not to the schema
    changes = [Change(k, old, new) for k, new in wanted.items() if repr(old := _get(values, k)) != repr(new)]
    changed = text
    for key in sorted((change.key for change in changes), key=lambda k: -places[k].start):
        place = places[key]
        rendered = _render(preset.text, sources[key], place.column)
        changed = changed[: place.start] + rendered + changed[place.end :]
    for change in changes:
        _set(values, change.key, change.new)
    _check_result(changed, values, f"preset {preset.name} on {source}")
    return changed, changes


def _check_result(text: str, expected: dict[str, Any], source: str) -> None:
    """Raises InputError unless the text is a valid params file with these values."""
    parse_params(text, source)
    if repr(YAML(typ="safe", pure=True).load(text)) != repr(expected):
        raise InputError(f"{source}: uses YAML that a preset cannot be laid over (anchors, tags or complex keys)")


def _find_leaves(values: dict[str, Any], section: type[Section], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; a key is descended into only where the schema has a section."""
    for name, value in values.items():
        field = section.model_fields.get(name)
        kind = field.annotation if field else None
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Section):
            yield from _find_leaves(value, kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _find_spans(text: str) -> dict[str, _Span]:
    """Where the value of every dotted key stands, in characters of `text`."""

    def walk(node: MappingNode, path: str) -> Iterator[tuple[str, _Span]]:
        for key, value in node.value:
            name = f"{path}{key.value}"
            start = text.index(":", key.end_mark.index) + 1
            is_block = isinstance(value, MappingNode) and not value.flow_style
            end = _find_end(value)
            if is_block:
                # a comment behind the last value belongs to the block that goes
                end = len(text) if (line_end := text.find("\n", end)) < 0 else line_end
            # an empty value is parsed as standing behind the comments that follow it, a folded one ends in line breaks
            is_empty = value.start_mark.index == value.end_mark.index
            end = start if is_empty else start + len(text[start:end].rstrip())
            yield name, _Span(start, end, key.start_mark.column, is_block)
            if isinstance(value, MappingNode):
                yield from walk(value, f"{name}.")

    return dict(walk(YAML().compose(io.StringIO(text)), ""))


def _find_end(node: Any) -> int:
    """Where a value's own text ends; a block collection's mark stands behind the comments that follow it."""
    if isinstance(node.value, str) or node.flow_style or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return max(_find_end(part) for part in last) if isinstance(last, tuple) else _find_end(last)


def _render(text: str, span: _Span, column: int) -> str:
    """A value as the preset's text writes it, to stand behind a colon whose key stands at `column`."""
    value = text[span.start : span.end]
    if not span.is_block:
        return f" {value.strip()}".rstrip()
    lines = value.strip("\n").splitlines()
    shift = column - span.column
    return "".join(f"\n{' ' * shift}{line}" if shift >= 0 else f"\n{line[-shift:]}" for line in lines)


def _get(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values[name]
    return values


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for name in sections:
        values = values[name]
    values[last] = value


def render_presets(presets: Sequence[Preset]) -> "Table":
    """A table of presets: name, model, parameters, what it is for."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("preset", "model", "parameters", "for"):
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    for preset in presets:
        table.add_row(preset.name, preset.model, preset.parameters, preset.purpose)
    return table


def describe_change(change: Change) -> str:
    """One line for a changed key: its old and its new value."""
    return f"{change.key}: {_describe(change.old)} -> {_describe(change.new)}"


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_describe(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_describe, value)) + "]"
    # as YAML writes null, true and text
    return json.dumps(value, ensure_ascii=False)
