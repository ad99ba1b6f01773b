"""One worker of ``hitl-opa serve``: the application for the settings that its parent left in the environment."""

from __future__ import annotations

import os

import msgspec
from starlette.applications import Starlette

from hitl_opa.config import Config
from hitl_opa.guard import Guard
from hitl_opa.server.app import create_app

SETTINGS = "HITL_OPA_SERVE_SETTINGS"


def create() -> Starlette:
    """ASGI factory for uvicorn, which starts each worker with a fresh interpreter."""
    return create_app(Guard.open(msgspec.json.decode(os.environ[SETTINGS], type=Config)))
