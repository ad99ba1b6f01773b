"""What evaluates the policy."""

from __future__ import annotations

from typing import Protocol


class Engine(Protocol):
    """Evaluates the policy. Every failure is an exception of `hitl_opa.errors.EngineError`.

    ``entrypoint`` is the rule that is asked for (``data.…``), ``""`` for the decision on a call.
    """

    async def evaluate(self, document: bytes, entrypoint: str = "") -> bytes:
        """Input document (JSON) in, decision document (a JSON object) out."""
        ...

    def evaluate_sync(self, document: bytes, entrypoint: str = "") -> bytes:
        """The same for a caller without an event loop."""
        ...

    def describe(self) -> dict[str, str]:
        """What this engine is: ``engine``, ``version``, ``revision``."""
        ...

    async def close(self) -> None: ...

    def close_sync(self) -> None: ...
