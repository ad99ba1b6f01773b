"""Login through a provider that really signs tokens, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette

from hitl_opa.config import Config, Inbox, OidcProvider
from hitl_opa.server.inbox import inbox_routes


class Provider:
    """As much of an OpenID provider as a login takes; ``claims`` change what it says."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.claims: dict[str, Any] = {}
        self.signs_with = self.key
        self.asked: dict[str, str] = {}
        self.token_requests: list[dict[str, str]] = []
        self.issuer = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self.about)
        app.router.add_post("/token", self.token)
        app.router.add_get("/keys", self.keys)
        return app

    async def about(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
        )

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.token_requests.append(form)
        if form.get("code") != "the-code":
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = {
            "iss": self.issuer,
            "aud": "hitl-opa",
            "sub": "u-1",
            "exp": 4_000_000_000,
            "nonce": self.asked.get("nonce", ""),
            "email": "rita@example.com",
            "groups": ["sre", "everybody"],
            **self.claims,
        }
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.signs_with)
        return web.json_response({"id_token": signed, "access_token": "x", "token_type": "Bearer"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    runner = web.AppRunner(provider.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    provider.issuer = f"http://127.0.0.1:{port}"
    yield provider
    await runner.cleanup()


@pytest.fixture
def app(office: Any, provider: Provider) -> Starlette:
    oidc = OidcProvider(
        issuer=provider.issuer,
        client_id="hitl-opa",
        client_secret="s3cret",
        roles={"reviewer": ["sre"], "admin": ["platform"]},
    )
    routes = inbox_routes(
        office.approvals, office.accounts, office.guard.audit, Config(inbox=Inbox(oidc=oidc)), office.clock.seconds
    )
    return Starlette(routes=routes)


async def come_back(browser: Any, app: Starlette, provider: Provider, code: str = "the-code", **changes: str) -> Any:
    """Begin a login, and return from the provider. The browser, and the answer that it got."""
    one = browser(app=app)
    begun = await one.get("/inbox/oidc")
    assert begun.status_code == 303
    address = urlsplit(begun.headers["location"])
    assert f"{address.scheme}://{address.netloc}" == provider.issuer
    provider.asked = {name: values[0] for name, values in parse_qs(address.query).items()}
    state = changes.get("state", provider.asked["state"])
    return one, await one.get(f"/inbox/oidc/back?code={code}&state={state}")


async def test_a_login(browser: Any, app: Starlette, provider: Provider, office: Any) -> None:
    assert "single sign-on" in (await browser(app=app).get("/inbox/login")).text
    one, answer = await come_back(browser, app, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    assert "rita@example.com" in (await one.get("/inbox")).text
    account = office.accounts.get("rita@example.com")
    assert (account.role, account.groups, account.password) == ("reviewer", ["everybody", "sre"], "")
    assert provider.asked["code_challenge_method"] == "S256"
    (asked,) = provider.token_requests
    assert len(asked["code_verifier"]) >= 43
    assert asked["client_secret"] == "s3cret"


async def test_role_and_groups_are_the_providers_each_time(
    browser: Any, app: Starlette, provider: Provider, office: Any
) -> None:
    await come_back(browser, app, provider)
    provider.claims = {"groups": ["platform"]}
    await come_back(browser, app, provider)
    account = office.accounts.get("rita@example.com")
    assert (account.role, account.groups) == ("admin", ["platform"])


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"groups": ["everybody"]}, "none of your groups"),
        ({"groups": "sre"}, "none of your groups"),
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another"}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"email": None}, "says no email"),
        ({"email": "rita"}, "already"),  # nobody takes over an account with a password
    ],
)
async def test_no_login(
    browser: Any, app: Starlette, provider: Provider, office: Any, claims: dict[str, Any], why: str
) -> None:
    provider.claims = claims
    one, answer = await come_back(browser, app, provider)
    assert answer.status_code == 403
    assert why in answer.text
    assert (await one.get("/inbox")).status_code == 303
    assert {a.name for a in office.accounts.listed()} == {"rita", "vera"}


async def test_a_token_that_somebody_else_signed(browser: Any, app: Starlette, provider: Provider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "k1"})
    _, answer = await come_back(browser, app, provider)
    assert answer.status_code == 403


async def test_a_login_that_was_not_begun_here(browser: Any, app: Starlette, provider: Provider) -> None:
    for changes in ({"state": "another"}, {"code": "stolen"}):
        _, answer = await come_back(browser, app, provider, **changes)
        assert answer.status_code == 403
    assert (await browser(app=app).get("/inbox/oidc/back?code=the-code&state=x")).status_code == 403


async def test_who_is_disabled_stays_out(browser: Any, app: Starlette, provider: Provider, office: Any) -> None:
    await come_back(browser, app, provider)
    office.accounts.change("rita@example.com", disabled=True)
    _, answer = await come_back(browser, app, provider)
    assert answer.status_code == 403
    assert "locked" in answer.text


def test_a_secret_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    provider = OidcProvider(issuer="https://x", client_id="c", client_secret="${OIDC_SECRET}", roles={})
    monkeypatch.setenv("OIDC_SECRET", "from there")
    assert provider.secret() == "from there"
    monkeypatch.delenv("OIDC_SECRET")
    with pytest.raises(Exception, match="OIDC_SECRET is not set"):
        provider.secret()
