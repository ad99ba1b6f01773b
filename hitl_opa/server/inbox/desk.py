"""The queue, the page of one approval, and what its forms do."""

from __future__ import annotations

import asyncio
import hmac
import uuid
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hitl_opa.approvals import Approval, Query, State
from hitl_opa.approvals.approval import Order
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.errors import ApprovalError
from hitl_opa.server.inbox import review
from hitl_opa.server.inbox.pages import Pages
from hitl_opa.server.inbox.visitor import Visitor, Visitors

PAGE = 50  # approvals of one page
MOST = 20  # that are decided together
CHANNEL = "inbox"
_AGAIN = "log in again"  # in what policy says of a login that is too old


class Desk:
    """Pages about approvals. People decide by posting a form that a page of theirs brought."""

    def __init__(self, approvals: Approvals, visitors: Visitors, pages: Pages) -> None:
        self._approvals = approvals
        self._visitors = visitors
        self._pages = pages

    async def queue(self, request: Request, visitor: Visitor) -> Response:
        """What waits."""
        return await self._list(request, visitor, "What waits for you", frozenset({State.PENDING}), live=True)

    async def history(self, request: Request, visitor: Visitor) -> Response:
        """All there ever was."""
        return await self._list(request, visitor, "History", frozenset(), live=False)

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """One approval. Looking at it decides nothing."""
        try:
            found = await asyncio.to_thread(self._approvals.view, request.path_params["id"], visitor.person)
        except ApprovalError as error:
            return self._pages.page("problem.html", visitor, 404, here="", title="Not found", words=str(error))
        return await self._page(visitor, found)

    async def decide(self, request: Request, visitor: Visitor) -> Response:
        """Approve or reject."""
        form = await request.form()
        found, look = await self._brought(request, visitor, form)
        choice, typed = _text(form, "choice"), _text(form, "typed")
        if choice not in ("approve", "reject"):
            return await self._page(visitor, found, "Say whether to approve or to reject.", 400)
        wanted = review.phrase(found)
        if choice == "approve" and wanted and found.state is State.PENDING and typed.strip() != wanted:
            return await self._page(visitor, found, f"To approve, type: {wanted}", 400, _text(form, "reason"))
        return await self._said(
            visitor,
            found,
            lambda: self._approvals.vote(
                found.id,
                visitor.person,
                approves=choice == "approve",
                reason=_text(form, "reason").strip(),
                category=_text(form, "category") if choice == "reject" else "",
                channel=CHANNEL,
                look_ms=look,
                seen=_text(form, "seen"),
            ),
            _text(form, "reason"),
        )

    async def edit(self, request: Request, visitor: Visitor) -> Response:
        """Approve another input."""
        form = await request.form()
        found, look = await self._brought(request, visitor, form)
        try:
            input = msgspec.json.decode(_text(form, "input").encode(), type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            return await self._page(visitor, found, f"The changed input is no JSON object: {error}", 400)
        return await self._said(
            visitor,
            found,
            lambda: self._approvals.edit(
                found.id,
                visitor.person,
                input,
                reason=_text(form, "reason").strip(),
                category=_text(form, "category"),
                channel=CHANNEL,
                look_ms=look,
                seen=_text(form, "seen"),
            ),
        )

    async def answer(self, request: Request, visitor: Visitor) -> Response:
        """Answer what an agent asks."""
        form = await request.form()
        found, look = await self._brought(request, visitor, form)
        asked = found.document["call"]["input"].get("questions", [])
        answers = {}
        for number, question in enumerate(asked if isinstance(asked, list) else []):
            own = _text(form, f"own{number}").strip()
            picked = [v for v in form.getlist(f"q{number}") if isinstance(v, str)]
            answers[str(question.get("question", ""))] = own or ", ".join(picked)
        return await self._said(
            visitor,
            found,
            lambda: self._approvals.answer(found.id, visitor.person, answers, channel=CHANNEL, look_ms=look),
        )

    async def cancel(self, request: Request, visitor: Visitor) -> Response:
        """Take it back."""
        found, _ = await self._brought(request, visitor, await request.form())
        return await self._said(visitor, found, lambda: self._approvals.cancel(found.id, visitor.account.name))

    async def reconcile(self, request: Request, visitor: Visitor) -> Response:
        """Say how it ended, where nobody reported it."""
        form = await request.form()
        found, _ = await self._brought(request, visitor, form)
        outcome = _text(form, "outcome")
        if outcome not in ("executed", "failed"):
            return await self._page(visitor, found, "Say whether it ran.", 400)
        return await self._said(
            visitor,
            found,
            lambda: self._approvals.reconcile(found.id, visitor.person, outcome, _text(form, "note").strip()),  # type: ignore[arg-type]
        )

    async def several(self, request: Request, visitor: Visitor) -> Response:
        """Decide calls together that are alike."""
        form = await request.form()
        ids = [v for v in form.getlist("id") if isinstance(v, str)]
        choice = _text(form, "choice")
        said = await asyncio.to_thread(self._decide_all, visitor, ids, choice, _text(form, "reason").strip())
        return RedirectResponse(visitor.going("/inbox", said), 303)

    def _decide_all(self, visitor: Visitor, ids: list[str], choice: str, reason: str) -> str:
        if not ids or choice not in ("approve", "reject"):
            return "Nothing was picked, so nothing was decided."
        if len(ids) > MOST:
            return f"At most {MOST} are decided together: nothing was decided."
        try:
            found = [self._approvals.get(id) for id in ids]
        except ApprovalError as error:
            return f"Nothing was decided: {error}"
        if len({review.alike(one) for one in found}) > 1 or not all(review.several(one) for one in found):
            return (
                "Nothing was decided: together go only calls of the same tool, risk and rule that wait, "
                "of low or medium risk."
            )
        done, problems, batch = 0, [], str(uuid.uuid4())
        for one in found:
            try:
                self._approvals.vote(
                    one.id, visitor.person, approves=choice == "approve", reason=reason, channel=CHANNEL, batch=batch
                )
                done += 1
            except ApprovalError as error:
                problems.append(str(error))
        word = "approved" if choice == "approve" else "rejected"
        return f"{done} {word}." + (f" {len(problems)} not: {problems[0]}" if problems else "")

    # --- inside

    async def _list(
        self, request: Request, visitor: Visitor, title: str, states: frozenset[State], *, live: bool
    ) -> Response:
        given = request.query_params
        names = ("text", "risk", "tool", "agent")
        order: Order = "newest" if not live or given.get("order") == "newest" else "urgent"
        fields = {name: given.get(name, "") for name in (*names, "after")}
        query = Query(states=states, limit=PAGE + 1, order=order, **fields)
        found, counts = await asyncio.to_thread(lambda: (self._approvals.search(query), self._approvals.counts()))
        now = self._visitors.now()
        rows = [review.row(one, now) for one in found[:PAGE]]
        kept = {name: value for name in (*names, "order") if (value := given.get(name, ""))}
        here = "/inbox" if live else "/inbox/history"
        return self._pages.page(
            "queue.html",
            visitor,
            here=here,
            title=title,
            live=live,
            rows=rows,
            query=query,
            narrowed=bool(kept),
            said=visitor.heard(request),
            waiting=counts.get(State.PENDING, 0),
            pickable=any(row["several"] for row in rows),
            most=MOST,
            address=f"{here}?{urlencode({**kept, 'after': query.after})}",
            more=f"{here}?{urlencode({**kept, 'after': found[PAGE - 1].id})}" if len(found) > PAGE else "",
        )

    async def _brought(self, request: Request, visitor: Visitor, form: FormData) -> tuple[Approval, float]:
        """The approval that a form is about, and for how many milliseconds its page was open."""
        found = await asyncio.to_thread(self._approvals.get, request.path_params["id"])
        opened, _, mark = _text(form, "opened").rpartition(".")
        honest = hmac.compare_digest(mark.encode(), visitor.token("opened", found.id, opened).encode())
        look = (self._visitors.now() - float(opened)) * 1000 if honest and opened else 0.0
        return found, max(0.0, look)

    async def _said(self, visitor: Visitor, found: Approval, act: Any, reason: str = "") -> Response:
        """Do it; afterwards the page shows what came of it, a second click too."""
        try:
            await asyncio.to_thread(act)
        except ApprovalError as error:
            now = await asyncio.to_thread(self._approvals.get, found.id)
            if now.state is not State.PENDING and "already" in str(error):
                return await self._page(visitor, now, said=f"It was decided before: {now.state}.")
            return await self._page(visitor, now, str(error), 403, reason)
        return RedirectResponse(f"/inbox/approvals/{found.id}", 303)

    async def _page(
        self, visitor: Visitor, found: Approval, problem: str = "", status: int = 200, reason: str = "", said: str = ""
    ) -> Response:
        similar, history = await asyncio.to_thread(
            lambda: (self._approvals.similar(found), self._approvals.history(found.agent, found.tool, 10))
        )
        now = self._visitors.now()
        opened = f"{now:.3f}"
        values = review.page(found, visitor, similar, now)
        return self._pages.page(
            "review.html",
            visitor,
            status,
            here="",
            **values,
            problem=problem,
            again=_AGAIN in problem,
            said=said,
            reason=reason,
            history=[one for one in history if one.id != found.id],
            token=visitor.token("approval", found.id),
            opened=f"{opened}.{visitor.token('opened', found.id, opened)}",
            seen=seen_of(found),
        )


def seen_of(approval: Approval) -> str:
    """Digest of what the page shows."""
    from hitl_opa.approvals.events import seen

    return seen(approval)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
