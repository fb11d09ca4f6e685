"""Markdown to HTML that may be shown to anybody: the only HTML that the clients ever insert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from html import unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
# Same-site paths, and addresses that name their host in the open: no user part, no backslash, no `//host`.
SAFE_LINK = re.compile(
    r"(?:https?://[^\s/\\@?#]+(?:[/?#][^\s\\]*)?|/(?![/\\])[^\s\\]*|#[^\s\\]*)", re.IGNORECASE
)


class _SafeMarkdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # the library's own name
        return _is_safe_link(url)


@cache
def _parser() -> MarkdownIt:
    parser = _SafeMarkdown("commonmark", {"html": False, "linkify": False, "breaks": True})
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    parser.add_render_rule("image", _alternative_text)
    return parser


def _is_safe_link(address: str) -> bool:
    return SAFE_LINK.fullmatch(address) is not None


def _alternative_text(
    renderer: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """An image is fetched by merely being shown, and so tells its host something: only its words remain."""
    return escapeHtml(tokens[index].content)


@lru_cache(maxsize=2048)
def render(text: str) -> str:
    """Safe HTML. Links lead to http(s) or to paths of the same site, in a new tab, and pass nothing on."""
    return nh3.clean(
        _parser().render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_keep,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https"},
    ).strip()


def plain(text: str) -> str:
    """The words alone, in one line: for a quotation."""
    return " ".join(unescape(nh3.clean(render(text), tags=set())).split())


def _keep(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        return value if _is_safe_link(value) else None
    # The library lets these two through unasked; nothing of ours needs them.
    return None if attribute in {"title", "lang"} else value
