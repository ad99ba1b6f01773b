"""What a human is shown for an ask, and what they may say."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

import msgspec

from hitl_opa.model.call import ToolCall
from hitl_opa.model.decision import Decision
from hitl_opa.model.document import Document


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question in AskUserQuestion's shape. ``options`` are {label, description}; free text is always possible."""

    question: str
    header: str = ""
    multiSelect: bool = False
    options: list[dict[str, str]] = []


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer is shown for an ask: the call, what it does, and why it is asked.

    ``questions`` are written by the guard, never by the model: the first is Approve / Reject / Edit,
    further ones clarify. ``typed`` is a phrase that the reviewer must type to approve, ``""`` for
    one keystroke. ``rationale`` is the agent's own word, unverified.
    """

    id: str
    call: ToolCall
    document: Document
    decision: Decision
    questions: list[Question]
    typed: str = ""
    rationale: str = ""


class Choice(StrEnum):
    """What a reviewer may say to a `ReviewRequest`."""

    APPROVE = "approve"
    REJECT = "reject"
    EDIT = "edit"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer said. ``reason`` reaches the model; ``input`` is the edited input of an edit;
    ``replies`` answer the clarifying questions, question text -> answer. ``grant``: with an approval,
    how many seconds equal calls run without asking again; it never covers floors and critical asks."""

    choice: Choice
    reason: str = ""
    input: dict[str, Any] = {}
    replies: dict[str, str] = {}
    grant: float = 0.0


class Reviewer(Protocol):
    """A human who can be asked now. ``name`` and ``groups`` say who; both go into the record.

    Whatever a reviewer raises counts as a rejection.
    """

    @property
    def name(self) -> str: ...

    @property
    def groups(self) -> frozenset[str]: ...

    async def review(self, request: ReviewRequest) -> Answer: ...

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        """Answers to the model's own questions (AskUserQuestion), question text -> answer; they grant nothing."""
        ...
