"""Why a mailbox's server could not be reached, or says no, and what to change: pure."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config import ConfigError
from gateway.mail.tenant import Security
from gateway.mailbox.account import Account
from gateway.net.imap import Endpoint, ImapRefused
from gateway.net.oauth import NoTokens
from gateway.net.unreachable import Unreachable
from gateway.providers.catalogue import Provider
from gateway.providers.diagnosis import Diagnosis, diagnose

TLS_PORT = 993  # RFC 8314 §7.3
WRONG_NAME = frozenset({62, 64})  # of OpenSSL: for another host name, or IP address


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A cause by its short name, and one sentence on what a person can do."""

    cause: str
    fix: str


def explain_outage(error: Unreachable, endpoint: Endpoint) -> Obstacle:
    """Return what it means that the server at `endpoint` could not be talked to."""
    reason = error.__cause__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return OTHER_NAME if reason.verify_code in WRONG_NAME else UNTRUSTED
    if isinstance(reason, ssl.SSLError):
        return IN_THE_CLEAR if endpoint.security is Security.TLS else NO_TLS
    is_silent = isinstance(reason, TimeoutError | imaplib.IMAP4.abort)
    if is_silent and endpoint.port == TLS_PORT and endpoint.security is not Security.TLS:
        return SPEAKS_TLS
    if isinstance(error, NoTokens):
        return NO_TOKENS
    return next((found for kind, found in KINDS if isinstance(reason, kind)), ANYTHING)


def explain_refusal(
    refused: ImapRefused, account: Account, catalogue: Mapping[str, Provider]
) -> Diagnosis:
    """Return what a refusal means at the account's provider."""
    return diagnose(
        account.provider,
        catalogue,
        phase=refused.phase,
        code=refused.code,
        text=refused.text,
        address=account.address,
        oauth2=account.oauth2,
    )


UNTRUSTED = Obstacle(
    "certificate-not-trusted",
    "If the server is your own, set ca_file to the certificate of the authority that signed it;"
    " else check the host name: nobody but the server should answer there.",
)
OTHER_NAME = Obstacle(
    "certificate-wrong-name",
    "Set host to the name that the certificate is for; an address or an alias of your own is"
    " not enough.",
)
IN_THE_CLEAR = Obstacle(
    "security-mismatch",
    'It speaks in the clear first: set security to "starttls", or keep "tls" and use port 993.',
)
NO_TLS = Obstacle(
    "tls-failed",
    "The server may speak only versions older than TLS 1.2, which are not used (RFC 8996).",
)
SPEAKS_TLS = Obstacle(
    "security-mismatch",
    'Port 993 speaks TLS from the first byte: set security to "tls", or use port 143.',
)
NO_TOKENS = Obstacle(
    "no-tokens",
    "It is the sign-in by OAuth2 that gives no access token now. If it lasts, check that this"
    " server may reach it by https, and token_url and directory where they are given.",
)
ANYTHING = Obstacle(
    "unreachable", "Check host, port and security, and that this server may connect there."
)
KINDS: tuple[tuple[type[Exception], Obstacle], ...] = (
    (ConfigError, Obstacle("ca-file", "Set ca_file to a file with a certificate in it.")),
    (
        socket.gaierror,
        Obstacle(
            "name-not-found",
            "Check the spelling of the host, then the DNS servers of this machine.",
        ),
    ),
    (
        ConnectionRefusedError,
        Obstacle(
            "connection-refused",
            "Check host and port; if both are right, the server is down or a firewall refuses.",
        ),
    ),
    (
        TimeoutError,
        Obstacle(
            "timed-out",
            "Check host and port, that a firewall lets this machine out to it, and security:"
            ' "tls" goes with port 993, "starttls" with 143.',
        ),
    ),
)
