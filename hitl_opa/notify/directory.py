"""The accounts that ``notify.people`` names, where there are no others."""

from __future__ import annotations

from hitl_opa.approvals import Person
from hitl_opa.channels import Notify


class SettingsDirectory:
    """Whoever the settings list, with the groups that they list."""

    def __init__(self, settings: Notify) -> None:
        self._people = {contact.account: contact for contact in settings.people}

    def person(self, account: str, auth: str) -> Person | None:
        contact = self._people.get(account)
        return None if contact is None else Person(name=account, groups=frozenset(contact.groups), auth=auth)
