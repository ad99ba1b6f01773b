"""Who the accounts are that messages go to and come back from."""

from __future__ import annotations

from hitl_opa.approvals import Person
from hitl_opa.approvals.accounts import Accounts
from hitl_opa.channels import Notify


class SettingsDirectory:
    """Whoever the settings list, with the groups that they list."""

    def __init__(self, settings: Notify) -> None:
        self._people = {contact.account: contact for contact in settings.people}

    def person(self, account: str, auth: str) -> Person | None:
        contact = self._people.get(account)
        return None if contact is None else Person(name=account, groups=frozenset(contact.groups), auth=auth)


class AccountsDirectory:
    """Whoever has an account of the inbox, as it says there; the settings for everybody else."""

    def __init__(self, accounts: Accounts, settings: Notify | None) -> None:
        self._accounts = accounts
        self._settings = SettingsDirectory(settings) if settings is not None else None

    def person(self, account: str, auth: str) -> Person | None:
        found = self._accounts.find(account)
        if found is None:
            return self._settings.person(account, auth) if self._settings is not None else None
        if found.disabled or found.role == "viewer":
            return None
        return Person(name=account, groups=frozenset(found.groups), auth=auth)
