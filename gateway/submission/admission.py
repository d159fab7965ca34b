"""Pure: may this tenant send this envelope? And by which way does it leave?

The credential decides the tenant; the author, the one address in From, decides sender,
upstream and right. Nothing here looks at a clock, a disk or the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.mail.address import Address, parse_address
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.envelope import Submission
from gateway.mail.ids import REF_FIELD
from gateway.mail.marketplace import is_alias
from gateway.mail.message import Edit, Message, parse_message
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant import Sender, Tenant, Upstream
from gateway.submission.author import Author, find_author, name_edits, rewrite_edits

MAX_REF_CHARACTERS = 200
REWRITE = "rewrite"
SUPPRESSED = {
    SuppressionReason.RECIPIENT_DEAD: ("5.1.1", "This address was refused as dead"),
    SuppressionReason.COMPLAINT: ("5.7.1", "This address complained about your mail"),
    SuppressionReason.BY_HAND: ("5.7.1", "This address was suppressed by hand"),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A submission read once: its message, its author, and the sender that covers them."""

    submission: Submission
    message: Message
    author: Author | None
    sender: Sender | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an admitted message leaves: lane, From, envelope sender, and the edits of From."""

    lane: Lane
    header_from: str
    return_path: Address | None  # None: the null one
    edits: tuple[Edit, ...] = ()


def read_letter(submission: Submission, tenant: Tenant) -> Letter:
    """Return the submission with what admission judges by."""
    message = parse_message(submission.content)
    author = find_author(message)
    sender = None
    if author:
        sender = find_sender(tenant, author.address, submission.envelope.return_path)
    return Letter(submission, message, author, sender)


def find_refusal(
    letter: Letter,
    tenant: Tenant,
    *,
    upstream_max_bytes: Callable[[Upstream], int | None],
) -> Reply | None:
    """Return why the message is not taken, or None."""
    if not letter.author:
        return Reply(550, "5.6.0", "The message needs one From field with exactly one address")
    if not letter.sender:
        return Reply(
            550, "5.7.1", f"<{letter.author.address}> is not among the senders of your account"
        )
    if not _may_return_to(letter.submission.envelope.return_path, letter.author, tenant):
        return Reply(
            550, "5.7.1", f"<{letter.submission.envelope.return_path}> is not an envelope"
            f" sender that <{letter.author.address}> may use",
        )  # fmt: skip
    odd = _find_odd_ref(letter) or _find_crowd(letter)
    return odd or _find_limit(letter, tenant, upstream_max_bytes)


def refuse_suppressed(found: Suppression) -> Reply:
    """Return what RCPT is answered for an address that the tenant's mail is not sent to."""
    enhanced, why = SUPPRESSED[found.reason]
    until = f" until {found.expires_on}" if found.expires_on else ""
    sentence = f"{why}, nothing is sent to it{until}; to lift that: {found.remove_command}"
    return Reply(550, enhanced, sentence)


def find_way(letter: Letter, tenant: Tenant) -> Way:
    """Return by which lane an admitted letter leaves, and what is edited in its From.

    A sender without an upstream has a lane of its own kind: its mail waits. Where From is
    rewritten, so is an envelope sender that is the colleague's own or of another domain: what
    left as the sender's does not come back to a colleague's mailbox.
    """
    author, sender = letter.author, letter.sender
    if author is None or sender is None:
        raise ValueError("only an admitted letter has a way")
    path = letter.submission.envelope.return_path
    lane = Lane(tenant.id, LaneKind.NONE, "")
    if sender.upstream:
        lane = Lane(tenant.id, LaneKind.UPSTREAM, sender.upstream)
    if not _is_rewritten(author, sender):
        edits = name_edits(author, sender)
        return Way(lane=lane, header_from=str(author.address), return_path=path, edits=edits)
    if path is not None and not _may_stay(path, author, sender, tenant):
        path = parse_address(sender.address)
    edits = rewrite_edits(author, sender, letter.message)
    return Way(lane=lane, header_from=sender.address, return_path=path, edits=edits)


def _may_stay(path: Address, author: Author, sender: Sender, tenant: Tenant) -> bool:
    """Whether it is a sender's, or one of the helpdesk's own that tell bounces apart (VERP)."""
    is_helpdesks = path.domain == _domain_of(sender) and path.key != author.address.key
    return is_helpdesks or bool(tenant.find_sender(str(path)))


def find_sender(tenant: Tenant, author: Address, return_path: Address | None) -> Sender | None:
    """Return the entry that covers `author`, else one that may rewrite it, or None.

    An entry with `from = "rewrite"` takes any author of its own domain and of the tenant's
    domains; of several, the one that is the envelope sender, then one of the same domain.
    """
    if own := tenant.find_sender(str(author)):
        return own
    rewriting = [one for one in tenant.senders.values() if _may_rewrite(one, author, tenant)]
    wanted = return_path.key if return_path else ""

    def nearness(sender: Sender) -> tuple[bool, bool]:
        return sender.address.casefold() != wanted, _domain_of(sender) != author.domain

    return min(rewriting, key=nearness, default=None)


def _may_rewrite(sender: Sender, author: Address, tenant: Tenant) -> bool:
    if sender.from_policy != REWRITE or sender.address.startswith("*"):
        return False
    return author.domain in (_domain_of(sender), *tenant.domains)


def _is_rewritten(author: Author, sender: Sender) -> bool:
    """Whether From must become the sender's address: it is neither that nor its +detail."""
    address = sender.address.casefold()
    covered = {author.address.key, author.address.base.key, f"*@{author.address.domain}"}
    return address not in covered


def _may_return_to(return_path: Address | None, author: Author, tenant: Tenant) -> bool:
    """A null path is for auto-replies, one of the same domain for VERP."""
    if return_path is None or return_path.domain == author.address.domain:
        return True
    return return_path.domain in tenant.domains or bool(tenant.find_sender(str(return_path)))


def _find_odd_ref(letter: Letter) -> Reply | None:
    """A name that we could not echo whole would be none."""
    ref = letter.message.text(REF_FIELD)
    if len(ref) <= MAX_REF_CHARACTERS and ref.isprintable():
        return None
    sentence = f"{REF_FIELD} takes {MAX_REF_CHARACTERS} printable characters at most"
    return Reply(550, "5.6.0", sentence)


def _find_crowd(letter: Letter) -> Reply | None:
    """Mail to a buyer at Amazon has that one recipient, in its header too."""
    people = {one.address.key for one in letter.submission.envelope.recipients}
    if not any(map(is_alias, people)):
        return None
    named = [*letter.message.addresses("To"), *letter.message.addresses("Cc")]
    if len(people | {address.casefold() for _, address in named}) == 1:
        return None
    sentence = "A buyer at Amazon is written to alone: without Cc, Bcc or another recipient"
    return Reply(550, "5.7.1", sentence)


def _find_limit(
    letter: Letter, tenant: Tenant, upstream_max_bytes: Callable[[Upstream], int | None]
) -> Reply | None:
    upstream = tenant.upstreams.get(letter.sender.upstream or "") if letter.sender else None
    if upstream is None:
        return None
    largest = upstream_max_bytes(upstream)
    size_bytes = len(letter.submission.content)
    if largest is not None and size_bytes > largest:
        return Reply(
            552, "5.3.4", f"The message has {size_bytes} bytes, the upstream {upstream.name}"
            f" ({upstream.provider}) takes {largest}",
        )  # fmt: skip
    return None


def _domain_of(sender: Sender) -> str:
    return sender.address.casefold().rpartition("@")[2]
