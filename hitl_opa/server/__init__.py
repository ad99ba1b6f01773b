"""The decision API over HTTP: `create_app` makes the ASGI application that ``hitl-opa serve`` runs."""

from hitl_opa.server.app import create_app

__all__ = ["create_app"]
