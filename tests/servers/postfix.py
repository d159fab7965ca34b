"""A real Postfix on loopback, in a directory of its own: a provider's submission service.

It asks for a sign-in, takes mail for any address and lays it into one Maildir, so that a
test sees what a customer would have got.
"""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trustme

from tests.servers.ports import free_ports, wait_until

PROGRAM = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
START_SECONDS = 60.0

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
mail_owner = postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {home}/log/mail.log
maillog_file_prefixes = {home}
myhostname = mail.provider.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
local_recipient_maps =
alias_maps =
alias_database =
message_size_limit = 52428800
smtpd_tls_security_level = may
smtpd_tls_chain_files = {home}/chain.pem
smtpd_tls_loglevel = 1
smtpd_tls_auth_only = {tls_auth_only}
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
smtpd_sasl_local_domain = provider.example
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
  check_recipient_access inline:{{ {{ nobody@example.net = 550 5.1.1 No such user }},
    {{ late@example.net = 450 4.2.0 Come again later }},
    {{ busy@example.net = 450 4.2.0 Try later }} }},
  permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
virtual_mailbox_base = {home}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""

KEEPS = """
default_transport = virtual
relay_transport = virtual
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:inbox/
"""

HANDS_ON = """
default_transport = lmtp:inet:[127.0.0.1]:{port}
relay_transport = $default_transport
smtp_dns_support_level = disabled
"""

RELAYS = """
default_transport = smtp
relayhost = [127.0.0.1]:{port}
smtp_dns_support_level = disabled
smtpd_milters = {milter}
milter_default_action = tempfail
"""

QUEUES = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
    "private", "saved", "trace",
]  # fmt: skip
MASTER = """
{port}      inet  n  -  n  -  -   smtpd
pickup    unix  n  -  n  60 1   pickup
cleanup   unix  n  -  n  -  0   cleanup
qmgr      unix  n  -  n  300 1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -  -   trivial-rewrite
bounce    unix  -  -  n  -  0   bounce
defer     unix  -  -  n  -  0   bounce
trace     unix  -  -  n  -  0   bounce
verify    unix  -  -  n  -  1   verify
proxymap  unix  -  -  n  -  -   proxymap
virtual   unix  -  n  n  -  -   virtual
smtp      unix  -  -  n  -  -   smtp
lmtp      unix  -  -  n  -  -   lmtp
relay     unix  -  -  n  -  -   smtp
error     unix  -  -  n  -  -   error
retry     unix  -  -  n  -  -   error
discard   unix  -  -  n  -  -   discard
anvil     unix  -  -  n  -  1   anvil
scache    unix  -  -  n  -  1   scache
postlog   unix-dgram n - n - 1  postlogd
"""


class Postfix:
    """One instance on `port`; `ca_file` signs its certificate for localhost and 127.0.0.1.

    With `relay_to`, a port on loopback, it sends on what it took instead of keeping it, after
    the milter at `milter` has seen it; with `lmtp_to` it hands mail to the mailboxes there.
    It does not offer the extensions in `without`.
    """

    def __init__(
        self,
        *,
        tls_auth_only: bool = True,
        relay_to: int | None = None,
        milter: str = "",
        lmtp_to: int | None = None,
        without: Sequence[str] = (),
    ) -> None:
        if PROGRAM is None:
            raise FileNotFoundError("postfix is not installed: apt-get install postfix")
        self.home = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.home.chmod(0o755)
        (self.port,) = free_ports(1)
        self.ca_file = self.home / "ca.pem"
        then = RELAYS.format(port=relay_to, milter=milter) if relay_to else KEEPS
        if lmtp_to:
            then = HANDS_ON.format(port=lmtp_to)
        self._lay_out(
            tls_auth_only=tls_auth_only,
            more=f"smtpd_discard_ehlo_keywords = {' '.join(without)}\n{then}",
        )

    def start(self) -> None:
        """Start it, or start it again on the same port; returns when it greets."""
        (self.home / "spool/quick-start").touch()  # nothing of it has to be looked over
        self._postfix("start")
        wait_until(self._greets, what=lambda: f"Postfix to greet\n{self.log()}")

    def stop(self) -> None:
        """Stop it as an administrator would."""
        self._postfix("abort")
        wait_until(lambda: not self._greets(), what=lambda: "Postfix to stop")

    def close(self) -> None:
        """Stop it and remove everything it had."""
        if self._greets():
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def add_user(self, user: str, password: str) -> None:
        """Make `user` (without a domain), or give one a new password; works while it runs."""
        local, _, domain = user.partition("@")
        arguments = ["-p", "-c", "-f", str(self._passwords), "-u", domain or "provider.example"]
        subprocess.run(
            ["/usr/sbin/saslpasswd2", *arguments, local], input=password.encode(), check=True
        )
        shutil.chown(self._passwords, "postfix")

    def delivered(self) -> list[bytes]:
        """Return what customers got, in no order, line ends as on disk (LF).

        What it took before is delivered by then: its 250 comes a moment earlier.
        """
        wait_until(lambda: not (self._is_busy and self._greets()), what=self.log)
        return [one.read_bytes() for one in (self.home / "mail/inbox/new").glob("*")]

    def log(self) -> str:
        """Return what it has logged so far."""
        log = self.home / "log/mail.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    @property
    def _is_busy(self) -> bool:
        """Whether it is about to deliver something; what is deferred may stay for long."""
        spool = self.home / "spool"
        return any(any((spool / name).glob("*")) for name in ("incoming", "active"))

    @property
    def _passwords(self) -> Path:
        return self.home / "conf/sasl/passwords.db"

    @property
    def master_pid(self) -> int:
        """The process id of its master."""
        return int((self.home / "spool/pid/master.pid").read_text())

    def _lay_out(self, *, tls_auth_only: bool, more: str) -> None:
        for name in ("conf", "conf/sasl", "spool", "data", "log", "mail"):
            (self.home / name).mkdir(mode=0o755)
        owner = pwd.getpwnam("postfix")
        nobody = pwd.getpwnam("nobody")
        shutil.chown(self.home / "data", "postfix")
        os.chown(self.home / "mail", nobody.pw_uid, nobody.pw_gid)
        self._write_certificate(owner)
        settings = self.home / "conf/main.cf"
        settings.write_text(
            MAIN.format(
                home=self.home,
                uid=nobody.pw_uid,
                gid=nobody.pw_gid,
                tls_auth_only="yes" if tls_auth_only else "no",
            )
            + more
        )
        at = settings.stat().st_mtime - 60
        os.utime(settings, (at, at))  # what is two seconds old or less is read again and again
        self._make_queues()
        (self.home / "conf/master.cf").write_text(MASTER.format(port=f"127.0.0.1:{self.port}"))
        (self.home / "conf/sasl/smtpd.conf").write_text(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n"
            f"sasldb_path: {self._passwords}\n"
        )

    def _make_queues(self) -> None:
        """Lay out the spool as `postfix start` would, by some 150 programs."""
        spool = self.home / "spool"
        (spool / "pid").mkdir(mode=0o755)
        for name, mode, group in [
            *((queue, 0o700, None) for queue in QUEUES),
            ("maildrop", 0o730, "postdrop"),
            ("public", 0o710, "postdrop"),
        ]:
            (spool / name).mkdir()
            shutil.chown(spool / name, "postfix", group)
            (spool / name).chmod(mode)

    def _write_certificate(self, owner: pwd.struct_passwd) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        chain = self.home / "chain.pem"
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(chain)
        os.chown(chain, owner.pw_uid, owner.pw_gid)

    def _postfix(self, verb: str) -> None:
        assert PROGRAM is not None
        subprocess.run(
            [PROGRAM, "-c", str(self.home / "conf"), verb],
            check=verb == "start",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_SECONDS,
        )

    def _greets(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as client:
                return client.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False
