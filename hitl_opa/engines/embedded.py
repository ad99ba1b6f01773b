"""Rego in this process: regorus, behind an adapter that never trusts it.

What regorus does that the rest of the system must not notice:

* an engine belongs to the thread that made it, so each thread gets its own, on first use;
* it holds the GIL for the whole evaluation, so a thread hop would buy an async caller nothing:
  `EmbeddedEngine.evaluate` runs right on the caller's thread;
* Python values crash it (a lone surrogate is a segmentation fault), JSON text does not;
* it panics, and a panic is a BaseException; after one the engine is thrown away;
* undefined is the text ``"<undefined>"``;
* a policy added twice stays twice, so a reload is a new engine.

It cannot be interrupted: a deadline has to be kept from outside (`hitl_opa.engines.process`).
"""

from __future__ import annotations

import asyncio
import re
import threading
import weakref
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.engines import ENTRYPOINT, builtins
from hitl_opa.errors import EngineError, EngineUnavailable, PolicyError, Undefined

if TYPE_CHECKING:
    from collections.abc import Mapping

_PASS_ON = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)
_WHERE = re.compile(r"^\s*--> (?P<where>.+:\d+:\d+)$", re.MULTILINE)
_ERROR = re.compile(r"^error: (?P<what>.*)$", re.MULTILINE)


class _Threads(threading.local):
    """This thread's engines. They may only be dropped by the thread that made them, so an owner
    that goes away leaves its entry here until this thread makes its next one or ends."""

    def __init__(self) -> None:
        self.engines: dict[int, tuple[weakref.ref[EmbeddedEngine], Any]] = {}


_THREADS = _Threads()


class EmbeddedEngine:
    """A policy loaded into this process; see `hitl_opa.engines.open_embedded`. Safe to share between threads."""

    def __init__(
        self, modules: Mapping[str, str], data: bytes = b"{}", *, revision: str = "", entrypoint: str = ENTRYPOINT
    ) -> None:
        self._modules = dict(modules)
        self._data = data
        self._revision = revision
        self._entrypoint = entrypoint
        self._closed = False
        self._mine()  # what does not load should say so now, and the first decision be a fast one

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        """Input document (JSON) in, decision document (a JSON object) out.

        Raises Undefined, EngineUnavailable once closed, EngineError for everything else.
        """
        if self._closed:
            raise EngineUnavailable("the embedded engine is closed")
        asked = entrypoint or self._entrypoint
        engine = self._mine()
        try:
            engine.set_input_json(document.decode())
            answer: str = engine.eval_rule_as_json(asked)
        except _PASS_ON:
            raise
        except BaseException as error:  # noqa: BLE001 - PanicException is no Exception
            _THREADS.engines.pop(id(self), None)
            raise EngineError(f"embedded engine: {explain(error)}") from None
        if answer.startswith("{"):
            return answer.encode()
        if answer == '"<undefined>"':
            raise Undefined(f"{asked} is undefined for this input")
        raise EngineError(f"{asked} is not an object: {answer[:80]}")

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        """As `evaluate_sync`, on the calling thread: regorus would hold the GIL on any other just as long."""
        return self.evaluate_sync(document, entrypoint)

    def describe(self) -> dict[str, str]:
        from importlib.metadata import version

        return {"engine": "embedded", "version": f"regorus {version('gordon-to-regorus')}", "revision": self._revision}

    async def close(self) -> None:
        self.close_sync()

    def close_sync(self) -> None:
        """No evaluation starts after this. What other threads loaded goes when they next load or end."""
        self._closed = True
        _THREADS.engines.pop(id(self), None)

    def _mine(self) -> Any:
        held = _THREADS.engines.get(id(self))
        if held is not None and held[0]() is self:
            return held[1]
        for key, (owner, _) in list(_THREADS.engines.items()):
            living = owner()
            if living is None or living._closed:
                del _THREADS.engines[key]
        engine = load(self._modules, self._data)
        _THREADS.engines[id(self)] = (weakref.ref(self), engine)
        return engine


def load(modules: Mapping[str, str], data: bytes) -> Any:
    """A regorus engine of this thread with OPA's built-ins, these modules and this data, or PolicyError."""
    import regorus

    engine = regorus.Engine()
    for name, (arity, function) in builtins.OVERRIDES.items():
        engine.add_extension(name, arity, function)
    path = "data"
    try:
        for path, source in modules.items():
            engine.add_policy(path, source)
        path = "data"
        engine.add_data_json(data.decode())
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        text = explain(error)
        raise PolicyError(text if path in text else f"{path}: {text}") from None
    return engine


def syntax_tree(file: str, source: str) -> Any:
    """regorus' syntax tree of one module. Raises whatever regorus raises, and may crash: call it in a process apart."""
    import regorus

    engine = regorus.Engine()
    engine.add_policy(file, source)
    return msgspec.json.decode(engine.get_ast_as_json())[0]["ast"]


def evaluate_rule(engine: Any, path: str) -> Any:
    """The value of one rule (``data.a.test_x``) without input, ``"<undefined>"`` where it has none; or PolicyError."""
    try:
        engine.set_input_json("{}")
        return msgspec.json.decode(engine.eval_rule_as_json(path))
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        raise PolicyError(explain(error)) from None


def explain(error: BaseException) -> str:
    """One line of a regorus error, ``file:line:column: what``, without its source excerpt and native backtrace."""
    text = str(error).partition("\n\nStack backtrace:")[0].strip()
    where, what = _WHERE.search(text), _ERROR.search(text)
    if where and what:
        return f"{where['where']}: {what['what']}"
    return text.splitlines()[0] if text else type(error).__name__
