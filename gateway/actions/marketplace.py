"""Pure: what Amazon forbids in a mail to a buyer, as far as a program can find it.

What no person wrote is refused for it: a miss may cost a seller the account. A person is
warned of words, which may be right: an answer is owed within 24 hours, and Amazon's own filter
has the last word. Whom Amazon would not take it from, and what it never passes on, is refused
to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.actions.parts import Attachment, Parts, read_parts, text_of_html
from gateway.mail.message import parse_message

MAX_LOOKED_AT = 256 * 1024  # characters of a text
MAX_ATTACHED_BYTES = 10 * 1024 * 1024
MAX_SHOWN = 60
MOST_NAMED = 3
IMPORTANT = "[Important]"  # makes Amazon pass on what a buyer does not want: misuse is punished
ENDINGS = frozenset({
    "pdf", "doc", "docx", "txt", "jpg", "jpeg", "png", "gif", "tif", "tiff", "bmp", "csv",
    "xls", "xlsx",
})  # fmt: skip
OF_AMAZON = re.compile(r"(?:[a-z0-9-]+\.)*amazon\.(?:com|[a-z]{2}|com?\.[a-z]{2})", re.ASCII)
LINK = re.compile(r"https?://[^\s<>\"')\]]{1,2000}", re.IGNORECASE)
BARE_LINK = re.compile(
    r"(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,5}"
    r"(?:com|net|org|info|biz|shop|store|online|site|io|eu|cn|de|fr|it|es|nl|pl|se|jp|uk)"
    r"(?![\w@-]|\.\w)",
    re.IGNORECASE | re.ASCII,
)
IN_PAGE = re.compile(r"(?:href|src|background)\s*=\s*[\"']?([^\s\"'<>]{1,2000})", re.IGNORECASE)
ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,}")
ORDER = re.compile(r"(?<!\d)\d{3}-\d{7}-\d{7}(?!\d)")  # Amazon's order id
DAY = re.compile(r"(?<!\d)(?:\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4})(?!\d)")
PHONE = re.compile(
    r"(?<![\w+])(?:\+|00)\d{1,3}[ ()./-]{0,2}\d(?:[ ()./-]{0,2}\d){6,12}(?!\d)"  # +49 30 123456
    r"|(?<![\w-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"  # (555) 123-4567
    r"|(?<![\w-])0\d{1,4}[ /-]\d(?:[ -]?\d){5,9}(?![\w-])"  # 030 1234567
    r"|(?<!\d)1[3-9]\d{9}(?!\d)"  # a mobile in China
    r"|(?:tel|phone|call|fax|mobile|whatsapp|telefon|téléphone|电话|手机|微信|電話)"
    r"\W{0,3}\d(?:[ ()./-]?\d){5,14}",
    re.IGNORECASE,
)
REVIEW = re.compile(
    r"review|rating|feedback|bewertung|rezension|\bavis\b|évaluation|recensione|reseña|valoración"
    r"|beoordeling|recenzj|评价|好评|评论|レビュー",
    re.IGNORECASE,
)
REWARD = re.compile(
    r"refund|gift|discount|coupon|voucher|cash ?back|reward|erstattung|geschenk|rabatt"
    r"|gutschein|rembours|cadeau|remise|rimborso|regalo|sconto|buono|reembolso|descuento|cupón"
    r"|terugbetaling|korting|zwrot|prezent|rabat|返现|退款|礼品|优惠|返金|ギフト|割引",
    re.IGNORECASE,
)
ADVERTISING = re.compile(
    r"coupon|voucher|promo(?:tion)? ?code|special offer|\d ?% off|newsletter|gutschein"
    r"|sonderangebot|code promo|codice sconto|cupón|优惠券|促销|クーポン",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """What a mail to a buyer must not hold, each in some words, each once."""

    words: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()  # that only a person may set

    @property
    def to_robots(self) -> tuple[str, ...]:
        """What an automatic mail is refused for."""
        return (*self.words, *self.attached, *self.marks)


def find_forbidden(content: bytes) -> Forbidden:
    """Return what Amazon forbids in a mail."""
    parts, subject = read_parts(content), parse_message(content).text("Subject")
    return Forbidden(
        words=tuple(dict.fromkeys(_of_words(parts))),
        attached=tuple(dict.fromkeys(_of_attachments(parts.attachments))),
        marks=(IMPORTANT,) if IMPORTANT.casefold() in subject.casefold() else (),
    )


def find_wrong_sender(header_from: str, registered: Sequence[str]) -> str | None:
    """Return why Amazon would not pass a mail on, or None.

    `registered` are the mailboxes that buyers write to; none: nothing is known.
    """
    if not registered or header_from.casefold() in {one.casefold() for one in registered}:
        return None
    right = " or ".join(f"<{one}>" for one in registered[:MOST_NAMED])
    return (
        f"Amazon takes mail to this buyer only from the address that is registered there: write"
        f" as {right}, not as <{header_from}>"
    )


def _of_words(parts: Parts) -> Iterator[str]:
    page = parts.html[:MAX_LOOKED_AT]
    shown = f"{parts.text[:MAX_LOOKED_AT]}\n{text_of_html(page)}"
    for host in _foreign_hosts(shown, page):
        yield f"a link to {host}"
    if ADDRESS.search(shown) or "mailto:" in page.casefold():
        yield "an e-mail address"
    if PHONE.search(DAY.sub(" ", ORDER.sub(" ", shown))):
        yield "a telephone number"
    if REVIEW.search(shown) and REWARD.search(shown):
        yield "a review beside a refund, gift or discount"
    if ADVERTISING.search(shown):
        yield "advertising"


def _foreign_hosts(shown: str, page: str) -> Iterator[str]:
    """Yield the hosts, not Amazon's, of links and of pictures that are loaded."""
    linked = [one for one in IN_PAGE.findall(page) if "//" in one]
    for link in [*LINK.findall(shown), *linked]:
        host = _host_of(link)
        if not OF_AMAZON.fullmatch(host):
            yield host[:MAX_SHOWN] or "a place without a name"
    for host in BARE_LINK.findall(LINK.sub(" ", shown)):
        if not OF_AMAZON.fullmatch(host.lower()):
            yield host.lower()[:MAX_SHOWN]


def _host_of(link: str) -> str:
    try:
        return urlsplit(link).hostname or ""
    except ValueError:
        return ""


def _of_attachments(attachments: Sequence[Attachment]) -> Iterator[str]:
    for one in attachments:
        if one.name.rpartition(".")[2].casefold() not in ENDINGS:
            yield f"the attachment {one.name[:MAX_SHOWN]}"
    if sum(len(one.content) for one in attachments) > MAX_ATTACHED_BYTES:
        yield "attachments of more than 10 MB"
