"""Login through an OpenID Connect provider: authorization code with PKCE. The only module that knows joserfc."""

from __future__ import annotations

import asyncio
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import aiohttp
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from hitl_opa.approvals.accounts import Account
from hitl_opa.config import OidcProvider
from hitl_opa.errors import ApprovalError
from hitl_opa.server.inbox.visitor import Visitors, set_cookie, sign

STATE = "hitl_oidc"


class Oidc:
    """``/inbox/oidc`` sends to the provider, ``/inbox/oidc/back`` is where it sends back to.

    Whoever the provider vouches for and whose groups give a role here gets an account, named by the
    claim of the settings; role and groups are the provider's at each login.
    """

    def __init__(self, settings: OidcProvider, visitors: Visitors) -> None:
        self._settings = settings
        self._visitors = visitors
        self._about: dict[str, Any] | None = None

    async def start(self, request: Request) -> Response:
        about = await self._metadata()
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back(request),
            "scope": " ".join(["openid", "profile", "email", *self._settings.scopes]),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{about['authorization_endpoint']}?{urlencode(query)}", 303)
        set_cookie(request, response, STATE, f"{state}.{verifier}.{nonce}", 600)
        return response

    async def back(self, request: Request) -> Response:
        kept = request.cookies.get(STATE, "").split(".")
        given = request.query_params
        if len(kept) != 3 or not given.get("code") or sign(kept[0], "state") != sign(given.get("state", ""), "state"):
            return PlainTextResponse("This login was not begun here, or is too old: begin it again.", 403)
        try:
            claims = await self._claims(request, given["code"], kept[1], kept[2])
            account = await asyncio.to_thread(self._account, claims)
        except Exception as error:  # noqa: BLE001 - whatever fails on the way to a login is none
            return PlainTextResponse(f"The login failed: {error}", 403)
        response = RedirectResponse("/inbox", 303)
        await asyncio.to_thread(self._visitors.log_in, request, response, account, "oidc")
        response.delete_cookie(STATE, path="/inbox")
        return response

    async def _claims(self, request: Request, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """What the provider's signed token says."""
        about = await self._metadata()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back(request),
            "code_verifier": verifier,
            "client_id": self._settings.client_id,
            "client_secret": self._settings.secret(),
        }
        async with self._session() as session:
            async with session.post(about["token_endpoint"], data=asked) as answer:
                token = await answer.json()
            async with session.get(about["jwks_uri"]) as answer:
                keys = await answer.json()
        read = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["RS256", "ES256", "EdDSA"])
        jwt.JWTClaimsRegistry(
            now=int(self._visitors.now()),
            leeway=60,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(read.claims)
        return dict(read.claims)

    def _account(self, claims: dict[str, Any]) -> Account:
        settings, accounts = self._settings, self._visitors.accounts
        stated = claims.get(settings.groups_claim, [])
        groups = [g for g in stated if isinstance(g, str)] if isinstance(stated, list) else []
        roles = [role for role in ("admin", "reviewer", "viewer") if set(groups) & set(settings.roles.get(role, []))]
        if not roles:
            raise ApprovalError("none of your groups has a role here")
        subject = f"{settings.issuer} {claims['sub']}"
        found = accounts.of_subject(subject)
        if found is None:
            name = claims.get(settings.name_claim)
            if not isinstance(name, str):
                raise ApprovalError(f"the provider says no {settings.name_claim} of you")
            return accounts.add(name, roles[0], groups, self._visitors.now(), subject=subject)
        if found.disabled:
            raise ApprovalError("this account is locked")
        return accounts.change(found.name, role=roles[0], groups=groups)

    async def _metadata(self) -> dict[str, Any]:
        if self._about is None:
            address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
            async with self._session() as session, session.get(address) as answer:
                about: dict[str, Any] = await answer.json()
            if about.get("issuer") != self._settings.issuer:
                raise ApprovalError("the provider is another one than the settings name")
            self._about = about
        return self._about

    def _back(self, request: Request) -> str:
        return self._settings.redirect or str(request.url_for("oidc_back"))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), raise_for_status=True)
