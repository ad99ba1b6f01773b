"""People who decide: their accounts, and where they are logged in. Beside the approvals, in their database."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sql

from hitl_opa.approvals.store import Store
from hitl_opa.approvals.tables import ACCOUNT, LOGIN
from hitl_opa.errors import ApprovalError

Role = Literal["viewer", "reviewer", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
"""What an account may do: look; decide too; look after accounts, grants and the rest too."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody. ``password`` is a hash, ``""`` where they log in elsewhere; ``subject``: issuer and subject there."""

    name: str
    role: Role
    groups: list[str]
    password: str
    subject: str
    disabled: bool
    created_at: float


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that is logged in. ``id``: digest of what its cookie holds; times in seconds since the epoch.

    ``auth``: ``password`` or ``oidc``; ``authenticated_at``: when they last showed who they are.
    """

    id: str
    account: str
    auth: str
    created_at: float
    seen_at: float
    authenticated_at: float


class Accounts:
    """The accounts of one database. Every method is a transaction of its own; raises ApprovalError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- people

    def add(
        self, name: str, role: str, groups: Iterable[str], now: float, *, password: str = "", subject: str = ""
    ) -> Account:
        """A new account. Raises ApprovalError where the name is taken, or says nothing."""
        if not name.strip() or name != name.strip() or len(name) > 200 or not name.isprintable():
            raise ApprovalError("an account needs a name of 1 to 200 printable characters, without blanks around it")
        values = {"name": name, "password": password, "subject": subject, "disabled": False, "created_at": now}
        with self._store.connected() as connection:
            for other in connection.execute(sql.select(ACCOUNT.c.name)).scalars():
                if _folded(other) == _folded(name):  # one person does not vote twice as ann and Ann
                    raise ApprovalError(f"there is an account {other!r} already")
            connection.execute(ACCOUNT.insert().values(**values, role=_role(role), groups=_groups(groups)))
        return self.get(name)

    def get(self, name: str) -> Account:
        """The account of this name. Raises ApprovalError where there is none."""
        found = self._first(ACCOUNT.c.name == name)
        if found is None:
            raise ApprovalError(f"there is no account {name!r}: see `hitl-opa users list`")
        return found

    def find(self, name: str) -> Account | None:
        """The account of this name."""
        return self._first(ACCOUNT.c.name == name)

    def of_subject(self, subject: str) -> Account | None:
        """The account of somebody who logs in elsewhere."""
        return self._first(ACCOUNT.c.subject == subject) if subject else None

    def listed(self) -> list[Account]:
        """All accounts, by name."""
        with self._store.connected() as connection:
            rows = connection.execute(sql.select(ACCOUNT).order_by(ACCOUNT.c.name)).mappings().all()
        return [_account_of(row) for row in rows]

    def change(self, name: str, **values: Any) -> Account:
        """Another ``role``, ``groups``, ``password`` or ``disabled``. A password or a lock ends all logins."""
        if "groups" in values:
            values["groups"] = _groups(values["groups"])
        if "role" in values:
            values["role"] = _role(values["role"])
        with self._store.connected() as connection:
            changed = connection.execute(ACCOUNT.update().where(ACCOUNT.c.name == name).values(**values)).rowcount
            if changed and ("password" in values or values.get("disabled")):
                connection.execute(LOGIN.delete().where(LOGIN.c.account == name))
        return self.get(name)

    def remove(self, name: str) -> None:
        """The account and its logins; what they decided stays on the record."""
        self.get(name)
        with self._store.connected() as connection:
            connection.execute(LOGIN.delete().where(LOGIN.c.account == name))
            connection.execute(ACCOUNT.delete().where(ACCOUNT.c.name == name))

    # --- logins

    def log_in(self, id: str, account: str, auth: str, now: float) -> Login:
        """A new login, under the digest of a secret that only its browser has."""
        login = Login(id=id, account=account, auth=auth, created_at=now, seen_at=now, authenticated_at=now)
        with self._store.connected() as connection:
            connection.execute(LOGIN.insert().values(msgspec.structs.asdict(login)))
        return login

    def logged_in(self, id: str, now: float, *, idle: float, lifetime: float) -> tuple[Login, Account] | None:
        """The login and its account, None where there is none that still holds. Looking keeps it from going idle."""
        with self._store.connected() as connection:
            row = connection.execute(sql.select(LOGIN).where(LOGIN.c.id == id)).mappings().first()
            if row is None:
                return None
            login = Login(**row)
            account = connection.execute(sql.select(ACCOUNT).where(ACCOUNT.c.name == login.account)).mappings().first()
            over = now - login.seen_at > idle or now - login.created_at > lifetime
            if over or account is None or account["disabled"]:
                connection.execute(LOGIN.delete().where(LOGIN.c.id == id))
                return None
            if now - login.seen_at > idle / 20:  # not at every look: looks are many
                connection.execute(LOGIN.update().where(LOGIN.c.id == id).values(seen_at=now))
        return login, _account_of(account)

    def authenticated(self, id: str, now: float) -> None:
        """They have just shown again who they are."""
        with self._store.connected() as connection:
            connection.execute(LOGIN.update().where(LOGIN.c.id == id).values(authenticated_at=now, seen_at=now))

    def log_out(self, id: str) -> None:
        """End one login."""
        with self._store.connected() as connection:
            connection.execute(LOGIN.delete().where(LOGIN.c.id == id))

    def log_out_everywhere(self, account: str) -> None:
        """End all logins of an account."""
        with self._store.connected() as connection:
            connection.execute(LOGIN.delete().where(LOGIN.c.account == account))

    def _first(self, where: sql.ColumnElement[bool]) -> Account | None:
        with self._store.connected() as connection:
            row = connection.execute(sql.select(ACCOUNT).where(where)).mappings().first()
        return None if row is None else _account_of(row)


def _account_of(row: Any) -> Account:
    return Account(**{**row, "groups": msgspec.json.decode(row["groups"]), "disabled": bool(row["disabled"])})


def _role(role: str) -> str:
    if role not in ROLES:
        raise ApprovalError(f"the role is {role!r}: it is one of {', '.join(ROLES)}")
    return role


def _groups(groups: Iterable[str]) -> str:
    return msgspec.json.encode(sorted({group for group in groups if group})).decode()


def _folded(name: str) -> str:
    """What names have in common that people take for the same."""
    return unicodedata.normalize("NFKC", name).casefold()
