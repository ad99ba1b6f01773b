"""YAML as data for Rego: only what both OPA and the embedded engine read as the same JSON.

Parsed from libyaml's events, so nothing is constructed, nothing recurses, and every refusal has
its line and column. Refused: aliases and anchors, tags, duplicate and non-string keys, null,
several documents, and plain scalars that YAML readers disagree on (``yes``, ``0777``, ``1_000``,
``2024-01-01``, ``.nan`` …).
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from hitl_opa.errors import PolicyError

MAX_DEPTH = 32
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DISPUTED = re.compile(
    r"~|null|Null|NULL|"
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|True|TRUE|False|FALSE|"
    r"[-+]?0[0-9_]+|[-+]?0[xob][0-9a-fA-F_]+|"
    r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|"
    r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|"
    r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|"
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?|=|<<"
)


def load_yaml(text: str, file: str) -> Any:
    """The one document in ``text`` as JSON values; ``{}`` where it is empty. PolicyError says file:line:column."""
    frames: list[_Frame] = []
    root: list[Any] = []
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.AliasEvent):
                raise _refusal(file, event, "aliases are not supported: write the value out")
            if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
                raise _refusal(file, event, "anchors are not supported: write the value out")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if event.tag is not None:
                    raise _refusal(file, event, f"tag {event.tag} is not supported")
                if len(frames) >= MAX_DEPTH:
                    raise _refusal(file, event, f"nested more than {MAX_DEPTH} deep")
                frames.append(_Frame({} if isinstance(event, yaml.MappingStartEvent) else [], event))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                closed = frames.pop()
                _place(file, frames, root, closed.value, closed.event)
            elif isinstance(event, yaml.ScalarEvent):
                _place(file, frames, root, _scalar(file, event, frames), event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise PolicyError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}") from None
    return root[0] if root else {}


class _Frame:
    """A mapping or sequence being filled; ``key`` is the mapping's key that waits for its value."""

    def __init__(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        self.value = value
        self.event = event
        self.key: str | None = None


def _place(file: str, frames: list[_Frame], root: list[Any], value: Any, event: Any) -> None:
    if not frames:
        if root:
            raise _refusal(file, event, "more than one YAML document")
        root.append(value)
        return
    frame = frames[-1]
    if isinstance(frame.value, list):
        frame.value.append(value)
    elif frame.key is not None:
        frame.value[frame.key] = value
        frame.key = None
    elif not isinstance(value, str):
        raise _refusal(file, event, "keys must be strings: quote it")
    elif value in frame.value:
        raise _refusal(file, event, f"duplicate key {value!r}")
    else:
        frame.key = value


def _scalar(file: str, event: Any, frames: list[_Frame]) -> Any:
    text: str = event.value
    if event.tag is not None:
        raise _refusal(file, event, f"tag {event.tag} is not supported")
    if not event.implicit[0]:  # quoted or a block
        return text
    if text == "" and not frames:
        return {}  # a file of comments only
    if text in ("true", "false"):
        return text == "true"
    if match := _NUMBER.fullmatch(text):
        if match[2] or match[3]:
            return _float(file, event, text)
        if len(text.lstrip("-")) > 18:
            raise _refusal(file, event, f"{text} does not fit 64 bits: quote it")
        return int(text)
    if text == "" or _DISPUTED.fullmatch(text):
        shown = text or "an empty value"
        raise _refusal(file, event, f"{shown} means different things to different YAML readers: quote it")
    return text


def _float(file: str, event: Any, text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _refusal(file, event, f"{text} is out of range")
    return value


def _refusal(file: str, event: Any, what: str) -> PolicyError:
    mark = event.start_mark
    return PolicyError(f"{file}:{mark.line + 1}:{mark.column + 1}: {what}")
