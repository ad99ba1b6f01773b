"""The shipped policies on regorus' virtual machine: the same decision in a fraction of the interpreter's time.

The machine is not the interpreter. Undefined is a value to it, errors of built-ins are undefined, it has no `walk` and
no `with`, takes no built-ins of ours, and gives up after 25,000 instructions. So it only runs what ships with hitl-opa:
policies that were written for both and compared rule by rule (`tests/engines/test_compiled.py`). Users' rules stay on
the interpreter; what they answer goes in with the input. Whatever might come out differently is not answered here, and
the interpreter decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

CUSTOM = ("reasons", "obligations")
"""What the shipped policies read of `data.hitl.custom`."""

# In an answer these mean: undefined where a value belongs, a document to be refused (by what, is the interpreter's to
# say), and messages with a number of the caller's, which the machine spells in ways of its own.
_UNSURE = (
    "<undefined>",
    '"main.malformed-input"',
    '"mcp.amount"',
    '"confidence.',
    '"sequences.denials"',
    '"sequences.loop"',
    '"sequences.budget"',
    '"sequences.flood"',
)
_LARGE = re.compile(r"\d{15}|\d[eE]")  # numbers that may come back from JSON as others


class CompiledPolicy:
    """A machine with the policies loaded, of the thread that made it."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def evaluate(self, document: str, said: Mapping[str, str]) -> str | None:
        """The decision (JSON) on this input document (JSON), or None where the interpreter has to make it.

        ``said``: what users' rules answered to this document, a name of `CUSTOM` -> JSON. Raises what regorus raises.
        """
        if not plain(document) or any("<undefined>" in text or _LARGE.search(text) for text in said.values()):
            return None
        if said:  # after all other fields, so that no field of the document can stand for it
            custom = ",".join(f'"{name}":{text}' for name, text in said.items())
            document = f'{document.rstrip()[:-1]},"custom":{{{custom}}}}}'
        self._machine.set_input_json(document)
        answer: str = self._machine.execute()
        if not answer.startswith("{") or any(mark in answer for mark in _UNSURE):
            return None
        return answer


def bridge(names: tuple[str, ...]) -> str:
    """The module that stands for users' rules: `data.hitl.custom`, read from the input."""
    rules = "".join(f"{name} := input.custom.{name}\n\n" for name in names)
    return f"package hitl.custom\n\n{rules}"


def plain(text: str) -> bool:
    """True where lower and upper case are the same to Go, Rust and Python, whichever Unicode they know."""
    if "\\u" in text:
        return False
    return text.isascii() or all(map(_caseless, set(text)))


@lru_cache(maxsize=4096)
def _caseless(char: str) -> bool:
    return char.isascii() or (char.lower() == char and unicodedata.category(char) != "Cn")
