"""Buyers at Amazon: aliases that stay the same for a buyer and a seller, never a person's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from gateway.mail.address import Address, parse_address
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.message import parse_message
from gateway.mail.plan import EffectKind, Plan

PREFIX = "marketplace.amazon."
LONGEST_WAY = timedelta(days=1)  # from a Date that is believed to the mailbox


def is_alias(address: str) -> bool:
    """Whether an address is a buyer's alias."""
    return address.rpartition("@")[2].casefold().startswith(PREFIX)


def find_proven_buyer(authenticity: Authenticity) -> Address | None:
    """Return the buyer who is proven to have written a mail, or None."""
    if not is_alias(authenticity.proven):
        return None
    try:
        return parse_address(authenticity.proven)
    except ValueError:
        return None


def find_waiting_buyer(
    fetched: Fetched, authenticity: Authenticity, plan: Plan
) -> Address | None:
    """Return the buyer who waits for an answer to a new mail, or None when nobody does."""
    is_old = fetched.backfill or fetched.released is not None
    is_discarded = all(one.kind is EffectKind.DISCARD for one in plan.effects)
    if is_old or is_discarded or not is_alias(authenticity.header_from):
        return None
    try:
        return parse_address(authenticity.header_from)
    except ValueError:
        return None


def waiting_since(fetched: Fetched) -> datetime:
    """Return when Amazon's clock began: at Date, else when the mail reached the mailbox."""
    try:
        written = parsedate_to_datetime(parse_message(fetched.content).text("Date"))
        written = written if written.tzinfo else written.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return fetched.internal_date
    is_likely = timedelta(0) <= fetched.internal_date - written <= LONGEST_WAY
    return written if is_likely else fetched.internal_date
