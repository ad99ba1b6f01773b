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

Policies that were proved alike there run on its virtual machine (`hitl_opa.engines.compiled`); the interpreter has the
last word wherever the machine has none, and every so often anyway.
"""

from __future__ import annotations

import re
import threading
import weakref
from typing import TYPE_CHECKING, Any

import msgspec

from hitl_opa.engines import ENTRYPOINT, builtins
from hitl_opa.engines.compiled import CUSTOM, CompiledPolicy, bridge
from hitl_opa.errors import EngineError, EngineUnavailable, PolicyError, Undefined

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "regorus 0.13.0"  # looking it up costs a first decision as much as ten more decisions
CHECKED = 256  # one in so many compiled decisions is made by the interpreter too
_PASS_ON = (KeyboardInterrupt, SystemExit, GeneratorExit)
_WHERE = re.compile(r"^\s*--> (?P<where>.+:\d+:\d+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_ERROR = re.compile(r"^error: (?P<what>.*)$", re.MULTILINE)


class _Mine:
    """What one thread has of an engine, each part loaded when it is first needed."""

    def __init__(self, modules: Mapping[str, str], data: bytes, shipped: frozenset[str]) -> None:
        self._modules = modules
        self._data = data
        self._shipped = shipped
        self._interpreter: Any = None
        self.compiled: CompiledPolicy | None = None
        self.custom: tuple[str, ...] = ()
        self.decisions = 0
        if shipped:
            self._compile()
        if self.compiled is None:
            self._interpreter = load(modules, data)

    @property
    def interpreter(self) -> Any:
        if self._interpreter is None:
            self._interpreter = load(self._modules, self._data)
        return self._interpreter

    def asked(self, rule: str, document: str) -> str:
        """What the interpreter answers of a rule to this document (JSON). Raises what regorus raises."""
        self.interpreter.set_input_json(document)
        answer: str = self.interpreter.eval_rule_as_json(rule)
        return answer

    def drop(self) -> None:
        """Lets go of what only this thread may drop; a kept error's frames may hold this object for longer."""
        self._interpreter = self.compiled = None

    def said(self, document: str) -> dict[str, str]:
        """What users' rules answer to this document (JSON), a name of `CUSTOM` -> JSON."""
        answers: dict[str, str] = {}
        if self.custom:
            self.interpreter.set_input_json(document)
        for name in self.custom:
            try:
                answers[name] = self.interpreter.eval_rule_as_json(f"data.hitl.custom.{name}")
            except RuntimeError as error:
                if "not a valid rule path" not in str(error):
                    raise
                self.custom = tuple(other for other in self.custom if other != name)  # mentioned, and no rule
        return answers

    def _compile(self) -> None:
        """The shipped policies, and users' rules through a bridge; nothing where that cannot be."""
        shipped = {path: source for path, source in self._modules.items() if path in self._shipped}
        users = [source for path, source in self._modules.items() if path not in self._shipped]
        if users:
            heard = self._heard(users)
            if heard is None:
                return
            self.custom = heard
        self.compiled = compiled_policy({**shipped, "hitl/custom.rego": bridge(self.custom)}, self._data)

    def _heard(self, users: list[str]) -> tuple[str, ...] | None:
        """Which names of `CUSTOM` users' rules may define; None where these rules cannot be asked for by their names,
        or reach into the shipped packages. Nothing is evaluated: a rule need not come to an end."""
        packages = [name for name in self.interpreter.get_packages() if f"{name}.".startswith("data.hitl.")]
        own = [name for name in packages if f"{name}.".startswith("data.hitl.custom.")]
        if len(packages) - len(own) != sum(path in self._shipped for path in self._modules):
            return None
        code = [_COMMENT.sub("", source) for source in users]
        names = tuple(name for name in CUSTOM if any(name in source for source in code))
        parted = (re.search(rf"\b{name}\s*[.\[(]", source) for name in names for source in code)  # reasons.x := …
        return None if any(parted) else names


class _Engines(dict[int, tuple[weakref.ref["EmbeddedEngine"], _Mine]]):
    """The engines of one thread by the id of their owner, dropped with it."""

    def forget(self, owner: int) -> None:
        if owner in self:
            self.pop(owner)[1].drop()

    def __del__(self) -> None:
        for owner in list(self):
            self.forget(owner)


class _Threads(threading.local):
    """This thread's engines. They may only be dropped by the thread that made them, so an owner
    that goes away leaves its entry here until this thread makes its next one or ends."""

    def __init__(self) -> None:
        self.engines = _Engines()


_THREADS = _Threads()


class EmbeddedEngine:
    """A policy loaded into this process; see `hitl_opa.engines.open_embedded`. Safe to share between threads."""

    def __init__(
        self,
        modules: Mapping[str, str],
        data: bytes = b"{}",
        *,
        revision: str = "",
        entrypoint: str = ENTRYPOINT,
        compiled: frozenset[str] = frozenset(),
    ) -> None:
        self._modules = dict(modules)
        self._data = data
        self._revision = revision
        self._entrypoint = entrypoint
        self._shipped = compiled
        self._trusted = True
        self._closed = False
        self._mine()  # what does not load should say so now, and the first decision be a fast one

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        """Input document (JSON) in, decision document (a JSON object) out.

        Raises Undefined, EngineUnavailable once closed, EngineError for everything else.
        """
        if self._closed:
            raise EngineUnavailable("the embedded engine is closed")
        asked = entrypoint or self._entrypoint
        try:
            text = document.decode()
            answer = self._compiled(text) if asked == ENTRYPOINT else None
            if answer is None:
                answer = self._mine().asked(asked, text)
        except _PASS_ON:
            raise
        except BaseException as error:  # noqa: BLE001 - PanicException is no Exception
            _THREADS.engines.forget(id(self))
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
        about = {"engine": "embedded", "version": VERSION, "revision": self._revision}
        return {**about, "compiled": "shipped policies"} if self._shipped and self._trusted else about

    async def close(self) -> None:
        self.close_sync()

    def close_sync(self) -> None:
        """No evaluation starts after this. What other threads loaded goes when they next load or end."""
        self._closed = True
        _THREADS.engines.forget(id(self))

    def _compiled(self, document: str) -> str | None:
        """The compiled policies' decision; None where there are none, or none that can be relied on."""
        mine = self._mine()
        if mine.compiled is None or not self._trusted:
            return None
        try:
            answer = mine.compiled.evaluate(document, mine.said(document))
        except _PASS_ON:
            raise
        except BaseException as error:  # noqa: BLE001 - what is wrong is the interpreter's to say
            if not isinstance(error, Exception):
                _THREADS.engines.forget(id(self))  # a panic: nothing of this thread's is used again
            return None
        mine.decisions += 1
        if answer is not None and mine.decisions % CHECKED == 0:
            checked = mine.asked(ENTRYPOINT, document)
            if msgspec.json.decode(checked) != msgspec.json.decode(answer):
                self._trusted = False
                _say("compiled-decision-differed: the interpreter decides from now on")
            return checked
        return answer

    def _mine(self) -> _Mine:
        held = _THREADS.engines.get(id(self))
        if held is not None and held[0]() is self:
            return held[1]
        for key, (owner, _) in list(_THREADS.engines.items()):
            living = owner()
            if living is None or living._closed:
                _THREADS.engines.forget(key)
        mine = _Mine(self._modules, self._data, self._shipped)
        _THREADS.engines[id(self)] = (weakref.ref(self), mine)
        return mine


def compiled_policy(modules: Mapping[str, str], data: bytes) -> CompiledPolicy | None:
    """These modules and this data on a virtual machine of this thread; None where they do not compile."""
    import regorus

    try:
        value = msgspec.json.decode(data)
        value["hitl"].pop("custom", None)  # it is users', and the bridge has its place
        text = msgspec.json.encode(value).decode()
        machine = regorus.Rvm()
        machine.load_program(regorus.Program.compile_from_modules(text, list(modules.items()), [ENTRYPOINT]))
        machine.set_data_json(text)
    except _PASS_ON:
        raise
    except BaseException as error:  # noqa: BLE001 - as above; and the interpreter says better what is wrong
        _say(f"policies do not compile, the interpreter decides: {explain(error)}")
        return None
    return CompiledPolicy(machine)


def _say(what: str) -> None:
    import logging  # a first decision has no time for it

    logging.getLogger("hitl_opa.engines").error(what)


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
        del engine  # the error may outlive this thread, and with it this frame
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
