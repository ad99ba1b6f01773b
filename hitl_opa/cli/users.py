"""``hitl-opa users``: who may decide in the inbox."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from hitl_opa.approvals.accounts import ROLES, Account, Accounts
from hitl_opa.cli.options import options
from hitl_opa.cli.output import emit, say, table
from hitl_opa.cli.settings import load_settings
from hitl_opa.errors import ConfigError
from hitl_opa.guard.opening import open_audit
from hitl_opa.terminal.text import spans


@click.group(short_help="Who may decide in the inbox.")
def users() -> None:
    """Accounts of the inbox. Needs `durable: true` in the settings.

    \b
    hitl-opa users add rita --role reviewer --group sre     asks for a password
    hitl-opa users list
    hitl-opa users change rita --group sre --group security
    hitl-opa users passwd rita                              ends all her logins too
    hitl-opa users disable rita

    viewer looks, reviewer decides too, admin looks after grants too. Policy says whose word counts.
    """


_role = click.option("--role", type=click.Choice(ROLES), help="What they may do.")
_group = click.option("--group", "groups", multiple=True, help="A group they are in; may be given again.")
_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@users.command()
@click.argument("name")
@_role
@_group
@_stdin
@options
def add(
    name: str, role: str | None, groups: tuple[str, ...], password_stdin: bool, as_json: bool, config: Path | None
) -> None:
    """A new account, a reviewer's by default."""
    from hitl_opa.server.inbox.passwords import hashed

    with _opened(config) as accounts:
        if accounts.find(name) is not None:
            raise ConfigError(f"there is an account {name!r} already")
        password = hashed(_password(password_stdin))
        _said(accounts.add(name, role or "reviewer", groups, time.time(), password=password), "added", as_json)


@users.command("list")
@options
def list_(as_json: bool, config: Path | None) -> None:
    """All accounts."""
    with _opened(config) as accounts:
        found = accounts.listed()
    if as_json:
        emit([_brief(one) for one in found])
        return
    if not found:
        say("There are no accounts yet: hitl-opa users add NAME")
        return
    rows = [
        [
            spans(one.name),
            one.role,
            spans(", ".join(one.groups)),
            "password" if one.password else "single sign-on",
            "disabled" if one.disabled else "",
        ]
        for one in found
    ]
    table(["name", "role", "groups", "login", ""], rows)


@users.command()
@click.argument("name")
@_role
@_group
@options
def change(name: str, role: str | None, groups: tuple[str, ...], as_json: bool, config: Path | None) -> None:
    """Another role, or other groups."""
    values: dict[str, Any] = {**({"role": role} if role else {}), **({"groups": groups} if groups else {})}
    if not values:
        raise ConfigError("say what changes: --role, --group")
    with _opened(config) as accounts:
        accounts.get(name)
        _said(accounts.change(name, **values), "changed", as_json)


@users.command()
@click.argument("name")
@_stdin
@options
def passwd(name: str, password_stdin: bool, as_json: bool, config: Path | None) -> None:
    """Another password; all logins end."""
    from hitl_opa.server.inbox.passwords import hashed

    with _opened(config) as accounts:
        accounts.get(name)
        _said(accounts.change(name, password=hashed(_password(password_stdin))), "changed", as_json)


@users.command()
@click.argument("name")
@options
def disable(name: str, as_json: bool, config: Path | None) -> None:
    """No login any more; all of theirs end."""
    with _opened(config) as accounts:
        accounts.get(name)
        _said(accounts.change(name, disabled=True), "disabled", as_json)


@users.command()
@click.argument("name")
@options
def enable(name: str, as_json: bool, config: Path | None) -> None:
    """Logins again."""
    with _opened(config) as accounts:
        accounts.get(name)
        _said(accounts.change(name, disabled=False), "enabled", as_json)


@users.command()
@click.argument("name")
@options
def remove(name: str, as_json: bool, config: Path | None) -> None:
    """The account; what they decided stays on the record."""
    with _opened(config) as accounts:
        found = accounts.get(name)
        accounts.remove(name)
    _said(found, "removed", as_json)


@contextmanager
def _opened(config: Path | None) -> Iterator[Accounts]:
    from hitl_opa.approvals.store import Store

    settings = load_settings(config)
    if not settings.durable:
        raise ConfigError("these settings keep no approvals, so there is nothing to decide: set `durable: true`")
    with open_audit(settings) as audit:
        yield Accounts(Store(audit))


def _password(stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise ConfigError("no terminal to ask for a password on: give it with --password-stdin")
    text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return text


def _said(account: Account, what: str, as_json: bool) -> None:
    if as_json:
        emit(_brief(account))
    else:
        groups = f", in {', '.join(account.groups)}" if account.groups else ""
        say(*spans(f"{account.name}: {what} ({account.role}{groups})"))


def _brief(account: Account) -> dict[str, Any]:
    return {**msgspec.to_builtins(account), "password": bool(account.password)}
