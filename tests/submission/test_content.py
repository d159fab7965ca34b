"""DATA's bytes: strict about their end, exact about everything else."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.reply import Reply
from gateway.submission.content import MAX_HEADER_BYTES, Content

LIMIT = 100_000
HEAD = b"Subject: x\r\n\r\n"
LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b".x", b"x.", b"\xff\xfe", b"QUIT", b" "]),
        st.binary(max_size=40).map(lambda line: line.translate(None, b"\r\n\0")),
    )
)


def stuffed(content: bytes) -> bytes:
    """What a client sends for `content` (RFC 5321 §4.5.2)."""
    lines = content.split(b"\r\n")[:-1]
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"


def read(data: bytes, *, block: int = 65536, limit: int = LIMIT) -> tuple[bytes | Reply, bytes]:
    content = Content(max_bytes=limit)
    for at in range(0, len(data), block):
        rest = content.feed(data[at : at + block])
        if rest is not None:
            return content.take(), rest + data[at + block :]
    raise AssertionError("the end was not found")


@given(lines=LINES, cuts=st.lists(st.integers(0, 500)), rest=st.binary(max_size=20))
def test_content_comes_out_byte_for_byte_however_it_was_cut(
    lines: list[bytes], cuts: list[int], rest: bytes
) -> None:
    sent = b"".join(line + b"\r\n" for line in lines)
    data = stuffed(sent) + rest
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    content = Content(max_bytes=LIMIT)
    left = None
    for start, end in pairwise(edges):
        if left is None:
            left = content.feed(data[start:end])
        else:
            left += data[start:end]
    assert left == rest
    assert content.take() == sent


@pytest.mark.parametrize("block", range(1, 9))
def test_the_end_is_found_across_blocks(block: int) -> None:
    assert read(b"a\r\n..\r\n.\r\nNOOP\r\n", block=block) == (b"a\r\n.\r\n", b"NOOP\r\n")


@pytest.mark.parametrize("block", [1, 2, 3, 9])
def test_a_lone_dot_is_an_empty_message(block: int) -> None:
    assert read(b".\r\nQUIT\r\n", block=block) == (b"", b"QUIT\r\n")


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"]
)
@pytest.mark.parametrize("block", [1, 7, 4096])
def test_no_other_sequence_ends_the_data_and_the_message_is_refused(
    end: bytes, block: int
) -> None:
    smuggled = HEAD + b"body" + end + b"MAIL FROM:<evil@example.org>\r\n"
    content, rest = read(smuggled + b".\r\nNOOP\r\n", block=block)
    assert isinstance(content, Reply)
    assert (content.code, content.enhanced) == (550, "5.6.0")
    assert content.as_line().isascii()  # else a client reads escapes
    assert rest == b"NOOP\r\n"


def test_the_limit_counts_what_is_sent_without_the_final_dot() -> None:
    line = b"x" * 98 + b"\r\n"
    fits, _ = read(line * 10 + b".\r\n", limit=1000)
    assert fits == line * 10
    over, rest = read(line * 10 + b"\r\n.\r\nNOOP\r\n", limit=1000)
    assert isinstance(over, Reply)
    assert (over.code, over.enhanced, rest) == (552, "5.3.4", b"NOOP\r\n")


def test_what_is_over_the_limit_is_not_kept() -> None:
    content = Content(max_bytes=1000)
    for _ in range(1000):
        content.feed(b"x" * 1000)
    kept = sum(len(block) for block in content._blocks) + len(content._tail)
    assert kept < 10
    assert content.size_bytes == 1_000_000


@pytest.mark.parametrize("before", [b"", b"short\r\n" * 300])
def test_lines_are_bounded_at_998_bytes(before: bytes) -> None:
    for line in (b"x" * 998, b"." + b"x" * 997):
        sent = HEAD + before + line + b"\r\n" + b"end\r\n"
        assert read(stuffed(sent))[0] == sent
    for line in (b"x" * 999, b"." * 999, b"x" * 20_000):
        refused, _ = read(stuffed(HEAD + before + line + b"\r\n" + b"end\r\n"))
        assert isinstance(refused, Reply)
        assert "998" in refused.text


def test_the_header_is_bounded() -> None:
    header = b"X: y\r\n" * (MAX_HEADER_BYTES // 6 + 1)
    refused, _ = read(header + b"\r\nbody\r\n.\r\n", limit=10**6)
    assert isinstance(refused, Reply)
    assert (refused.code, refused.enhanced) == (552, "5.3.4")
    body = HEAD + b"y\r\n" * (MAX_HEADER_BYTES // 3 + 10)
    assert read(body + b".\r\n", limit=10**6)[0] == body
