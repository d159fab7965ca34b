"""Debian's OpenDKIM and OpenDMARC, one behind the other as a mail server has them.

OpenDKIM writes what it thinks of the signatures, OpenDMARC reads that, checks SPF itself and
judges by the sender's policy. Both find the zone by an /etc/resolv.conf of their own, which
takes a name server on port 53 and a mount namespace: so root.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from publicsuffixlist import PSLFILE

from tests.servers.milter import added_fields
from tests.servers.need import PATH, need
from tests.servers.ports import wait_until
from tests.servers.zone import Zone

DNS_PORT = 53
HELO = "out.acme.com"
OPENDKIM = """
Mode v
Socket local:{home}/opendkim.sock
Nameservers {nameserver}
AuthservID opendkim.example
AlwaysAddARHeader yes
MaximumSignaturesToVerify 5
Background no
Syslog no
"""
OPENDMARC = """
Socket local:{home}/opendmarc.sock
AuthservID opendmarc.example
TrustedAuthservIDs opendkim.example
SPFIgnoreResults yes
SPFSelfValidate yes
PublicSuffixList {suffixes}
Background no
Syslog no
"""
RESULT = re.compile(
    r"\b(dkim|spf|dmarc)=(\w+)(?: \(p=(\w+))?(?:(?:\([^)]*\)|[^;(])*? header\.d=(\S+))?"
)
IN_A_NAMESPACE = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass(frozen=True, slots=True)
class Verdict:
    """What both say: (result, d=) of each signature from the top, SPF, DMARC and its policy."""

    dkim: tuple[tuple[str, str], ...]
    spf: str
    dmarc: str
    policy: str


class OpenDmarc:
    """Both filters and the zone that they ask; started when it is made."""

    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]]) -> None:
        need("opendkim", "opendmarc", "unshare", root=True, mount=True)
        self.home = Path(tempfile.mkdtemp(prefix="opendmarc-"))
        host = ".".join(("127", *(str(random.SystemRandom().randint(1, 254)) for _ in "abc")))
        self.zone = Zone(records, address=host, port=DNS_PORT)
        (self.home / "resolv.conf").write_text(f"nameserver {host}\n")
        self._filters = [
            self._start("opendkim", "-x", OPENDKIM.format(home=self.home, nameserver=host)),
            self._start("opendmarc", "-c", OPENDMARC.format(home=self.home, suffixes=PSLFILE)),
        ]
        try:
            wait_until(self._listen, what=lambda: "OpenDKIM and OpenDMARC to listen")
        except TimeoutError:
            self.close()
            raise

    def judge(self, content: bytes, *, client: str, mail_from: str) -> Verdict:
        """Return what they make of a message that `client` handed over."""
        told = self._ask("opendkim", content, client, mail_from)
        trusted = b"".join(b"Authentication-Results: %b\r\n" % one for one in told)
        said = self._ask("opendmarc", trusted + content, client, mail_from)
        dkim = _results(told)
        others = {method: (result, policy) for method, result, policy, _ in _results(said)}
        dmarc, policy = others.get("dmarc", ("", ""))
        return Verdict(
            dkim=tuple((result, domain) for _, result, _, domain in dkim),
            spf=others.get("spf", ("", ""))[0],
            dmarc=dmarc,
            policy=policy,
        )

    def close(self) -> None:
        """Stop both and the zone, and remove what they had."""
        for one in self._filters:
            one.kill()  # told to end, they look up five seconds later
            one.wait(60)
        self.zone.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _start(self, name: str, option: str, settings: str) -> subprocess.Popen[bytes]:
        conf = self.home / f"{name}.conf"
        conf.write_text(settings)
        program = shutil.which(name, path=PATH) or name
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", IN_A_NAMESPACE, str(self.home / "resolv.conf"),
             program, "-f", option, str(conf)]
        )  # fmt: skip

    def _listen(self) -> bool:
        return all((self.home / f"{name}.sock").exists() for name in ("opendkim", "opendmarc"))

    def _ask(self, name: str, content: bytes, client: str, mail_from: str) -> list[bytes]:
        socket_path = str(self.home / f"{name}.sock")
        return added_fields(
            content, socket_path=socket_path, client=client, helo=HELO, mail_from=mail_from
        )


def _results(values: list[bytes]) -> list[tuple[str, str, str, str]]:
    """Return (method, result, p=, header.d) of each result in these fields' values."""
    return [
        found for value in values for found in RESULT.findall(value.decode("utf-8", "replace"))
    ]
