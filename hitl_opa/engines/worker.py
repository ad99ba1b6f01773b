"""The process that `hitl_opa.engines.process` supervises: one embedded engine, one question at a time.

Frames on standard input and output: four bytes of length, then the content. The first frame in is
``{"modules": {…}, "data": "…", "entrypoint": "…", "compiled": […]}``, every other one a `question`. A frame out
is one byte that says what it is (`ANSWERS`), then a decision or the words of an error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

from hitl_opa.errors import EngineError, PolicyError, Undefined

OK, UNDEFINED, ERROR, POLICY = b"+", b"?", b"!", b"P"
MAX_FRAME = 256 * 1024 * 1024


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, None at the end of the stream or where it is cut off or absurd."""
    head = stream.read(4)
    length = int.from_bytes(head, "big")
    if len(head) < 4 or length > MAX_FRAME:
        return None
    content = stream.read(length)
    return content if len(content) == length else None


def write_frame(stream: BinaryIO, content: bytes) -> None:
    stream.write(len(content).to_bytes(4, "big") + content)
    stream.flush()


def question(document: bytes, entrypoint: str) -> bytes:
    """The frame that asks for ``entrypoint`` on ``document``: its length in two bytes, then both."""
    name = entrypoint.encode()
    return len(name).to_bytes(2, "big") + name + document


def main() -> None:
    # The protocol keeps its pipe to itself: whatever prints, prints to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    start = read_frame(questions)
    if start is None:
        return
    from hitl_opa.engines.embedded import EmbeddedEngine

    asked = json.loads(start)
    try:
        engine = EmbeddedEngine(
            asked["modules"],
            asked["data"].encode(),
            entrypoint=asked["entrypoint"],
            compiled=frozenset(asked["compiled"]),
        )
    except PolicyError as error:
        write_frame(answers, POLICY + str(error).encode())
        return
    write_frame(answers, OK)
    while (asking := read_frame(questions)) is not None:
        end = 2 + int.from_bytes(asking[:2], "big")
        try:
            answer = OK + engine.evaluate_sync(asking[end:], asking[2:end].decode())
        except Undefined as error:
            answer = UNDEFINED + str(error).encode()
        except EngineError as error:
            answer = ERROR + str(error).encode()
        write_frame(answers, answer)
