"""Files of calls, whatever wrote them: told apart by what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from hitl_opa.errors import ConfigError
from hitl_opa.model import ToolCall
from hitl_opa.replay.imports import claude_code, opa, otel
from hitl_opa.replay.recorded import Recorded, recorded

Item = Recorded | ToolCall
"""A decision that was recorded, or a call of which only the call itself is known."""


_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, RecursionError, msgspec.MsgspecError)


class Source(StrEnum):
    """What wrote a file."""

    RECORD = "record"  # hitl-opa audit export
    OPA = "opa"  # OPA's decision log
    OTEL = "otel"  # OpenTelemetry, OTLP as JSON
    CLAUDE = "claude"  # transcripts of Claude Code
    CALLS = "calls"  # {"tool": …, "input": …}, as hitl-opa decide --jsonl reads them


def read(path: Path, source: Source | None = None) -> Iterator[Item]:
    """The calls in a file, or in every .jsonl below a directory. Raises ConfigError, naming file and line.

    Without ``source``, the first thing in it that some reader knows tells what wrote the file.
    """
    files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: no .jsonl file below it")
    for file in files:
        yield from _file(file, source)


def _file(file: Path, source: Source | None) -> Iterator[Item]:
    reader: Callable[[dict[str, Any]], Iterator[Item]] | None = None
    for number, value in _values(file):
        if reader is None:
            found = source or _sniff(value)
            if found is None:
                continue
            reader = _reader(found)
        try:
            yield from reader(value)
        except _MALFORMED as error:
            raise ConfigError(f"{file}:{number}: {type(error).__name__}: {error}") from None
    if reader is None:
        raise ConfigError(
            f"{file}: nothing in it that is known: an export of the record, OPA's decision log, OTLP as JSON, "
            "a transcript of Claude Code, or tool calls"
        )


def _values(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects in a file, a line each, or all of it one value."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip() or line.startswith((b"//", b"#")):
                    continue
                try:
                    value = msgspec.json.decode(line)
                except (msgspec.MsgspecError, RecursionError) as error:
                    if number == 1:
                        yield from _whole(file)
                        return
                    raise ConfigError(f"{file}:{number}: not JSON: {error}") from None
                yield from ((number, item) for item in (value if isinstance(value, list) else [value]))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from None


def _whole(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        value = msgspec.json.decode(file.read_bytes())
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError(f"{file}: neither JSON nor JSON lines: {error}") from None
    yield from ((1, item) for item in (value if isinstance(value, list) else [value]))


def _sniff(value: Any) -> Source | None:
    if not isinstance(value, dict):
        return None
    if "checkpoint" in value or "leaf" in value:
        return Source.RECORD
    if "resourceLogs" in value or "resourceSpans" in value:
        return Source.OTEL
    if "decision_id" in value or ("path" in value and "result" in value):
        return Source.OPA
    if "tool" in value:
        return Source.CALLS
    if "sessionId" in value or value.get("type") in claude_code.TYPES:
        return Source.CLAUDE
    return None


def _reader(source: Source) -> Callable[[dict[str, Any]], Iterator[Item]]:
    match source:
        case Source.RECORD:
            return _record
        case Source.OPA:
            return opa.decisions
        case Source.OTEL:
            return otel.calls
        case Source.CLAUDE:
            return claude_code.Transcript().calls
        case Source.CALLS:
            return _call


def _record(value: dict[str, Any]) -> Iterator[Item]:
    if "leaf" in value and (found := recorded(value["leaf"], value.get("payload"))):
        yield found


def _call(value: dict[str, Any]) -> Iterator[Item]:
    yield msgspec.convert(value, ToolCall)
