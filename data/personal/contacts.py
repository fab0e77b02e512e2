"""Electronic addresses: mail, handles and links to profiles."""

import re
from collections.abc import Iterator

from data.personal.kinds import Kind, Span

_PROVIDERS = r"(?:gmail|hotmail|outlook|yahoo|icloud|live|msn|protonmail|proton|pucp|unmsm)"
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?<![.-])"
    rf"|(?<![\w.+-])[\w.+-]{{1,64}}\s?(?:@|\(at\)|\[at\]|\barroba\b)\s?{_PROVIDERS}(?:\s?(?:\.|\bpunto\b)\s?\w{{2,4}}){{0,2}}(?!\w)"
    r"|(?<![\w.+-])[\w.+-]{1,64}\s(?:arroba|\(at\))\s[\w-]{1,63}(?:\s?(?:\.|\bpunto\b)\s?(?:com|pe|net|org|edu|gob)){1,3}(?!\w)",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@.])@(?=[\d_.]{0,29}[^\W\d_])[\w.]{1,29}\w")
_NAMED_HANDLE = re.compile(
    r"(?<!\w)(?:ig|insta|instagram|tiktok|tik tok|twitter|telegram|face|facebook|fb)(?:\s?[:=]|\s(?:es|soy))\s?"
    r"(?P<handle>(?=[^\W\d_]*[\d_.]\w)[\w.]{3,30}(?<!\.))",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(?<!\w)(?:https?://)?(?:[\w-]{1,20}\.)?(?:(?:facebook|fb|instagram|tiktok|twitter|x|linkedin|threads)\.com|wa\.me|t\.me|fb\.me|instagr\.am)/"
    r"[^\s<>\[\]()\"']{1,200}(?<![.,;:!?])",
    re.IGNORECASE,
)


def find_contacts(text: str) -> Iterator[Span]:
    """Yields the spans of mail addresses, links and handles; they may overlap."""
    for kind, form in ((Kind.EMAIL, _EMAIL), (Kind.LINK, _LINK), (Kind.HANDLE, _HANDLE)):
        for match in form.finditer(text):
            yield Span(match.start(), match.end(), kind)
    for match in _NAMED_HANDLE.finditer(text):
        yield Span(*match.span("handle"), Kind.HANDLE)
