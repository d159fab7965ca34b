"""What the gateway says of mailboxes: sign-ins, health, codes, and what is fetched."""

from __future__ import annotations

from gateway.log_formats import name_fault, say_error, say_info, say_warn


def message_fetched(
    *, message_id: str, mailbox: str, folder: str, uid: int, size_bytes: int
) -> None:
    """Record that a message was fetched and is stored."""
    say_info(
        "message.fetched",
        id=message_id,
        mailbox=mailbox,
        folder=folder,
        uid=uid,
        size_bytes=size_bytes,
    )


def message_moved(*, message_id: str, mailbox: str, folder: str) -> None:
    """Record that a message we have lies in another folder, too: a person moved it."""
    say_info("message.moved", id=message_id, mailbox=mailbox, folder=folder)


def message_set_aside(*, message_id: str, mailbox: str, uid: int, reason: str) -> None:
    """Record that a message could not be taken in and was set aside; its mailbox goes on."""
    say_warn("message.set_aside", id=message_id, mailbox=mailbox, uid=uid, reason=reason)


def message_not_stored(*, mailbox: str, uid: int, error: BaseException) -> None:
    """Record that a fault of ours kept a message out of the store; it is tried again."""
    say_error("message.not_stored", mailbox=mailbox, uid=uid, error=name_fault(error))


def sent_id_learned(*, message_id: str, mailbox: str, theirs: str) -> None:
    """Record the Message-ID that a provider gave a mail, as its own copy shows."""
    say_info("message.renamed", id=message_id, mailbox=mailbox, theirs=theirs)


def mailbox_renumbered(*, mailbox: str, folder: str, messages: int, new: int) -> None:
    """Record that a folder has another UIDVALIDITY; `new` of its messages are not known."""
    say_warn("mailbox.renumbered", mailbox=mailbox, folder=folder, messages=messages, new=new)


def ledger_compared(
    *, mailbox: str, folder: str, server: int, known: int, missing: int, fetched: int
) -> None:
    """Record what a folder has on the server against what we have of it."""
    tell = say_warn if missing else say_info
    tell(
        "mailbox.ledger",
        mailbox=mailbox,
        folder=folder,
        server=server,
        known=known,
        missing=missing,
        fetched=fetched,
    )


def code_renewed(*, tenant: str, mailbox: str, by_file: bool) -> None:
    """Record that a code was proven and is in use from now on."""
    say_info("mailbox.code_renewed", tenant=tenant, mailbox=mailbox, by_file=by_file)


def code_refused(*, tenant: str, mailbox: str, cause: str, said: str) -> None:
    """Record that a code did not open the mailbox; the one before stays in use."""
    say_warn("mailbox.code_refused", tenant=tenant, mailbox=mailbox, cause=cause, said=said)


def mailbox_reminder(*, tenant: str, mailbox: str, kind: str, owner: str) -> None:
    """Record that somebody is reminded of a mailbox's code."""
    say_warn("mailbox.reminder", tenant=tenant, mailbox=mailbox, kind=kind, owner=owner or None)


def provider_wave(*, provider: str, mailboxes: int) -> None:
    """Record that a provider refuses many mailboxes of several tenants at once."""
    say_error("provider.wave", provider=provider, mailboxes=mailboxes)


def after_fetch_refused(*, mailbox: str, action: str, uid: int, text: str) -> None:
    """Record that the server refused what `after_fetch` asks for; the message is fetched."""
    say_warn("mailbox.after_fetch_refused", mailbox=mailbox, action=action, uid=uid, text=text)


def folder_not_opened(*, mailbox: str, folder: str, text: str) -> None:
    """Record that nothing is fetched from a folder: the server does not open it."""
    say_warn("mailbox.folder_not_opened", mailbox=mailbox, folder=folder, text=text)


def mailbox_connected(*, mailbox: str, host: str, idle: bool) -> None:
    """Record that a mailbox is signed in and watched."""
    say_info("mailbox.connected", mailbox=mailbox, host=host, idle=idle)


def mailbox_unreachable(*, mailbox: str, reason: str, next_try_seconds: float) -> None:
    """Record that a mailbox's server could not be talked to; it is tried again."""
    say_warn(
        "mailbox.unreachable",
        mailbox=mailbox,
        reason=reason,
        next_try_seconds=round(next_try_seconds, 1),
    )


def mailbox_refused(
    *, mailbox: str, phase: str, cause: str, text: str, next_try_seconds: float
) -> None:
    """Record that a server refused a sign-in or a folder, with its words."""
    say_warn(
        "mailbox.refused",
        mailbox=mailbox,
        phase=phase,
        cause=cause,
        text=text,
        next_try_seconds=round(next_try_seconds, 1),
    )


def mailbox_state_changed(
    *, mailbox: str, state: str, reason: str | None, fix: str | None
) -> None:
    """Record that a mailbox is ok, suspect or dead from now on, and why."""
    report = say_info if state == "ok" else say_warn
    report("mailbox.state_changed", mailbox=mailbox, state=state, reason=reason, fix=fix)


def mailbox_not_watched(*, mailbox: str, reason: str) -> None:
    """Record that a mailbox cannot be watched as it is configured."""
    say_warn("mailbox.not_watched", mailbox=mailbox, reason=reason)


def mailbox_waits_for_store(*, mailbox: str, error: BaseException) -> None:
    """Record that mail stays in a mailbox because the store has no room for it."""
    say_error("mailbox.waits_for_store", mailbox=mailbox, error=name_fault(error))
