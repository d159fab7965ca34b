"""A message with a part replaced, or enclosed in another."""

from __future__ import annotations

from gateway.sieve.message import Message
from gateway.sieve.mime import parse_parts
from gateway.sieve.rewriting import enclosed, replaced, splice, spliced

LETTER = (
    b"Subject: s\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\n"
    b"--A\r\n\r\none\r\n--A\r\n\r\ntwo\r\n--A--\r\n"
)


def bodies(content: bytes) -> list[bytes]:
    root = parse_parts(Message(content), max_parts=20, max_depth=5)
    return [part.body for part in root.walk() if not part.children]


def test_a_replaced_part_leaves_the_others() -> None:
    message = Message(LETTER)
    parts = parse_parts(message, max_parts=9, max_depth=9).children
    new = splice(parts[1], text="new", mime=False)
    assert bodies(spliced(message, [new])) == [b"one", b"new"]


def test_a_replaced_body_has_a_type_of_its_own() -> None:
    content = replaced(Message(LETTER), text="new", mime=False, headers={"Subject": "other"})
    message = Message(content)
    assert [one.value for one in message.named(["subject"])] == ["other"]
    assert message.body == b"new\r\n"


def test_an_enclosed_message_is_in_there_unchanged() -> None:
    content = enclosed(Message(LETTER), text="careful", headers={"Subject": "warning"})
    assert LETTER in content
    assert bodies(content) == [b"careful\r\n"[:-2], b"one", b"two"]
