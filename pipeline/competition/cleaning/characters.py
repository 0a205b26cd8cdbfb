"""Rules of text, I: characters that nobody sees, and what HTML leaves behind. A rule takes a text and gives it back.

A rule that meets nothing gives back the very text that it was given, after a look at one or two characters.
"""

import html
import re
import unicodedata

# as separators they become spaces or lines; the rest of the controls are nothing
_LINES = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# C0 and C1 controls but tab and line feed; soft hyphen; zero-width space and non-joiner, direction marks, word joiner,
# invisible operators, byte order mark, interlinear annotations. A joiner holds emoji together (👨‍👩‍👧) and stays there.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
    "\ufff9-\ufffb]|(?<![\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2190-\u2bff\U0001f000-\U0001faff])"
)
_GAP = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LINE_END = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# whose tags stand in a line of their own, apart from the words beside them, or in the middle of a sentence
_BLOCKS = (
    "address|article|aside|blockquote|body|br|caption|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    "h[1-6]|head|header|hr|html|iframe|li|main|nav|ol|option|p|pre|section|select|table|tbody|tfoot|thead|title|tr|ul"
)
_CELLS = "audio|button|embed|img|input|object|param|source|td|textarea|th|video"
_INLINE = (
    "a|abbr|b|big|cite|code|del|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong|sub|sup|tt|u|var|wbr"
)
# no words and no initials that a sentence could have in such brackets (<p>, <title>, <main>): tags even when alone
_ALONE = {"br", "hr", "wbr", "div", "span", "tbody", "thead", "tfoot", "li", "ul", "ol", "td", "tr", "img"}
_BLOCK, _CELL = re.compile(_BLOCKS), re.compile(_CELLS)
_TAG = re.compile(rf"<(/?)({_BLOCKS}|{_CELLS}|{_INLINE})(\s[^<>]{{0,2000}})?\s*/?>", re.IGNORECASE)
_HIDDEN = re.compile(
    r"<!--.{0,9999}?-->|<(script|style)\b[^<>]{0,999}>.{0,9999}?</\1\s{0,9}>", re.IGNORECASE | re.DOTALL
)


def compose(text: str) -> str:
    """NFC: NFD Hangul looks the same and shares no token with it."""
    return unicodedata.normalize("NFC", text)


def drop_unseen(text: str) -> str:
    """Without control and zero-width characters; separators among them become line feeds, the smallest a space."""
    # only line feeds, that is, and what can be seen, and the space
    if text.replace("\n", "").isprintable():
        return text
    return _UNSEEN.sub("", _LINES.sub("\n", text.replace("\r\n", "\n")).replace("\x1f", " "))


def squeeze_spaces(text: str) -> str:
    """One space for a run of any white space in a line, none at a line's ends, at most one empty line, none around."""
    text = _GAP.sub(" ", text)
    if "\n" in text:
        text = _EMPTY_LINES.sub("\n\n", _LINE_END.sub("\n", text))
    return text.strip()


def drop_html(text: str) -> str:
    """Without the tags, comments and entities that a web page left in it.

    `&quot;` becomes `"`, also where it was escaped twice. A tag has the name of an HTML element and is closed somewhere
    in the text, has attributes, or can be nothing else (`<br>`): the title <Her>, the heading <표 1>, the mark <A>
    and `a < b > c` stay. Blocks become line feeds, cells spaces, what stands in a sentence nothing.
    """
    while "&" in text and (plain := _ENTITY.sub(_unescape, text)) != text:
        text = plain
    if "<" not in text:
        return text
    text = _HIDDEN.sub(" ", text)
    closed = {found[2].lower() for found in _TAG.finditer(text) if found[1]}

    def replace(found: re.Match[str]) -> str:
        name = found[2].lower()
        if not (found[1] or name in _ALONE or name in closed or "=" in (found[3] or "")):
            return found[0]
        return "\n" if _BLOCK.fullmatch(name) else " " if _CELL.fullmatch(name) else ""

    return _TAG.sub(replace, text)


def _unescape(found: re.Match[str]) -> str:
    plain = html.unescape(found[0])
    # a carriage return would be a line end that reading has made a line feed of already
    return "\n" if plain == "\r" else plain
