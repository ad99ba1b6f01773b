from __future__ import annotations

import pytest

from hitl_opa.audit.notes import Signer, Verifier, open_note, sign
from hitl_opa.errors import AuditError

# The vectors of Go's golang.org/x/mod/sumdb/note
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n— PeterNeumann {SIGNATURE}\n"


def test_the_vectors_of_the_format() -> None:
    signer = Signer.parse(SECRET)
    assert str(signer.verifier) == PUBLIC
    assert signer.secret() == SECRET
    assert sign(TEXT, [signer]) == NOTE
    assert open_note(NOTE, [Verifier.parse(PUBLIC)]) == TEXT


def test_any_changed_character_breaks_a_note() -> None:
    keys = [Verifier.parse(PUBLIC)]
    for at, character in enumerate(NOTE):
        changed = NOTE[:at] + ("x" if character != "x" else "y") + NOTE[at + 1 :]
        with pytest.raises(AuditError):
            open_note(changed, keys)
        with pytest.raises(AuditError):
            open_note(NOTE[:at], keys)


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_breaks_a_note(bit: int) -> None:
    """Those too that base64 has to spare in its last character."""
    for at in range(len(NOTE.encode())):
        data = bytearray(NOTE.encode())
        data[at] ^= 1 << bit
        with pytest.raises(AuditError):
            open_note(data.decode("utf-8", "backslashreplace"), [Verifier.parse(PUBLIC)])


def test_signatures_of_unknown_keys_are_passed_over_but_one_must_be_known() -> None:
    one, other = Signer.new("one"), Signer.new("other")
    note = sign("text\n", [one, other])
    assert open_note(note, [one.verifier]) == open_note(note, [other.verifier]) == "text\n"
    with pytest.raises(AuditError, match=r"none of the known keys signed the note \(signed by one\+.*, other\+"):
        open_note(note, [Signer.new("one").verifier])


def test_one_wrong_signature_of_a_known_key_is_enough_to_refuse() -> None:
    one, other = Signer.new("one"), Signer.new("other")
    forged = sign("text\n", [one]) + sign("another\n", [other]).splitlines(keepends=True)[-1]
    with pytest.raises(AuditError, match="signature of other does not fit"):
        open_note(forged, [one.verifier, other.verifier])


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n", "a\n\nb\n", "a\n\n— x\n", "a\n\n— x ###\n", "a\t\n\n— x AAAAAAAA\n"]
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(AuditError, match="no signed note"):
        open_note(note, [Verifier.parse(PUBLIC)])


@pytest.mark.parametrize(
    "key", ["", "x", "a+b+c", "PeterNeumann+c74f20a3+AxpC", PUBLIC[:-4], PUBLIC.replace("c74", "c75")]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(AuditError, match="key"):
        Verifier.parse(key)
    with pytest.raises(AuditError, match="key"):
        Signer.parse(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u202e"])
def test_names_that_notes_cannot_carry(name: str) -> None:
    with pytest.raises(AuditError, match="cannot name a key"):
        Signer.new(name)


def test_errors_do_not_tell_the_private_key() -> None:
    with pytest.raises(AuditError) as caught:
        Signer.parse(SECRET.replace("c74f20a3", "c74f20a4"))
    assert SECRET[-20:] not in str(caught.value)
