from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hitl_opa.markdown import code, plain


@given(st.text(max_size=60))
def test_a_code_span_holds_any_text(text: str) -> None:
    tokens = MarkdownIt("commonmark").parseInline(code(text))[0].children or []
    assert [token.type for token in tokens] == ["code_inline"]


@given(st.text(max_size=60))
def test_plain_text_has_no_meaning(text: str) -> None:
    tokens = MarkdownIt("commonmark").parseInline(plain(text))[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special", "softbreak"}
