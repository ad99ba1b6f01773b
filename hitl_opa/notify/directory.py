"""The accounts of `hitl-opa users`, as those that buttons, links and webhooks speak for."""

from __future__ import annotations

from hitl_opa.approvals import Person
from hitl_opa.approvals.accounts import Accounts


class AccountDirectory:
    """Whoever has an account that is not disabled. What its role may do is for policy to say."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def person(self, account: str, auth: str) -> Person | None:
        found = self._accounts.find(account)
        if found is None or found.disabled:
            return None
        return Person(
            name=found.name, groups=frozenset(found.groups), roles=frozenset({found.role}), auth=auth
        )  # never authenticated: nobody has logged in
