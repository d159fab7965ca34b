"""`gateway init`: gateway.conf, the policies and a first tenant file."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import shipped
from gateway.cli.opening import Json
from gateway.cli.output import print_json, print_line, print_next
from gateway.cli.refusal import Refusal

TENANT_FILE = "acme.toml"
LOCAL_LISTENER = """\
[[submission.listeners]]
address = "127.0.0.1:2525"
security = "none"
"""
FIRST_TENANT = """\
# A tenant: gateway apply acme.toml makes it so, as often as you like.
# Relative paths are relative to this file.
tenant = "acme"
name = "Acme Shop"
# owner = "it@acme.example"          # who is asked to sign in again
# timezone = "Europe/Berlin"
# hours = "Mon-Fri 09:00-18:00"
# notify = ["lead@acme.example"]     # whom policies may tell by mail, beside the owner
# route = "helpdesk"                 # where mail and delivery failures go

[domains."acme.example"]             # what it may send as; gateway domain records shows the DNS

[senders."support@acme.example"]
name = "Acme Support"                # what customers see
# upstream = "sendgrid"              # left out: its mail is accepted and waits

[credentials.helpdesk]               # gateway credential add acme helpdesk makes its password

# The account that mail leaves by; gateway provider list shows the known ones.
# [upstreams.sendgrid]
# provider = "sendgrid"
# username = "apikey"
# password_file = "secrets/sendgrid"

# A mailbox that customers write to; its password or code lies in a file of its own.
# [mailboxes."acmeshop@163.com"]
# provider = "netease-163"
# password_file = "secrets/163-code"
# answers = false                    # true: policies may answer automatically

# Where the helpdesk takes mail: signed JSON, or SMTP.
# [routes.helpdesk]
# type = "webhook"
# url = "https://desk.acme.example/inbound"
# secret_file = "secrets/hook"       # whsec_ and base64
"""


def init(
    directory: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Write the configuration to this file."),
    ] = None,
    system: Annotated[
        bool | None,
        typer.Option(
            "--system/--local",
            show_default=False,
            help="State in /var/lib/gateway and ports 587 and 465, or state beside the file"
            " and port 2525 of loopback. Left out: as root --system.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write gateway.conf, the policies and a first tenant file; nothing is overwritten."""
    path = config or directory / "gateway.conf"
    if path.exists():
        raise Refusal(f"{path} is there already; nothing was written")
    as_system = os.geteuid() == 0 if system is None else system
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path, *_write_policies(path.parent / "policies")]
    tenant_file = path.parent / TENANT_FILE
    if not tenant_file.exists():
        _write(tenant_file, FIRST_TENANT)
        written.append(tenant_file)
    # The configuration comes last: an init that was cut short can be run again.
    _write(path, configuration(hostname=socket.getfqdn(), local=not as_system))
    _tell(path, tenant_file, written, as_json=as_json)


def configuration(*, hostname: str, local: bool) -> str:
    """Return the example configuration, filled in for this machine or for this directory."""
    text = shipped.example_config().read_text(encoding="utf-8")
    text = _fill_in(text, 'hostname = "', f"hostname = {json.dumps(hostname)}")
    if local:
        text = _fill_in(text, 'state = "', 'state = "state"')
        commented = "".join(f"# {line}\n" for line in LOCAL_LISTENER.splitlines())
        text = text.replace(commented, LOCAL_LISTENER)
    return text


def _fill_in(text: str, start: str, line: str) -> str:
    lines = text.splitlines(keepends=True)
    at = next(at for at, one in enumerate(lines) if one.startswith(f"# {start}"))
    return "".join([*lines[:at], f"{line}\n", *lines[at + 1 :]])


def _write_policies(directory: Path) -> list[Path]:
    """Write all of the policies or nothing."""
    if directory.exists():
        return []
    draft = directory.with_name(f".{directory.name}.new")
    hidden = shutil.ignore_patterns(".*")
    shutil.copytree(shipped.policies(), draft, ignore=hidden, dirs_exist_ok=True)
    draft.rename(directory)
    return [directory]


def _write(path: Path, text: str) -> None:
    """Write the whole file or nothing."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _tell(path: Path, tenant_file: Path, written: list[Path], *, as_json: bool) -> None:
    if as_json:
        print_json({"config": str(path), "written": [str(one) for one in written]})
        return
    for one in written:
        print_line(f"wrote {one}{'/' if one.is_dir() else ''}")
    option = "" if path == Path("gateway.conf") else f" --config {path}"
    print_next(
        f"gateway check {tenant_file}{option}",
        f"gateway apply {tenant_file}{option}",
        f"gateway serve{option}",
    )
