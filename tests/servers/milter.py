"""The mail server's side of the milter protocol: a message in, what the filter adds out."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from itertools import chain

from gateway.mail.message import parse_message

VERSION = 6
EVERY_ACTION = 0x1FF
VALUES_AS_THEY_STAND = 0x100000  # with the blank after the colon
BODY_BYTES = 65535
GOES_ON, ACCEPTS = b"c", b"a"
FIELD_INSERTED = b"i"
EDITS = (FIELD_INSERTED, b"m", b"q", b"p")  # m and q change what is not looked at here, p waits


def added_fields(
    content: bytes, *, socket_path: str, client: str, helo: str, mail_from: str
) -> list[bytes]:
    """Hand over `content` as a mail server would; return the values of the fields it adds.

    There are none where it accepts the message before its end. Raises ValueError when it does
    not accept it.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(socket_path)
        blank_kept = _negotiate(connection)
        for command in chain(
            _envelope(client, helo, mail_from), _content(content, blank_kept=blank_kept)
        ):
            answer = _ask(connection, command)
            if answer[:1] == ACCEPTS:
                return []
            if answer[:1] != GOES_ON:
                raise ValueError(f"{command[:60]!r} is answered {answer!r}")
        return _end(connection)


def _negotiate(connection: socket.socket) -> bool:
    """Return whether the filter takes values with the blank after the colon."""
    offer = struct.pack("!III", VERSION, EVERY_ACTION, VALUES_AS_THEY_STAND)
    _, _, steps = struct.unpack("!III", _ask(connection, b"O" + offer)[1:13])
    return bool(steps & VALUES_AS_THEY_STAND)


def _envelope(client: str, helo: str, mail_from: str) -> Iterator[bytes]:
    yield b"C%b\0004%b%b\0" % (helo.encode(), struct.pack("!H", 25), client.encode())
    yield b"H%b\0" % helo.encode()
    yield b"M<%b>\0" % mail_from.encode()
    yield b"R<shop@provider.example>\0"


def _content(content: bytes, *, blank_kept: bool) -> Iterator[bytes]:
    message = parse_message(content)
    for field in message.fields:
        name, _, value = field.raw.replace(b"\r\n", b"\n").rstrip(b"\n").partition(b":")
        yield b"L%b\0%b\0" % (name, value if blank_kept else value.removeprefix(b" "))
    yield b"N"
    for at in range(message.body_at, len(content), BODY_BYTES):
        yield b"B" + content[at : at + BODY_BYTES]


def _end(connection: socket.socket) -> list[bytes]:
    fields = []
    answer = _ask(connection, b"E")
    while answer[:1] in EDITS:
        if answer[:1] == FIELD_INSERTED:
            fields.append(answer[5:].split(b"\0")[1].strip())  # after its place, four bytes
        answer = _read(connection)
    if answer[:1] not in (GOES_ON, ACCEPTS):
        raise ValueError(f"the message is answered {answer!r}")
    return fields


def _ask(connection: socket.socket, command: bytes) -> bytes:
    connection.sendall(struct.pack("!I", len(command)) + command)
    return _read(connection)


def _read(connection: socket.socket) -> bytes:
    (length,) = struct.unpack("!I", connection.recv(4, socket.MSG_WAITALL))
    return connection.recv(length, socket.MSG_WAITALL)
