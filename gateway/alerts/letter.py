"""The mails that tell of troubles: pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from gateway.config import AlertSettings
from gateway.mail.ids import new_id
from gateway.mail.trouble import Alert, Trouble, TroubleChanges

TEST = "test"
SEVEN_BIT = SMTP.clone(cte_type="7bit")  # any server takes it
UNFOLDED = SEVEN_BIT.clone(max_line_length=998)  # RFC 5322 §2.1.1


class Scribe:
    """Writes for everyone who is told; `hostname` stands in each subject."""

    def __init__(self, settings: AlertSettings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname

    def write_all(self, changes: TroubleChanges, *, now: datetime) -> list[Alert]:
        """Return the alerts of a look; nobody hears of the end of what he was not told of."""
        begun = [one for trouble in changes.told for one in self._begun(trouble, now)]
        ended = [
            one
            for known in changes.ended
            if known.is_told
            for one in self._ended(known.trouble, now)
        ]
        return [*begun, *ended]

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

    def _begun(self, trouble: Trouble, now: datetime) -> Iterator[Alert]:
        text = (
            f"{trouble.what}.\n\n"
            f"Since:  {_when(trouble.since)}\n"
            f"Why:    {trouble.why}\n"
            f"Fix:    {trouble.fix}\n"
            f"Look:   {trouble.command}\n\n"
            "You are told of this once, and once more when it is over.\n"
        )
        for recipient in self._recipients(trouble):
            yield self._alert(
                trouble.cause, recipient, subject=trouble.what, text=text, now=now
            )

    def _ended(self, trouble: Trouble, now: datetime) -> Iterator[Alert]:
        text = (
            f"This is over: {trouble.what}.\n\n"
            f"Since:  {_when(trouble.since)}\n"
            f"Until:  {_when(now)}\n"
            f"Why:    {trouble.why}\n"
        )
        subject = f"Resolved: {trouble.what}"
        for recipient in self._recipients(trouble):
            yield self._alert(trouble.cause, recipient, subject=subject, text=text, now=now)

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


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
