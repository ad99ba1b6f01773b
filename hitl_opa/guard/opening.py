"""The parts of a guard, from settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hitl_opa.audit import AuditLog
from hitl_opa.config import Config
from hitl_opa.database import MEMORY
from hitl_opa.errors import ConfigError
from hitl_opa.facts import Known, program_data, redact
from hitl_opa.facts.secrets import suspect
from hitl_opa.policy.bundle import load_bundle, shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.approvals.standings import Standings
    from hitl_opa.audit.anchors import Anchor
    from hitl_opa.audit.notary import Notary
    from hitl_opa.audit.trust import Trust
    from hitl_opa.guard.guard import Guard
    from hitl_opa.model import Engine

SOCKET = ".hitl/hitl.sock"
SERVED = "http://127.0.0.1:8282"
"""Where `hitl-opa serve` listens unless told otherwise."""


def open_parts(config: Config) -> tuple[Engine, AuditLog, Known]:
    """Engine, record, and what facts have to know, or the error that says why there is no guard."""
    engine = open_engine(config)
    audit = open_audit(config)
    return engine, audit, known(config)


def open_engine(config: Config) -> Engine:
    """The engine that the settings name. Users' policies are linted before they are loaded."""
    from hitl_opa.engines import open_embedded, open_isolated, open_opa

    if config.opa is not None:
        return open_opa(config.opa.url, timeout=config.opa.timeout, token=config.opa.token)
    bundle = load_bundle(
        *(config.path(p) for p in config.policies),
        data_overrides={"hitl": config.data} if config.data else None,
        program_data=program_data(),
    )
    if bundle.users:  # what ships was checked before it shipped; linting needs a process of its own
        from hitl_opa.policy.lint import check

        check(bundle)
    if config.isolation == "process":
        return open_isolated(
            bundle.modules,
            bundle.data,
            revision=bundle.revision,
            compiled=bundle.compiled,
            timeout=config.deadline,
        )
    return open_embedded(bundle.modules, bundle.data, revision=bundle.revision, compiled=bundle.compiled)


def open_audit(config: Config) -> AuditLog:
    """The record, made where it is missing."""
    names = ("environment", "agent", "agent_version")
    labels = {name: value for name in names if (value := getattr(config, name))}
    if config.record == MEMORY:
        return AuditLog.open(MEMORY, redact=redact, suspect=suspect, labels=labels)
    return AuditLog.open(config.record, redact=redact, suspect=suspect, labels=labels, notary=open_notary(config))


def open_notary(config: Config) -> Notary | None:
    """Who signs the record. Raises AuditError where the settings want it signed and nobody can."""
    if config.checkpoints is None:
        return None
    from hitl_opa.audit.keys import Keys
    from hitl_opa.audit.notary import Notary

    settings = config.checkpoints
    keys = Keys.load(config.path(settings.keys))
    return Notary(keys, every=settings.every, seconds=settings.seconds, anchors=open_anchors(config))


def open_anchors(config: Config) -> list[Anchor]:
    """The places that keep checkpoints."""
    from hitl_opa.audit.anchors import FileAnchor, GitAnchor, WebhookAnchor

    found: list[Anchor] = []
    for anchor in config.checkpoints.anchors if config.checkpoints else ():
        if anchor.file:
            found.append(FileAnchor(config.path(anchor.file)))
        elif anchor.git:
            found.append(GitAnchor(config.path(anchor.git), push=anchor.push))
        else:
            found.append(WebhookAnchor(anchor.webhook, token=anchor.token))
    return found


def open_trust(config: Config) -> Trust:
    """What the record is held against: the public keys and the anchors of the settings. Raises AuditError."""
    from hitl_opa.audit.trust import Trust

    if config.checkpoints is None:
        return Trust()
    from hitl_opa.audit.keys import Keys

    return Trust(Keys.load(config.path(config.checkpoints.keys)).verifiers(), open_anchors(config))


def open_approvals(config: Config, audit: AuditLog, guard: Callable[[], Guard] | None = None) -> Approvals:
    """The durable approvals, beside the record. Raises ConfigError where the settings have none.

    ``guard`` returns the one whose policies say whose word counts; without, they are loaded from the
    settings when somebody votes.
    """
    if not config.durable:
        raise ConfigError("these settings keep no approvals: set `durable: true` in hitl.yaml")
    from hitl_opa.approvals.approvals import Approvals
    from hitl_opa.guard.guard import Guard
    from hitl_opa.guard.referee import GuardReferee

    def own() -> Guard:
        return Guard(engine=open_engine(config), audit=audit, config=config, known=known(config))

    return Approvals.open(audit, redact=redact, referee=GuardReferee(guard or own))


def open_standings(config: Config, audit: AuditLog) -> Standings | None:
    """Earned levels and the switch that freezes them; None where the settings look nothing up."""
    if config.record == MEMORY or not (config.autonomy.earn or config.durable):
        return None
    from hitl_opa.approvals.standings import Standings
    from hitl_opa.approvals.store import Store

    return Standings(Store(audit))


def known(config: Config) -> Known:
    """The guard's own files, and the hosts and servers that the settings trust."""
    own = [config.path("hitl.yaml"), *(config.path(p) for p in config.policies)]
    if config.record != MEMORY and not config.database:
        own.append(config.path(config.audit).parent)
    package = Path(__file__).resolve().parent.parent
    if config.checkpoints is not None:
        # not the keys: they are known as credentials by their name, which is stricter when they are read
        own += [config.path(place) for a in config.checkpoints.anchors if (place := a.file or a.git)]
    files = [entry for entry in config.protect if "://" not in entry]
    protected = [str(p) for p in own] + [str(config.path(p)) for p in files] + [str(package), str(shipped())]
    return Known(
        protected=tuple(protected),
        pinned_hosts=frozenset(config.pinned_hosts),
        trusted_servers=frozenset(config.trusted_servers),
        addresses=_addresses(config),
    )


def _addresses(config: Config) -> tuple[str, ...]:
    """Where approvals are decided and kept, and what else of the network the settings protect."""
    own = [entry for entry in config.protect if "://" in entry]
    if config.database:
        own.append(config.database)
    if config.durable:
        own += [SERVED, f"unix:{config.path(SOCKET)}"]
        own += [config.notify.base_url] if config.notify is not None else []
    return tuple(own)
