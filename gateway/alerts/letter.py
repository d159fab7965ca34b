"""The mails that tell of troubles: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from gateway.config import AlertSettings
from gateway.mail.ids import new_id
from gateway.mail.trouble import UNANSWERED, Alert, Reminder, Trouble, TroubleChanges

TEST, MANY = "test", "many"
MOST_MAILS = 10  # to one person after one look: a provider may refuse a hundred sign-ins
SEVEN_BIT = SMTP.clone(cte_type="7bit")  # any server takes it
UNFOLDED = SEVEN_BIT.clone(max_line_length=998)  # RFC 5322 §2.1.1

DEAD = "dead"
BY_CODE = """
Enter the new code here, no password is needed:
{link}

It is tried before it replaces the old one. The link ends with the code that works.
"""
BY_SIGN_IN = """
Sign in at the provider from here, and say yes:
{link}

The link ends with the permission that works.
"""
REMINDERS = {
    DEAD: "a new code is needed", "wave": "a provider refuses many mailboxes",
    UNANSWERED: "a buyer waits for an answer",
}  # fmt: skip

Tell = Callable[[Trouble, datetime], tuple[str, str]]
"""A trouble and the time -> subject and text."""


class Scribe:
    """Writes for everyone who is told; `hostname` stands in each subject.

    Reminders name `support`, where there is one, as whom to ask.
    """

    def __init__(
        self, settings: AlertSettings, hostname: str, *, support: str | None = None
    ) -> None:
        self._settings = settings
        self._hostname = hostname
        self._support = support

    def write_all(self, changes: TroubleChanges, *, now: datetime) -> list[Alert]:
        """Return the alerts of a look; nobody hears of the end of what he was not told of."""
        ended = [one.trouble for one in changes.ended if one.is_told]
        return [
            *self._write(changes.told, _begun, now, of_many="{count} things need a person"),
            *self._write(ended, _ended, now, of_many="Resolved: {count} things are over"),
        ]

    def write_reminder(self, reminder: Reminder, now: datetime) -> list[Alert]:
        """Return the mail to the owner of a mailbox, where there is none to the operator."""
        text = f"{reminder.reason}\n\nFix:    {reminder.fix}\n"
        if reminder.link:
            text += (BY_SIGN_IN if reminder.is_sign_in else BY_CODE).format(link=reminder.link)
        if self._support:
            text += f"\nQuestions? Ask {self._support}.\n"
        recipients = [reminder.owner] if reminder.owner else self._settings.to or ()
        return [
            self._alert(
                f"reminder {reminder.kind} {reminder.about}", one,
                subject=f"{reminder.about}: {_need(reminder)}",
                text=text, now=now,
            )
            for one in recipients
        ]  # fmt: skip

    def write_tests(self, *, now: datetime) -> list[Alert]:
        """Return a test alert to each of `to`."""
        text = (
            "This is a test: alerts of the gateway arrive here.\n\n"
            "They tell what happened, since when, why, and what to do; once for each cause,\n"
            "and once more when it is over.\n"
        )
        subject = "Test: alerts arrive"
        return [
            self._alert(TEST, recipient, subject=subject, text=text, now=now)
            for recipient in self._settings.to or ()
        ]

    def _write(
        self, troubles: Sequence[Trouble], tell: Tell, now: datetime, *, of_many: str
    ) -> Iterator[Alert]:
        """Yield a mail for each trouble; whoever would get many of a look gets one of all."""
        for recipient, mine in self._by_recipient(troubles).items():
            if len(mine) <= MOST_MAILS:
                for trouble in mine:
                    subject, text = tell(trouble, now)
                    yield self._alert(
                        trouble.cause, recipient, subject=subject, text=text, now=now
                    )
                continue
            texts = (tell(trouble, now)[1] for trouble in mine)
            yield self._alert(
                MANY, recipient, subject=of_many.format(count=len(mine)),
                text="\n\n".join(texts), now=now,
            )  # fmt: skip

    def _by_recipient(self, troubles: Sequence[Trouble]) -> dict[str, list[Trouble]]:
        found: dict[str, list[Trouble]] = {}
        for trouble in troubles:
            for recipient in self._recipients(trouble):
                found.setdefault(recipient, []).append(trouble)
        return found

    def _recipients(self, trouble: Trouble) -> list[str]:
        told: dict[str, str] = {}
        for one in filter(None, (*(self._settings.to or ()), trouble.owner)):
            told.setdefault(one.casefold(), one)
        return list(told.values())

    def _alert(
        self, cause: str, recipient: str, *, subject: str, text: str, now: datetime
    ) -> Alert:
        message_id = f"<{new_id()}@{self._hostname}>"
        message = EmailMessage(policy=SEVEN_BIT)
        message["Date"] = format_datetime(now)
        message["From"] = f"Mail gateway <{self._settings.sender}>"
        message["To"] = recipient
        message["Subject"] = f"[{self._hostname}] {' '.join(subject.split())}"
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
        message.set_content(f"{text}\n-- \nThe mail gateway at {self._hostname}\n")
        return Alert(
            message_id=message_id,
            cause=cause,
            recipient=recipient,
            content=message.as_bytes(policy=UNFOLDED if subject.isascii() else SEVEN_BIT),
            queued_at=now,
        )


def _need(reminder: Reminder) -> str:
    if reminder.kind == DEAD and reminder.is_sign_in:
        return "its owner has to sign in again"
    return REMINDERS.get(reminder.kind, "its code ends")


def _begun(trouble: Trouble, _now: datetime) -> tuple[str, str]:
    return trouble.what, (
        f"{trouble.what}.\n\n"
        f"Since:  {_when(trouble.since)}\n"
        f"Why:    {trouble.why}\n"
        f"Fix:    {trouble.fix}\n"
        f"Look:   {trouble.command}\n\n"
        "You are told of this once, and once more when it is over.\n"
    )


def _ended(trouble: Trouble, now: datetime) -> tuple[str, str]:
    return f"Resolved: {trouble.what}", (
        f"This is over: {trouble.what}.\n\n"
        f"Since:  {_when(trouble.since)}\n"
        f"Until:  {_when(now)}\n"
        f"Why:    {trouble.why}\n"
    )


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
