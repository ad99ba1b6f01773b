"""The guard's log: structlog as the host configured it, else the standard library's ``hitl_opa`` logger."""

from __future__ import annotations

import sys
from typing import Any

INFO, ERROR = 20, 40  # as in `logging`, which a first decision has no time to import


class Log:
    """A structlog logger that costs nothing, not even the import of structlog, while nobody listens.

    Unconfigured structlog would print to standard output, which belongs to the host.
    """

    def __init__(self) -> None:
        self._ours: Any = None
        self._hosts: Any = None

    def info(self, event: str, **fields: Any) -> None:
        if (logger := self._logger(INFO)) is not None:
            logger.info(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        if (logger := self._logger(ERROR)) is not None:
            logger.error(event, **fields)

    def _logger(self, level: int) -> Any:
        structlog = sys.modules.get("structlog")  # who configures it has imported it
        if structlog is not None and structlog.is_configured():
            self._hosts = self._hosts or structlog.get_logger("hitl_opa")
            return self._hosts
        if level < ERROR and "logging" not in sys.modules:
            return None  # nobody listens who has not imported it
        import logging

        standard = logging.getLogger("hitl_opa")
        if not standard.isEnabledFor(level):
            return None
        return self._ours or self._open(standard)

    def _open(self, standard: Any) -> Any:
        import structlog

        self._ours = structlog.wrap_logger(
            standard,
            processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
            wrapper_class=structlog.stdlib.BoundLogger,
            context_class=dict,
        )
        return self._ours


def open_log() -> Log:
    """The log that a guard and its hosts write to."""
    return Log()
