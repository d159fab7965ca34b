"""What a refusal can mean, and whose turn it then is.

Only `credentials` and `settings` stop an account. The sentences are the default; a preset may
say better what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Turn(StrEnum):
    """Whose turn it is."""

    CREDENTIALS = "credentials"  # the owner enters a secret again
    SETTINGS = "settings"  # the owner changes something at the provider
    OUR_FAULT = "our fault"  # the operator is told
    WAIT = "wait"  # nobody: it passes
    STOP_SENDING = "stop sending"  # the provider blocked the account
    SENDER = "sender"  # the sender is not allowed: never the recipient's fault
    MESSAGE = "message"
    RECIPIENT = "recipient"
    SENDER_DOMAIN = "sender domain"  # the domain's DNS records
    UNKNOWN = "unknown"  # no rule: the reply's first digit decides


@dataclass(frozen=True, slots=True)
class Cause:
    """Whose turn, what happened in one sentence, and what a person can do, if anything."""

    turn: Turn
    meaning: str
    fix: str | None = None


CAUSES: dict[str, Cause] = {
    "wrong-secret": Cause(
        Turn.CREDENTIALS, "The server refused the user name or password.", "Enter it again."
    ),
    "needs-app-secret": Cause(
        Turn.CREDENTIALS,
        "Your normal password does not work here.",
        "Create an app password or authorization code in the provider's settings and enter"
        " that.",
    ),
    "needs-oauth": Cause(
        Turn.CREDENTIALS,
        "This provider no longer accepts passwords.",
        "Give the mailbox a client_id, then: gateway mailbox authorize ADDRESS",
    ),
    "oauth-missing": Cause(
        Turn.CREDENTIALS,
        "Its owner has not let the gateway in yet.",
        "gateway mailbox authorize ADDRESS",
    ),
    "oauth-revoked": Cause(
        Turn.CREDENTIALS,
        "The permission was withdrawn or has run out.",
        "Sign in again: gateway mailbox authorize ADDRESS",
    ),
    "oauth-rejected": Cause(
        Turn.CREDENTIALS,
        "The token was refused.",
        "Sign in again: gateway mailbox authorize ADDRESS",
    ),
    "oauth-client": Cause(
        Turn.SETTINGS,
        "The provider does not accept the gateway's client: its id, its secret, or what it"
        " may ask for.",
        "Check client_id, client_secret_file and directory against the app's registration at"
        " the provider; a client secret has an end there. Then gateway apply.",
    ),
    "secret-expired": Cause(
        Turn.CREDENTIALS,
        "The password or code has expired.",
        "Create a new one and enter it.",
    ),
    "login-ambiguous": Cause(
        Turn.CREDENTIALS,
        "The server refused the sign-in without saying why.",
        "Check the password or code, and that IMAP/SMTP is still switched on.",
    ),
    "service-off": Cause(
        Turn.SETTINGS,
        "IMAP/SMTP is switched off for this mailbox.",
        "Switch it on in the provider's settings.",
    ),
    "service-off-admin": Cause(
        Turn.SETTINGS,
        "Your organisation does not allow IMAP/SMTP for this mailbox.",
        "Ask its mail administrator.",
    ),
    "blocked-by-policy": Cause(
        Turn.SETTINGS,
        "Your organisation's security policy blocked the sign-in.",
        "Ask its administrator.",
    ),
    "mailbox-not-reachable": Cause(
        Turn.SETTINGS,
        "The sign-in worked, but the mailbox does not open.",
        "Check that IMAP is enabled for it and that it has a licence.",
    ),
    "account-locked": Cause(
        Turn.SETTINGS,
        "The provider wants you to confirm the sign-in.",
        "Open the mailbox in a browser, confirm, then connect again.",
    ),
    "wrong-server": Cause(
        Turn.SETTINGS,
        "This address does not belong to that server.",
        "Choose the provider that fits the end of the address.",
    ),
    "ip-not-allowed": Cause(
        Turn.SETTINGS,
        "The provider does not accept this server's IP address.",
        "Add it to the list of allowed addresses.",
    ),
    "tls-required": Cause(
        Turn.SETTINGS,
        "The server insists on an encrypted connection.",
        "Set security to starttls or tls.",
    ),
    "client-id-required": Cause(
        Turn.OUR_FAULT,
        "The provider refused the mailbox because the program did not introduce itself.",
        "Please report this.",
    ),
    "client-bug": Cause(
        Turn.OUR_FAULT, "The provider did not understand the gateway.", "Please report this."
    ),
    "login-throttled": Cause(
        Turn.WAIT, "Too many sign-ins in a short time. The gateway waits and tries again."
    ),
    "too-many-connections": Cause(
        Turn.WAIT,
        "The provider allows fewer simultaneous connections. The gateway uses fewer now.",
    ),
    "rate-limited": Cause(
        Turn.WAIT,
        "The provider asked to send more slowly. The mail waits and goes out later.",
    ),
    "quota-exhausted": Cause(
        Turn.WAIT,
        "The provider's sending limit is used up. Mail waits until it is free again.",
    ),
    "server-busy": Cause(Turn.WAIT, "The provider is busy. The gateway tries again."),
    "sending-blocked": Cause(
        Turn.STOP_SENDING,
        "The provider has blocked sending from this account.",
        "Unblock it there, then resume here.",
    ),
    "sender-not-allowed": Cause(
        Turn.SENDER,
        "This account may not send as that address.",
        "Use the account's own address or a registered alias.",
    ),
    "identity-not-verified": Cause(
        Turn.SENDER,
        "The provider does not know this sender.",
        "Verify the address or domain there.",
    ),
    "sender-not-authorised-amazon": Cause(
        Turn.SENDER,
        "Amazon did not pass this message on: the sending address is not on the seller"
        " account's list.",
        "Add the address to the approved senders of the seller account, then send again.",
    ),
    "sandbox": Cause(
        Turn.SENDER,
        "The provider account is still in test mode and only reaches its own addresses.",
        "Ask the provider for production access.",
    ),
    "malformed-from": Cause(Turn.OUR_FAULT, "The sender line of this mail is not well-formed."),
    "content-refused": Cause(
        Turn.MESSAGE, "The provider refused this mail because of its content."
    ),
    "message-too-big": Cause(Turn.MESSAGE, "The mail is larger than the provider allows."),
    "recipients-too-many": Cause(
        Turn.MESSAGE, "Too many recipients in one mail; the gateway splits them."
    ),
    "recipient-refused": Cause(Turn.RECIPIENT, "The recipient's address was refused."),
    "recipient-suppressed": Cause(
        Turn.RECIPIENT,
        "The provider no longer delivers to this recipient after an earlier bounce or"
        " complaint.",
    ),
    "mailbox-full": Cause(
        Turn.SETTINGS,
        "The mailbox is full.",
        "Delete old mail, or mail sent from here cannot be stored.",
    ),
    "bulk-authentication": Cause(
        Turn.SENDER_DOMAIN,
        "The recipient's provider wants SPF, DKIM and DMARC for your domain.",
        "Look up its records: gateway domain check DOMAIN.",
    ),
    # Of the standards, at any provider.
    "no-smtputf8": Cause(
        Turn.MESSAGE,
        "The server cannot carry addresses or header fields beyond ASCII (RFC 6531).",
        "Write them in ASCII, fields encoded (RFC 2047), or take an upstream with SMTPUTF8.",
    ),
    "no-8bit": Cause(
        Turn.MESSAGE,
        "The server takes 7-bit mail only, and this cannot be re-encoded: a part is signed or"
        " encrypted, or a field has no form in ASCII.",
    ),
    "recipient-full": Cause(Turn.RECIPIENT, "The recipient's mailbox is full."),
    "sender-refused": Cause(
        Turn.SENDER,
        "The server does not accept the address that this mail is sent from.",
        "Check that address, and its domain: gateway domain check DOMAIN",
    ),
    "policy-refused": Cause(
        Turn.MESSAGE,
        "A rule of the server forbids this mail.",
        "Read the server's own words: they say which rule.",
    ),
    # Not of any rule: the bare code speaks.
    "deferred": Cause(Turn.UNKNOWN, "The server asked to try again later. The gateway does."),
    "refused": Cause(
        Turn.UNKNOWN,
        "The server refused, for a reason that is not in the catalogue.",
        "Read the server's own words.",
    ),
}
