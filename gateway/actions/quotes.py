"""Pure: a mail's text without what it quotes.

Nothing is deleted: the whole text is handed over beside. Written by ourselves, since the
libraries for it are stale and know no Chinese, Japanese or Korean mail programs. When in
doubt the text stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_ATTRIBUTION_LINES = 3
MAX_ATTRIBUTION_CHARACTERS = 300
MAX_LINES = 20_000
MAX_NAMED_START = 600  # characters: a name, and an address between "<" and ">"
MAX_ATTRIBUTIONS = 50
MAX_WROTE = 160  # characters at the end of an attribution
FIELDS_OF_BLOCK = 2  # below From; one alone may be what a customer writes

# The last words of "On ... Ann wrote:" in the languages that mail programs write it in.
WROTE = re.compile(
    r"(?:wrote|schrieb.{0,120}|a écrit|escribió|ha scritto|escreveu|schreef.{0,80}|skrev.{0,80}"
    r"|kirjoitti|napisał\(?a?\)?|написала?|写道|寫道|のメッセージ|님이 작성)\s?[:：]\s*$",
    re.IGNORECASE,
)
ATTRIBUTION_START = re.compile(
    r"(?:On|At|Am|Le|El|Il|Em|Op|Den|Dnia)\s|在|于|於|\d{1,4}[-/.年]", re.IGNORECASE
)
NAMED_START = re.compile(r".{0,200}<[^<>\s]+@[^<>\s]+>\s*(?:于|於|在)")  # Gmail in Chinese
NAMED = re.compile(r"[@\d]")
DIVIDER = re.compile(
    r"^[\s>]*[-_*]{2,}\s*(?:Original(?: Message)?|Replied Message|Original-Nachricht"
    r"|Ursprüngliche Nachricht|Message d'origine|Mensaje original|Messaggio originale"
    r"|Mensagem original|Oorspronkelijk bericht|Forwarded message|原始邮件|原始郵件"
    r"|回复的邮件|回复的原邮件|回覆的郵件|回覆的原郵件|转发邮件信息|转发的邮件|轉發郵件信息"
    r"|原邮件|原郵件|元のメッセージ|원본 메시지)\s*[-_*]{2,}\s*$",
    re.IGNORECASE,
)
RULE = re.compile(r"\s*[-_]{5,}\s*$|\s*$")  # what Outlook and Alibaba draw above the block
HEADER_FROM = re.compile(
    r"^\*?(?:From|Von|De|Da|Van|Från|发件人|寄件者|寄件人|差出人|보낸 사람)\*?\s?[:：]",
    re.IGNORECASE,
)
SENT_FIRST = re.compile(r"^(?:Sent|Gesendet):", re.IGNORECASE)
HEADER_OTHER = re.compile(
    r"^\*?(?:Sent|Date|To|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado|Para|Asunto"
    r"|Inviato|Oggetto|发送时间|发送日期|收件人|主题|主旨|寄件日期|日期|送信日時|宛先|件名)\*?\s?[:：]",
    re.IGNORECASE,
)


def without_quotes(text: str) -> str:
    """Return what the sender wrote beside the quotes; all of it when that is nothing."""
    lines = text.splitlines()
    looked_at = [line.replace("&nbsp;", " ") for line in lines[:MAX_LINES]]  # as QQ Mail writes
    end = next(_beginnings(looked_at), None)
    own = lines if end is None else _without_rule(lines[:end])
    kept = "\n".join(_without_trailing_quote(own)).strip()
    return kept or text.strip()


def _beginnings(lines: list[str]) -> Iterator[int]:
    """Yield the lines where a quote begins; of "... wrote:" lines the first ones only."""
    attributions = 0
    for at in range(len(lines)):
        if _begins_block(lines, at):
            yield at
        elif attributions < MAX_ATTRIBUTIONS and (below := _end_of_attribution(lines, at)):
            attributions += 1
            named = NAMED.search(" ".join(lines[at:below]))
            if _quote_follows(lines, below, is_sure=named is not None):
                yield at


def _begins_block(lines: list[str], at: int) -> bool:
    """Whether a divider or Outlook's block of header fields begins here."""
    line = lines[at][:MAX_ATTRIBUTION_CHARACTERS]
    if DIVIDER.match(line):
        return True
    if SENT_FIRST.match(line) and at + 1 < len(lines):  # GMX has Gesendet above Von
        at += 1
    if not HEADER_FROM.match(lines[at][:80]):
        return False
    below = [one for one in lines[at + 1 : at + 5] if HEADER_OTHER.match(one[:80])]
    return len(below) >= FIELDS_OF_BLOCK


def _end_of_attribution(lines: list[str], at: int) -> int | None:
    """Return the line below "On ... wrote:", perhaps wrapped, where that begins here."""
    line = lines[at][:MAX_NAMED_START]
    begins = ATTRIBUTION_START.match(line) or NAMED_START.match(line)
    if not begins and not WROTE.search(lines[at][-MAX_WROTE:]):
        return None
    words = ""
    for end in range(at, min(at + MAX_ATTRIBUTION_LINES, len(lines))):
        if not lines[end].strip():
            return None
        words = f"{words} {lines[end][:MAX_ATTRIBUTION_CHARACTERS]}"
        if WROTE.search(words[-MAX_WROTE:]):
            return end + 1
    return None


def _quote_follows(lines: list[str], at: int, *, is_sure: bool) -> bool:
    """An answer between the quotes keeps the text whole: then only a '>' block may follow.

    A quote without '>' is believed only after an attribution with a date or an address.
    """
    rest = [line for line in lines[at:] if line.strip()]
    if not rest or not rest[0].lstrip().startswith(">"):
        return is_sure
    last_quoted = next(
        n for n in range(len(rest), 0, -1) if rest[n - 1].lstrip().startswith(">")
    )
    return all(line.lstrip().startswith(">") for line in rest[:last_quoted])


def _without_rule(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and RULE.match(lines[end - 1]):
        end -= 1
    return lines[:end]


def _without_trailing_quote(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    return lines[:end]
