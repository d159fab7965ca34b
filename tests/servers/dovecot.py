"""A real Dovecot on loopback ports, in a directory of its own, without systemd."""

from __future__ import annotations

import grp
import itertools
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import trustme

from tests.servers.need import PATH, need
from tests.servers.ports import free_ports, wait_until

PROGRAM = shutil.which("dovecot", path=PATH)
START_SECONDS = 60.0

CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
instance_name = {instance}
protocols = imap lmtp
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 0
mail_uid = {mail}
mail_gid = {mail_group}
mail_home = {home}/mail/%u
mail_location = {location}
mail_max_userip_connections = 5000
mailbox_idle_check_interval = 1 secs
auth_mechanisms = plain login
auth_failure_delay = 0 secs
auth_verbose = yes
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{home}/certificate.pem
ssl_key = <{home}/key.pem
imap_capability = {capability}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/users
}}
userdb {{
  driver = static
  args = uid={mail} gid={mail_group} home={home}/mail/%u allow_all_users=yes
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  client_limit = 4000
  process_limit = 1
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 1000
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """One instance: `imap_port` (plain and STARTTLS), `imaps_port` (TLS), `lmtp_port`.

    `ca_file` signs its certificate, which is for localhost and 127.0.0.1. `storage` is
    maildir or mdbox. `capability` replaces what it offers after the sign-in, as
    "IMAP4rev1" or "+ XFOO"; it stays what it can do. `more` is added to its configuration.
    """

    def __init__(
        self, *, storage: str = "maildir", capability: str = "", more: str = ""
    ) -> None:
        need("dovecot", "doveadm")
        self.home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.home.chmod(0o755)
        self.storage = storage
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        self.ca_file = self.home / "ca.pem"
        self._users: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._revisions = itertools.count(1)
        self._names = itertools.count(1)
        self._mail = _mail_user()
        self._lay_out(capability, more)

    def start(self) -> None:
        """Start it, or start it again on the same ports; returns when it greets."""
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "-F", "-c", str(self.home / "dovecot.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        wait_until(self._greets, what=lambda: f"Dovecot to greet\n{self.log()}")

    def stop(self) -> None:
        """Stop it as an administrator would; its clients are hung up."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._close()

    def kill(self) -> None:
        """End the master and all its children at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(START_SECONDS)
            self._close()

    def close(self) -> None:
        """End it and remove everything it had."""
        self.kill()  # its orderly end takes a second
        shutil.rmtree(self.home, ignore_errors=True)

    def add_user(self, user: str, password: str) -> None:
        """Make a user, or give one a new password; works while it runs."""
        self._users[user] = password
        self._write_users()
        self._await_sign_in(user, password, accepted=True)
        if self.storage == "maildir":
            self._make_directories(self.maildir(user), "cur", "new", "tmp")

    def add_users(self, users: Iterable[str], password: str) -> None:
        """Make many users at once, before it is started; it makes their folders itself."""
        self._users.update(dict.fromkeys(users, password))
        self._write_users()

    def remove_user(self, user: str) -> None:
        """Refuse the sign-in of `user` from now on; open connections stay."""
        password = self._users.pop(user)
        self._write_users()
        self._await_sign_in(user, password, accepted=False)

    def maildir(self, user: str, folder: str = "INBOX") -> Path:
        """Return the Maildir of a user's folder."""
        root = self.home / "mail" / user / "Maildir"
        return root if folder == "INBOX" else root / f".{folder}"

    def deliver(
        self,
        user: str,
        content: bytes,
        *,
        folder: str = "INBOX",
        at: datetime | None = None,
    ) -> None:
        """Lay `content` into a folder; `at` is its INTERNALDATE (maildir only)."""
        if self.storage != "maildir":
            self.deliver_by_lmtp(user, content)
            return
        maildir = self.maildir(user, folder)
        self._make_directories(maildir, "cur", "new", "tmp")
        name = f"{time.time_ns() // 10**9}.M{next(self._names):06d}P{os.getpid()}.localhost"
        draft = maildir / "tmp" / name
        draft.write_bytes(content)
        self._give(draft)
        if at is not None:
            os.utime(draft, (at.timestamp(), at.timestamp()))
        draft.rename(maildir / "new" / name)

    def deliver_by_lmtp(self, user: str, content: bytes) -> None:
        """Hand `content` to the user's INBOX by LMTP (RFC 2033)."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as lmtp:
            lmtp.sendmail("sender@example.net", [user], content)

    def contents(self, user: str, folder: str = "INBOX") -> list[bytes]:
        """Return what lies in a Maildir folder, oldest first, line ends as on disk."""
        maildir = self.maildir(user, folder)
        while True:
            files = [*maildir.glob("new/*"), *maildir.glob("cur/*")]
            with suppress(FileNotFoundError):  # Dovecot gave one another name meanwhile
                return [one.read_bytes() for one in sorted(files, key=lambda one: one.name)]

    def renumber(self, user: str, folder: str = "INBOX") -> None:
        """Give the folder another UIDVALIDITY and its messages new UIDs.

        For a stopped server: a session that is open would write the old ones again.
        """
        maildir = self.maildir(user, folder)
        head = (maildir / "dovecot-uidlist").read_text().split()  # 3 V1795534916 N3 G0123...
        for pattern in ("dovecot.index*", "dovecot-uidvalidity*"):
            for file in maildir.glob(pattern):
                file.unlink()
        fresh = f"3 V{int(head[1][1:]) + 1} N1 {head[3]}\n"
        (maildir / "dovecot-uidlist").write_text(fresh)

    def log(self) -> str:
        """Return what it has logged so far."""
        log = self.home / "dovecot.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def _lay_out(self, capability: str, more: str) -> None:
        for name in ("run", "state", "mail"):
            (self.home / name).mkdir(mode=0o755)
        self._give(self.home / "mail")
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.private_key_pem.write_to_path(self.home / "key.pem")
        for part in certificate.cert_chain_pems:
            part.write_to_path(self.home / "certificate.pem", append=True)
        self._write_users()
        (self.home / "dovecot.conf").write_text(self._configuration(capability) + more)

    def _configuration(self, capability: str) -> str:
        me = pwd.getpwuid(os.getuid()).pw_name
        root = os.getuid() == 0
        internal = "dovecot" if root else me
        return CONFIGURATION.format(
            home=self.home,
            instance=self.home.name,
            internal=internal,
            internal_group=_group_of(internal),
            login="dovenull" if root else me,
            mail=self._mail.pw_uid,
            mail_group=self._mail.pw_gid,
            location="maildir:~/Maildir" if self.storage == "maildir" else "mdbox:~/mdbox",
            capability=capability,
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
        )

    def _write_users(self) -> None:
        file = self.home / "users"
        lines = [
            f"{user}:{{PLAIN}}{password}::::::\n" for user, password in self._users.items()
        ]
        draft = file.with_suffix(".new")
        draft.write_text("".join(lines), encoding="utf-8")
        draft.chmod(0o644)
        # Dovecot compares the time in whole seconds: each revision is another second
        at = time.time() + next(self._revisions)
        os.utime(draft, (at, at))
        draft.replace(file)

    def _await_sign_in(self, user: str, password: str, *, accepted: bool) -> None:
        """Wait for Dovecot to see the new file: it looks once a second."""
        if self._process is not None:
            arguments = ["-c", str(self.home / "dovecot.conf"), "auth", "test", user, password]
            wait_until(
                lambda: _succeeds("doveadm", *arguments) is accepted,
                what=lambda: f"the new password of {user}",
            )

    def _make_directories(self, maildir: Path, *names: str) -> None:
        for directory in (maildir.parent.parent, maildir.parent, maildir):
            if not directory.exists():
                directory.mkdir(parents=True)
                self._give(directory)
        for name in names:
            if not (maildir / name).exists():
                (maildir / name).mkdir()
                self._give(maildir / name)

    def _give(self, path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, self._mail.pw_uid, self._mail.pw_gid)

    def _greets(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise RuntimeError(f"Dovecot ended: {self._process.stderr.read()!r} {self.log()}")
        try:
            with socket.create_connection(("127.0.0.1", self.imap_port), 1.0) as connection:
                return connection.recv(100).startswith(b"* OK")
        except OSError:
            return False

    def _close(self) -> None:
        assert self._process is not None
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None


def _mail_user() -> pwd.struct_passwd:
    return pwd.getpwnam("mail") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _group_of(user: str) -> str:
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
