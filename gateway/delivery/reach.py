"""Why a server could not be reached, and what to change: pure.

A preset knows what a server's words mean; this knows what its silence means, above all a port
that does not fit its security.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.tenant import Security
from gateway.net.smtp import Endpoint
from gateway.net.smtp_wire import Loss

IMPLICIT_TLS_PORTS = frozenset({465, 994})  # RFC 8314 §7.3; 994 at some providers


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A cause by its short name, one sentence on what happened and one on what to do."""

    cause: str
    meaning: str
    fix: str


def explain_loss(reason: Loss, endpoint: Endpoint) -> Obstacle:
    """Return what a lost session means at this endpoint, and what a person can do."""
    if wrong := _explain_pair(reason, endpoint):
        return wrong
    where = f"{endpoint.host}:{endpoint.port}"
    cause, meaning, fix = _SENTENCES[reason]
    return Obstacle(cause, meaning.format(host=endpoint.host, where=where), fix)


def explain_no_starttls(endpoint: Endpoint) -> Obstacle:
    """Return what it means that a server offers no STARTTLS."""
    return Obstacle(
        "no-starttls",
        f"{endpoint.host}:{endpoint.port} does not offer STARTTLS, and no password is sent in"
        " the clear.",
        'Use the port that the provider names: 587 with "starttls", or 465 with "tls".',
    )


def explain_no_mechanism() -> Obstacle:
    """Return what it means that no way to sign in is offered that we know."""
    return Obstacle(
        "no-sign-in",
        "The server offers no way to sign in that the gateway knows.",
        "Use its submission port, mostly 587 or 465: port 25 is for other servers and asks for"
        " no sign-in.",
    )


def _explain_pair(reason: Loss, endpoint: Endpoint) -> Obstacle | None:
    """Whether port and security contradict each other, as this loss would show it."""
    port, security = endpoint.port, endpoint.security
    looks_so = reason in (Loss.SILENT, Loss.CLOSED, Loss.NOT_SMTP)
    is_implicit = looks_so and port in IMPLICIT_TLS_PORTS and security is not Security.TLS
    if is_implicit or reason is Loss.SPEAKS_TLS:
        return Obstacle(
            "security-mismatch",
            f"{endpoint.host}:{port} speaks TLS from the first byte, and security is"
            f' "{security}".',
            f'Set security to "tls", or keep "{security}" and use port 587.',
        )
    if security is Security.TLS and reason is Loss.NOT_TLS:
        return Obstacle(
            "security-mismatch",
            f'Port {port} speaks in the clear first, and security is "tls".',
            'Set security to "starttls", or keep "tls" and use port 465.',
        )
    return None


_CA_ADVICE = (
    "If the server is your own, set ca_file to the certificate of the authority that signed it;"
    " else check the host name: nobody but the server should answer there."
)
_SENTENCES: dict[Loss, tuple[str, str, str]] = {
    Loss.NAME: (
        "name-not-found",
        "The name {host} has no address.",
        "Check the spelling of the host, then the DNS servers of this machine.",
    ),
    Loss.REFUSED: (
        "connection-refused",
        "Nothing listens at {where}.",
        "Check host and port; if both are right, the server is down or a firewall refuses.",
    ),
    Loss.SILENT: (
        "timed-out",
        "{where} did not answer in time.",
        "Check host and port, and that a firewall lets this machine out to it: many networks"
        " block port 25, and some 465 and 587.",
    ),
    Loss.UNTRUSTED: (
        "certificate-not-trusted",
        "The certificate of {where} is not signed by an authority that is trusted here, or has"
        " expired.",
        _CA_ADVICE,
    ),
    Loss.WRONG_NAME: (
        "certificate-wrong-name",
        "The certificate of {where} is for another name than {host}.",
        "Set host to the name that the certificate is for; an address or an alias of your own"
        " is not enough.",
    ),
    Loss.NOT_TLS: (
        "not-tls",
        "{where} does not speak TLS where it was asked to.",
        'Check port and security: 587 goes with "starttls", 465 with "tls".',
    ),
    Loss.NO_NAME: (
        "host-not-a-name",
        "{host} is not a name that a certificate can be for.",
        "Set host to a name of letters, digits, dots and hyphens that the server is known by.",
    ),
    Loss.CA_FILE: (
        "ca-file",
        "The ca_file for {host} cannot be read, or holds no certificate.",
        "Set ca_file to a file with a certificate in it.",
    ),
    Loss.TLS: (
        "tls-failed",
        "The TLS handshake with {where} failed.",
        "The server may speak only versions older than TLS 1.2, which are not used (RFC 8996).",
    ),
    Loss.NOT_SMTP: (
        "not-smtp",
        "What listens at {where} does not speak SMTP.",
        "Check host and port: it is the SMTP server that is wanted, not IMAP or a web page.",
    ),
    Loss.CLOSED: (
        "closed",
        "{where} closed the connection.",
        "The server or a firewall did not want this client; try again, then ask the provider.",
    ),
}
