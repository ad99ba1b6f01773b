"""The addresses under which what people do with messages comes back."""

from __future__ import annotations

from starlette.routing import Route

from hitl_opa.approvals.approvals import Approvals
from hitl_opa.approvals.letters import Letters
from hitl_opa.audit import AuditLog
from hitl_opa.notify.buttons import Buttons
from hitl_opa.notify.decider import Decider, Directory
from hitl_opa.notify.decisions import Decisions
from hitl_opa.notify.refusals import Refusals
from hitl_opa.notify.review_links import ReviewLinks
from hitl_opa.notify.transports import Transports


def routes(
    approvals: Approvals, letters: Letters, transports: Transports, directory: Directory, audit: AuditLog
) -> list[Route]:
    """For `Starlette`. What comes back from a channel that the settings do not have is refused, and on record.

    Raises ConfigError, NotifyError where a secret is missing or a key is too short.
    """
    transports.check_inbound()
    shared = Decider(approvals, directory), transports, letters, Refusals(audit)
    links = ReviewLinks(*shared)
    return [
        Route("/notify/slack", Buttons(*shared).pressed, methods=["POST"]),
        Route("/notify/webhook", Decisions(*shared).decide, methods=["POST"]),
        # Starlette adds HEAD to GET: the endpoint refuses it itself
        Route("/links/{token}", links.opened, methods=["GET", "POST"]),
    ]
