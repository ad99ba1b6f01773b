"""What buttons, links and webhooks have in common: from a genuine request to a vote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

from hitl_opa.approvals import Approval, Person
from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.events import seen
from hitl_opa.errors import ApprovalError, NotifyError
from hitl_opa.notify.message import bound, indirect

P = ParamSpec("P")
T = TypeVar("T")


class Directory(Protocol):
    """Who accounts are."""

    def person(self, account: str, auth: str) -> Person | None:
        """The person of an account that may decide, not logged in; None where there is none (any more)."""
        ...


class Decider:
    """Votes of people that were not logged in. Policy decides on every vote; what is refused here, it never sees."""

    def __init__(self, approvals: Approvals, directory: Directory) -> None:
        self.approvals = approvals
        self._directory = directory
        # one thread: an embedded policy is loaded once a thread, and approvals are rare
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hitl-opa notify")

    async def run(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """What reads or writes the database, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **named))

    def waiting(self, id: str, digest: str) -> Approval:
        """The approval that a message was about. Raises NotifyError where the call is not that one any more."""
        try:
            found = self.approvals.get(id)
        except ApprovalError:
            raise NotifyError("there is no such approval here") from None
        if found.id != id or bound(found) != digest:
            raise NotifyError("the call has changed since this was sent: open the inbox")
        return found

    def vote(
        self,
        approval: Approval,
        account: str,
        *,
        approves: bool,
        reason: str,
        auth: str,
        channel: str,
        look_ms: float = 0.0,
    ) -> Approval:
        """One word of an account on an approval as it was `waiting`; if it was edited since, it does not count.
        ``auth``: ``slack``, ``link`` or ``webhook``, what spoke for the account.

        Raises NotifyError for an account that may not decide, ApprovalError for what policy refuses.
        """
        if why := indirect(approval):
            raise NotifyError(why)
        person = self._directory.person(account, auth)
        if person is None:
            raise NotifyError(f"{account} is no account that may decide")
        return self.approvals.vote(
            approval.id,
            person,
            approves=approves,
            reason=reason,
            channel=channel,
            look_ms=look_ms,
            seen=seen(approval),
        )
