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
MAX_ATTRIBUTIONS = 50

# The last words of "On ... Ann wrote:" in the languages that mail programs write it in.
WROTE = re.compile(
    r"(?:wrote|schrieb.{0,80}|a écrit|escribió|ha scritto|escreveu|schreef.{0,80}|skrev.{0,80}"
    r"|kirjoitti|napisał\(?a?\)?|написала?|写道|寫道|のメッセージ|님이 작성)\s?[:：]\s*$",
    re.IGNORECASE,
)
ATTRIBUTION_START = re.compile(
    r"(?:On|Am|Le|El|Il|Em|Op|Den|Dnia)\s|在|于|於|\d{1,4}[-/.年]", re.IGNORECASE
)
DIVIDER = re.compile(
    r"^[\s>]*[-_*]{2,}\s*(?:Original Message|Original-Nachricht|Ursprüngliche Nachricht"
    r"|Message d'origine|Mensaje original|Messaggio originale|Mensagem original"
    r"|Oorspronkelijk bericht|Forwarded message|原始邮件|原始郵件|回复的邮件|回覆的郵件"
    r"|原邮件|元のメッセージ|원본 메시지)\s*[-_*]{2,}\s*$",
    re.IGNORECASE,
)
HEADER_FROM = re.compile(
    r"^\*?(?:From|Von|De|Da|Van|Från|发件人|寄件者|寄件人|差出人|보낸 사람)\*?\s?[:：]",
    re.IGNORECASE,
)
HEADER_OTHER = re.compile(
    r"^\*?(?:Sent|Date|To|Subject|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado|Para|Asunto"
    r"|Inviato|Oggetto|发送时间|发送日期|收件人|主题|主旨|寄件日期|日期|送信日時|宛先|件名)\*?\s?[:：]",
    re.IGNORECASE,
)


def without_quotes(text: str) -> str:
    """Return what the sender wrote beside the quotes; all of it when that is nothing."""
    lines = text.splitlines()
    looked_at = lines[:MAX_LINES]
    begun = (at for at in _candidates(looked_at) if _begins_quote(looked_at, at))
    end = next(begun, len(lines))
    kept = "\n".join(_without_trailing_quote(lines[:end])).strip()
    return kept or text.strip()


def _candidates(lines: list[str]) -> Iterator[int]:
    """Yield the lines where a quote may begin; of "... wrote:" lines the first ones only."""
    attributions = 0
    for at, line in enumerate(lines):
        attributions += bool(WROTE.search(line[-120:]))
        if attributions <= MAX_ATTRIBUTIONS:
            yield at


def _begins_quote(lines: list[str], at: int) -> bool:
    line = lines[at][:MAX_ATTRIBUTION_CHARACTERS]
    if DIVIDER.match(line):
        return True
    if HEADER_FROM.match(line):  # Outlook's block: From, then Sent or To right below
        return any(HEADER_OTHER.match(one[:80]) for one in lines[at + 1 : at + 4])
    return _is_attribution(lines, at)


def _is_attribution(lines: list[str], at: int) -> bool:
    """Whether "On ... wrote:" begins here, perhaps wrapped, with nothing but quotes below."""
    if not ATTRIBUTION_START.match(lines[at]) and not WROTE.search(lines[at][-120:]):
        return False
    for end in range(at, min(at + MAX_ATTRIBUTION_LINES, len(lines))):
        if WROTE.search(lines[end][-120:]):
            return _quote_follows(lines, end + 1)
        if not lines[end].strip():
            return False
    return False


def _quote_follows(lines: list[str], at: int) -> bool:
    """An answer between the quotes keeps the text whole: then only a '>' block may follow."""
    rest = [line for line in lines[at:] if line.strip()]
    if not rest or not rest[0].lstrip().startswith(">"):
        return True
    last_quoted = next(
        n for n in range(len(rest), 0, -1) if rest[n - 1].lstrip().startswith(">")
    )
    return all(line.lstrip().startswith(">") for line in rest[:last_quoted])


def _without_trailing_quote(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    return lines[:end]
