"""Files of calls, whatever wrote them: told apart by what is in them."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from hitl_opa.errors import ConfigError
from hitl_opa.model import ToolCall
from hitl_opa.replay.imports import claude_code, opa, otel
from hitl_opa.replay.recorded import Recorded, recorded

Item = Recorded | ToolCall
"""A decision that was recorded, or a call of which only the call itself is known."""


_LONGEST = 1 << 28  # bytes of a line, and of a file that is one value
_GZIP = b"\x1f\x8b"
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, msgspec.MsgspecError)


class Source(StrEnum):
    """What wrote a file."""

    RECORD = "record"  # hitl-opa audit export
    OPA = "opa"  # OPA's decision log
    OTEL = "otel"  # OpenTelemetry, OTLP as JSON
    CLAUDE = "claude"  # transcripts of Claude Code
    CALLS = "calls"  # {"tool": …, "input": …}, as hitl-opa decide --jsonl reads them


_WROTE = {
    Source.RECORD: "hitl-opa audit export",
    Source.OPA: "OPA's decision log",
    Source.OTEL: "OpenTelemetry",
    Source.CLAUDE: "Claude Code",
    Source.CALLS: "a list of tool calls",
}


def read(path: Path, source: Source | None = None) -> Iterator[Item]:
    """The calls in a file, or in every .jsonl (.jsonl.gz) below a directory. Raises ConfigError, naming file and line.

    What gzip packed is read as it is. Without ``source``, the first thing in it that some reader knows tells what
    wrote the file.
    """
    files = [path]
    if path.is_dir():  # a pipe in there would be waited for
        files = sorted(file for end in ("jsonl", "jsonl.gz") for file in path.rglob(f"*.{end}") if file.is_file())
    if not files:
        raise ConfigError(f"{path}: no .jsonl file below it")
    for file in files:
        yield from _file(file, source)


def _file(file: Path, source: Source | None) -> Iterator[Item]:
    reader: Callable[[dict[str, Any]], Iterator[Item]] | None = None
    wrote = ""
    for number, value in _values(file):
        if reader is None:
            found = source or _sniff(value)
            if found is None:
                continue
            reader, wrote = _reader(found), _WROTE[found]
        try:
            yield from reader(value)
        except _MALFORMED as error:
            raise ConfigError(
                f"{file}:{number}: nothing that {wrote} writes ({type(error).__name__}: {error})"
            ) from None
    if reader is None:
        raise ConfigError(
            f"{file}: nothing in it that is known: an export of the record, OPA's decision log, OTLP as JSON, "
            "a transcript of Claude Code, or tool calls"
        )


def _values(file: Path) -> Iterator[tuple[int, Any]]:
    """The JSON values in a file, a line each, or all of it one value; an array is its items."""
    try:
        with file.open("rb") as raw, _unpacked(raw) as opened:
            number = 0
            while line := opened.readline(_LONGEST + 1):
                number += 1
                if len(line) > _LONGEST:
                    raise ConfigError(f"{file}:{number}: longer than {_LONGEST >> 20} MB")
                text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if not text.strip() or text.startswith((b"//", b"#")):
                    continue
                try:
                    value = msgspec.json.decode(text)
                except (msgspec.MsgspecError, RecursionError) as error:
                    if number > 1:
                        raise ConfigError(f"{file}:{number}: not JSON: {error}") from None
                    value = _whole(file, text + opened.read(_LONGEST))
                yield from ((number, item) for item in (value if isinstance(value, list) else [value]))
    except (OSError, EOFError, zlib.error) as error:  # of gzip too
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from None


def _unpacked(file: BufferedReader) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file) if file.peek(2)[:2] == _GZIP else file)


def _whole(file: Path, text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ConfigError(f"{file}:1: neither JSON nor JSON lines: {error}") from None


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
    if "sessionId" in value or str(value.get("type")) in claude_code.TYPES:
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
