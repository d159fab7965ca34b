"""How the sandbox's upstream misbehaves: plain values, changeable while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """A point of an SMTP session at which something may go wrong."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # the command
    CONTENT = "content"  # after the first line of the content
    DOT = "dot"  # the whole content has come, no reply was given


class Fault(StrEnum):
    """What may happen there, instead of a reply."""

    HANG = "hang"  # answer nothing and keep the connection
    DROP = "drop"  # reset the connection; at DOT the mail is lost
    KEEP_AND_DROP = "keep-and-drop"  # at DOT: the mail is kept, the client never learns it
    GARBAGE = "garbage"  # a line that is not SMTP
    ENDLESS_LINE = "endless-line"  # one line that has no end
    ENDLESS_REPLY = "endless-reply"  # a reply whose last line never comes
    FLOOD = "flood"  # replies that nobody asked for, without end
    EARLY = "early"  # the reply to this command, and a yes to what has not come yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """What goes wrong; the default is a provider that behaves.

    A text is a whole reply, such as "451 4.3.0 Try later", given instead of doing what the
    command asks. At DOT a text that begins with "2" keeps the mail; at GREETING, CONTENT and
    with code 421 the connection is closed after it.
    """

    at: Mapping[Phase, str | Fault] = field(default_factory=dict)
    recipients: Mapping[str, str] = field(default_factory=dict)  # address -> reply to RCPT
    slow_seconds: float = 0.0  # before every line of every reply
    refuse_login: str | None = None  # the text after 535
    max_connections: int | None = None  # more are greeted with 421
    rewrite_message_id: str | None = None  # domain of the new id, whose left part the 250 names
    hide_new_id: bool = False  # the 250 does not name it
    refuse_second_signature: bool = False  # as providers that sign themselves may do
    without: frozenset[str] = frozenset()  # extensions not offered: "8BITMIME", "DSN"
