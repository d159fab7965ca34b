"""The demo's second half: a mailbox's code expires, its owner is told, nothing is lost."""

from __future__ import annotations

import asyncio
import html
import re
from email import message_from_bytes
from email.policy import default
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from gateway.cli.demo_files import BOB, CAROL, NEW_CODE, OWNER, SUPPORT, letter_from
from gateway.cli.demo_stage import Sent, Stage
from gateway.cli.opening import opened
from gateway.cli.output import print_line
from gateway.cli.refusal import Refusal
from gateway.config import load_settings
from gateway.mail.message import parse_message
from gateway.net.dns import Resolver
from gateway.net.http import Http, HttpReply
from gateway.store import people

LINK = re.compile(r"https?://\S+/renew/\S+")
PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
INDENT = " " * 22


async def show_renewal(stage: Stage) -> str:
    """Lead from the code's last moment to the mail that it delayed; return the id of one.

    Raises TimeoutError when a step does not happen.
    """
    waiting = await _let_it_expire(stage)
    await _show_how_it_is_noticed(stage, waiting)
    link = await _show_reminder(stage)
    await _follow(stage, link)
    await _show_what_drains(stage, waiting)
    return waiting.id


async def _let_it_expire(stage: Stage) -> Sent:
    world = stage.world
    await world.end_code(SUPPORT)
    stage.step("expired", f"the code of {SUPPORT}: refused from now on, to read and to send")
    sent = await stage.submit(BOB, subject="Yes, to Norway", text="We do ship to Norway.\n")
    stage.step("accepted", f"the helpdesk's mail to {BOB} all the same: 250 {sent.id}")
    letter = letter_from(CAROL, asks="Where is my parcel?")
    world.write(letter, mailbox=SUPPORT, sender=CAROL, sign=stage.customer)
    stage.step("written", f"{CAROL} asks, where nobody can read it now")
    return sent


async def _show_how_it_is_noticed(stage: Stage, waiting: Sent) -> None:
    hook = await stage.hook("mailbox.state_changed", _cannot_be_read)
    meaning = _without_its_words(hook.payload["data"]["reason"])
    stage.step("noticed", f"{SUPPORT} is dead after three refusals: {meaning}")
    reason = await asyncio.to_thread(_why_it_waits, stage, waiting)
    stage.step("waits", f"{waiting.id} is not bounced: {reason}")


def _cannot_be_read(data: dict[str, Any]) -> bool:
    """Whether it is told of reading; the reminder may come before, for sending alone."""
    return bool(data["state"] == "dead" and "reminder" not in data)


def _why_it_waits(stage: Stage, waiting: Sent) -> str:
    with opened(stage.config) as gateway:
        entry = gateway.store.read_now(people.entry, waiting.id)
    return _without_its_words(str(entry.reason)) if entry else "it is gone"


def _without_its_words(reason: str) -> str:
    return reason.partition(" The server said")[0]


async def _show_reminder(stage: Stage) -> str:
    captured = await stage.mail_to(OWNER, about="/renew/")
    mail = message_from_bytes(captured.content, policy=default)
    text = mail.get_content()
    stage.step("reminded", f"{OWNER}, by the path of [alerts]: {mail['Subject']}")
    for line in text.splitlines():
        print_line(f"{INDENT}{line}".rstrip(), style="dim")
    found = LINK.search(text)
    return found[0] if found else ""


async def _follow(stage: Stage, link: str) -> None:
    stage.world.make_code(SUPPORT, NEW_CODE)
    dns = load_settings(stage.config).dns
    browser = Http(resolve=Resolver(dns).addresses, private_networks=["127.0.0.0/8"])
    try:
        page = await _enter(browser, link, NEW_CODE)
        if page.status != HTTPStatus.OK:
            raise Refusal(f"the demo stopped: the page of the link answered {page.status}")
        stage.step("renewed", f"by that page: {_sentence(page)}")
        again = HTTPStatus((await _enter(browser, link, NEW_CODE)).status)
        stage.step("spent", f"the link, for whoever finds it: {again.value} {again.phrase}")
    finally:
        await browser.close()


async def _enter(browser: Http, link: str, code: str) -> HttpReply:
    return await browser.post(link, body=urlencode({"code": code}).encode(), headers=FORM)


def _sentence(page: HttpReply) -> str:
    return " ".join(html.unescape(one) for one in PARAGRAPH.findall(page.text))


async def _show_what_drains(stage: Stage, waiting: Sent) -> None:
    left = await stage.mail_to(BOB, about=waiting.message_id)
    stage.step("delivered", f"what waited, {waiting.id}, as {left.user}")
    hook = await stage.mail_from(CAROL)
    stage.step("received", f"what was missed: {hook.payload['data']['reply_text']!r}")
    answer = await stage.mail_to(CAROL)
    subject = parse_message(answer.content).text("Subject")
    stage.step("answered", f"by the policy, as ever: {subject!r}")
