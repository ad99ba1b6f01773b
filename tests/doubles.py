"""Engines that misbehave and reviewers that say what they are told; on the path of every test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import cache
from typing import Any

import msgspec

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.errors import EngineUnavailable
from hitl_opa.guard import Guard
from hitl_opa.guard.opening import open_engine
from hitl_opa.guard.referee import GuardReferee
from hitl_opa.model import Answer, Choice, Engine, Question, ReviewRequest


def decision(verdict: str = "allow", risk: str = "low", **fields: Any) -> bytes:
    """A decision document with one reason, as an engine returns it."""
    reason = {"rule": "test.rule", "pack": "test", "verdict": verdict, "risk": risk, "message": f"It is {verdict}."}
    return msgspec.json.encode(
        {"verdict": verdict, "risk": risk, "reason": reason["message"], "reasons": [reason], **fields}
    )


APPROVAL = {"id": "a", "type": "approval", "properties": {"permission": "confirm", "quorum": 1, "approvers": []}}


def ask(risk: str = "high", **properties: Any) -> bytes:
    approval = {**APPROVAL, "properties": {**APPROVAL["properties"], **properties}}
    return decision("ask", risk, obligations=[approval])


class FakeEngine:
    """Answers with what it is given: bytes, an exception to raise, or a function of the document."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def _next(self, document: bytes, entrypoint: str) -> Any:
        if entrypoint:  # whose word counts is for the shipped policies to say
            return _shipped().evaluate_sync(document, entrypoint)
        self.asked.append(msgspec.json.decode(document))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer(document) if callable(answer) else answer

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        answer = self._next(document, entrypoint)
        return await answer if isinstance(answer, Awaitable) else answer

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        answer = self._next(document, entrypoint)
        if isinstance(answer, Awaitable):
            raise EngineUnavailable("no loop")
        return answer

    def describe(self) -> dict[str, str]:
        return {"engine": "fake", "version": "0", "revision": "r1"}

    async def close(self) -> None: ...

    def close_sync(self) -> None: ...


@cache
def _shipped() -> Engine:
    return open_engine(Config())


@cache
def referee() -> GuardReferee:
    """What the shipped policies say of votes and of edits."""
    audit = AuditLog.open(":memory:")
    return GuardReferee(lambda: Guard(engine=_shipped(), audit=audit))


class Says:
    """A reviewer with prepared answers; remembers what it was shown."""

    def __init__(self, *answers: Any, name: str = "rita", groups: frozenset[str] = frozenset()) -> None:
        self.answers = list(answers)
        self.name = name
        self.groups = groups
        self.shown: list[ReviewRequest] = []

    async def review(self, request: ReviewRequest) -> Answer:
        self.shown.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Awaitable):
            return await answer
        return answer

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        return {}


APPROVES = Answer(choice=Choice.APPROVE)
REJECTS = Answer(choice=Choice.REJECT, reason="Not on a Friday.")


async def never() -> Answer:
    await asyncio.sleep(30)
    return APPROVES
