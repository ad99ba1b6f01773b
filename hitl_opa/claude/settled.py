"""What the guard said of each call, until the call is over."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import msgspec

from hitl_opa.audit import digest
from hitl_opa.guard.ruling import Outcome, Ruling


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was settled. ``input`` is what may run, with a question's ``answers`` filled in.

    ``why`` is for the model, ``context`` more for it where the call may run.
    """

    allowed: bool
    tool: str
    agent: str
    session: str
    input: dict[str, Any]
    why: str
    context: str = ""
    message: str = ""
    stop: str | None = None
    ruling: Ruling | None = None
    answers: dict[str, str] | None = None

    @classmethod
    def of(cls, outcome: Outcome, *, answers: dict[str, str] | None = None, message: str = "") -> Settled:
        """What an outcome of the guard means for the call."""
        call = outcome.ruling.call
        allowed = outcome.allowed
        return cls(
            allowed=allowed,
            tool=call.tool,
            agent=call.session.agent_id,
            session=call.session.id,
            input=outcome.input if answers is None else {**outcome.input, "answers": answers},
            why=outcome.ruling.decision.reason if allowed else outcome.message,
            context=outcome.message if allowed else "",
            message=message,
            ruling=outcome.ruling,
            answers=answers,
        )

    def unanswered(self, input: dict[str, Any]) -> dict[str, Any]:
        """``input`` without the answers that the reviewer gave, and with any others."""
        if self.answers is None or input.get("answers") != self.answers:
            return input
        return {key: value for key, value in input.items() if key != "answers"}


class Open:
    """The settled calls that are not over, by tool use id; the oldest go first. May be shared by threads."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._calls: OrderedDict[str, Settled] = OrderedDict()
        self._started: set[str] = set()
        self._lock = threading.Lock()

    def add(self, id: str, settled: Settled) -> None:
        with self._lock:
            self._calls.pop(id, None)
            self._calls[id] = settled
            while len(self._calls) > self._limit:
                self._started.discard(self._calls.popitem(last=False)[0])

    def get(self, id: str) -> Settled | None:
        with self._lock:
            return self._calls.get(id)

    def start(self, id: str, tool: str, input: dict[str, Any]) -> bool:
        """Whether this very call was allowed and has not been started yet."""
        with self._lock:
            settled = self._calls.get(id)
            if settled is None or not settled.allowed or settled.tool != tool or id in self._started:
                return False
            if digest(input) != digest(settled.input):
                return False
            self._started.add(id)
            return True

    def take(self, id: str) -> Settled | None:
        with self._lock:
            self._started.discard(id)
            return self._calls.pop(id, None)

    def leave(self, session: str, agent: str) -> list[Settled]:
        """The calls of an agent that has stopped; they will not run any more."""
        with self._lock:
            ids = [i for i, s in self._calls.items() if (s.session, s.agent) == (session, agent)]
            self._started.difference_update(ids)
            return [self._calls.pop(i) for i in ids]
