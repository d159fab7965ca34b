"""What an open folder holds: its messages, and the bytes of one."""

from __future__ import annotations

from gateway.net.imap import ImapRefused, ImapSession, Listed

LARGEST_BYTES = 150 * 1024 * 1024
MOST_HEADER_BYTES = 4 * 1024 * 1024  # mail systems take 100 KB to 1 MB
MOST_HEADER_LINES = 100_000  # to read them takes half a second


class Listing:
    """Lists with sizes; without, where that was refused: Dovecot must read for a size."""

    def __init__(self) -> None:
        self._without_sizes: set[str] = set()  # folders with a message that has none to give

    async def messages(
        self, session: ImapSession, folder: str, *, above: int
    ) -> list[Listed] | ImapRefused:
        """Return what the selected `folder` holds above a UID; raises Unreachable."""
        if folder not in self._without_sizes:
            listed = await session.messages_above(above)
            if not isinstance(listed, ImapRefused):
                return listed
            self._without_sizes.add(folder)
            if listed.code == "BYE":
                return listed
        return await session.messages_above(above, sizes=False)

    def ask_sizes_again(self, folder: str) -> None:
        """The message without a size is done with."""
        self._without_sizes.discard(folder)


async def read_content(session: ImapSession, listed: Listed) -> bytes | ImapRefused | None:
    """Ask for the size first, then for the bytes; None: it is gone. Raises Unreachable."""
    size = listed.size_bytes
    if size is None:
        answer = await session.size(listed.uid)
        if not isinstance(answer, int):
            return answer
        size = answer
    if size > LARGEST_BYTES:
        return ImapRefused("imap-any", "NO", f"{size} bytes are too much to take in")
    return await session.content(listed.uid, size_bytes=size, most_bytes=LARGEST_BYTES)


def find_excess(content: bytes) -> str | None:
    """Return why a message is not to be read, or None: its header is made to take minutes."""
    # some servers give lines that end with LF alone
    ends = (content.find(one, 0, MOST_HEADER_BYTES) for one in (b"\n\r\n", b"\n\n"))
    size = min((end for end in ends if end >= 0), default=len(content))
    if size > MOST_HEADER_BYTES:
        return f"its header has more than {MOST_HEADER_BYTES} bytes, as no letter's"
    lines = content.count(b"\n", 0, size)
    if lines > MOST_HEADER_LINES:
        return f"its header has {lines} lines, as no letter's"
    return None
