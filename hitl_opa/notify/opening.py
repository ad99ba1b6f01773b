"""The parts of notifications, from settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hitl_opa.config import Config
from hitl_opa.errors import ConfigError
from hitl_opa.notify.delivery import Delivery, Told
from hitl_opa.notify.directory import AccountDirectory
from hitl_opa.notify.transports import Transports

if TYPE_CHECKING:
    from starlette.routing import Route

    from hitl_opa.approvals.approvals import Approvals


def open_delivery(config: Config, approvals: Approvals, *, told: Callable[[Told], None] = lambda _: None) -> Delivery:
    """What sends messages; ``told`` hears of each. Raises ConfigError where the settings name nobody to tell."""
    from hitl_opa.approvals.accounts import Accounts
    from hitl_opa.approvals.letters import Letters

    if config.notify is None:
        raise ConfigError("hitl.yaml has no part `notify`: docs/notifications.md shows one")
    store, transports = approvals.store, Transports(config.notify, config.root)
    return Delivery(approvals, Letters(store), transports, AccountDirectory(Accounts(store)), store.audit, told=told)


def open_routes(config: Config, approvals: Approvals) -> list[Route]:
    """Where what people do with messages comes back; nothing where the settings tell nobody."""
    from hitl_opa.approvals.accounts import Accounts
    from hitl_opa.approvals.letters import Letters

    if config.notify is None:
        return []
    from hitl_opa.notify.routes import routes

    store, transports = approvals.store, Transports(config.notify, config.root)
    return routes(approvals, Letters(store), transports, AccountDirectory(Accounts(store)), store.audit)
