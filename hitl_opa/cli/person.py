"""Who sits here: what the system says, not the environment."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime

from hitl_opa.approvals.approval import Person


def person() -> Person:
    """Whoever this process belongs to; the system vouches for them, now."""
    return Person(name=login(), groups=groups(), auth="login", authenticated_at=datetime.now(UTC).timestamp())


def login() -> str:
    """The login of this process."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return getpass.getuser()


def groups() -> frozenset[str]:
    """Its Unix groups."""
    try:
        import grp
    except ImportError:
        return frozenset()
    known = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    return frozenset(known[gid] for gid in {os.getgid(), *os.getgroups()} if gid in known)
