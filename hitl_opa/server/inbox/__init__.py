"""The reviewers' inbox: pages on which people decide. Part of `hitl-opa serve` where approvals are kept."""

from __future__ import annotations

from hitl_opa.server.inbox.routes import inbox_routes

__all__ = ["inbox_routes"]
