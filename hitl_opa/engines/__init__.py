"""Input document in, decision document out: the embedded engine, in process or isolated, and the OPA server.

All satisfy `hitl_opa.model.Engine` and the public conformance suite in
`hitl_opa.testing.conformance.engine`. Nothing here finds, reads or checks policies: an engine is
given Rego modules and data, `hitl_opa.policy` is where those come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hitl_opa.engines.embedded import EmbeddedEngine
    from hitl_opa.engines.opa import OpaEngine
    from hitl_opa.engines.process import ProcessEngine

ENTRYPOINT = "data.hitl.main.decision"
VOTE = "data.hitl.approvals.vote"


def open_embedded(
    modules: Mapping[str, str],
    data: bytes = b"{}",
    *,
    revision: str = "",
    entrypoint: str = ENTRYPOINT,
    compiled: frozenset[str] = frozenset(),
) -> EmbeddedEngine:
    """An in-process engine over these modules (path -> Rego) and data (a JSON object).

    ``compiled``: the modules that may run compiled, `PolicyBundle.compiled`. It changes no decision, only its time.

    Raises PolicyError for policies that do not load.
    """
    from hitl_opa.engines.embedded import EmbeddedEngine

    return EmbeddedEngine(modules, data, revision=revision, entrypoint=entrypoint, compiled=compiled)


def open_isolated(
    modules: Mapping[str, str],
    data: bytes = b"{}",
    *,
    revision: str = "",
    entrypoint: str = ENTRYPOINT,
    compiled: frozenset[str] = frozenset(),
    timeout: float = 1.0,
) -> ProcessEngine:
    """The same in a supervised process, for policies that one does not trust: killed after ``timeout`` seconds.

    Raises PolicyError for policies that do not load.
    """
    from hitl_opa.engines.process import ProcessEngine

    return ProcessEngine(modules, data, revision=revision, entrypoint=entrypoint, compiled=compiled, timeout=timeout)


def open_opa(url: str, *, timeout: float = 1.0, token: str = "", entrypoint: str = ENTRYPOINT) -> OpaEngine:
    """A client of the OPA server at ``url`` (``http://host:port``); ``timeout`` in seconds, whole request.

    Nothing is sent before the first evaluation. Raises ConfigError for a URL that is none.
    """
    from hitl_opa.engines.opa import OpaEngine

    return OpaEngine(url, timeout=timeout, token=token, entrypoint=entrypoint)
