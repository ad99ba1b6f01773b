"""Tokens: genuine ones are read back, everything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from hitl_opa.approvals.letter import Link
from hitl_opa.errors import NotifyError
from hitl_opa.notify.links import Signer

OLD, NEW = "o" * 32, "n" * 32
LINK = Link(approval="a1", digest="sha256:1", reviewer="rita", nonce="x")
TOKEN = Signer([NEW]).sign("review-link", LINK)


def test_a_token_is_read_back_and_fits_into_a_url() -> None:
    signed = Signer([NEW]).sign("review-link", LINK)
    read, _ = Signer([NEW]).read("review-link", signed, 60)
    assert read == LINK
    assert signed.isascii()
    assert set(signed) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_keys_are_replaced_without_voiding_what_is_out() -> None:
    before = Signer([OLD]).sign("review-link", LINK)
    assert Signer([NEW, OLD]).read("review-link", before, 60)[0] == LINK
    after = Signer([NEW, OLD]).sign("review-link", LINK)
    assert Signer([NEW]).read("review-link", after, 60)[0] == LINK
    with pytest.raises(NotifyError, match="not ours"):
        Signer([NEW]).read("review-link", before, 60)


def test_no_token_serves_another_purpose() -> None:
    with pytest.raises(NotifyError, match="not ours"):
        Signer([NEW]).read("slack-button", TOKEN, 60)


def test_a_token_that_is_too_old() -> None:
    with pytest.raises(NotifyError, match="too old"):
        Signer([NEW]).read("review-link", TOKEN, -1)


@pytest.mark.parametrize("said", [None, [], "x", {}, {"approval": "a1"}, {**dict.fromkeys(Link.__struct_fields__, 1)}])
def test_what_is_signed_and_makes_no_sense(said: object) -> None:
    class Other(Signer):
        def _serializer(self, purpose: str) -> URLSafeTimedSerializer:  # type: ignore[override]
            return super()._serializer(purpose)  # type: ignore[no-any-return, arg-type]

    token = Other([NEW])._serializer("review-link").dumps(said)
    with pytest.raises(NotifyError, match="not ours"):
        Signer([NEW]).read("review-link", str(token), 60)


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_token_in_which_anything_changed(at: int, character: str) -> None:
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed == TOKEN:
        return
    try:
        read, _ = Signer([NEW]).read("review-link", changed, 60)
    except NotifyError:
        return
    assert read == LINK  # the last character of base64 has bits that say nothing


@given(st.text(max_size=200))
def test_junk_is_refused(token: str) -> None:
    with pytest.raises(NotifyError):
        Signer([NEW]).read("review-link", token, 60)


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"]])
def test_keys_that_keep_nobody_out(keys: list[str]) -> None:
    with pytest.raises(NotifyError, match="key"):
        Signer(keys)
