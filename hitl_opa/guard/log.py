"""The guard's log: structlog as the host configured it, else the standard library's ``hitl_opa`` logger."""

from __future__ import annotations

import logging
from typing import Any


def open_log() -> Any:
    """A bound logger. Unconfigured structlog would print to standard output, which belongs to the host."""
    import structlog

    if structlog.is_configured():
        return structlog.get_logger("hitl_opa")
    return structlog.wrap_logger(
        logging.getLogger("hitl_opa"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        context_class=dict,
    )
