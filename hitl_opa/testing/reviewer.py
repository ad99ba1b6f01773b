"""A reviewer who says what a script tells them to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hitl_opa.model import Answer, Choice, Question, ReviewRequest

Saying = Answer | Choice | str | BaseException | Callable[[ReviewRequest], Any] | None


class ScriptedReviewer:
    """Gives ``answers`` in turn, and the last one for ever.

    An answer is an `Answer`, a word (``"approve"``, ``"reject"``), an exception to raise, or a
    function of the request that returns one of these, sync or async. Anything else is handed on as
    it is, for tests of reviewers that misbehave. ``replies`` answer the model's own questions by
    their text; a question without one gets its first option.
    """

    def __init__(
        self,
        *answers: Any,
        replies: Mapping[str, str] | BaseException | None = None,
        name: str = "scripted",
        groups: Iterable[str] = (),
    ) -> None:
        self._answers: list[Saying] = list(answers)
        self._replies = replies if replies is not None else {}
        self._name = name
        self._groups = frozenset(groups)
        self.requests: list[ReviewRequest] = []
        """What was put to the reviewer, oldest first."""
        self.questions: list[Question] = []
        """The model's own questions, oldest first."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def groups(self) -> frozenset[str]:
        return self._groups

    async def review(self, request: ReviewRequest) -> Answer:
        self.requests.append(request)
        if not self._answers:
            raise AssertionError(f"nobody expected to be asked about {request.call.tool}")
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        said: Answer = await self._said(answer, request)
        return said

    async def answer(self, questions: list[Question]) -> dict[str, str]:
        self.questions.extend(questions)
        if isinstance(self._replies, BaseException):
            raise self._replies
        first = {q.question: q.options[0]["label"] if q.options else "" for q in questions}
        return {question: self._replies.get(question, default) for question, default in first.items()}

    async def _said(self, answer: Any, request: ReviewRequest) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            value = answer(request)
            return await self._said(await value if inspect.isawaitable(value) else value, request)
        if isinstance(answer, str) and answer in list(Choice):
            return Answer(choice=Choice(answer))
        return answer
