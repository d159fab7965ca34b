"""The body test (RFC 5173): the raw body, parts by their type, or the text in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.sieve.checker import Builder
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.mime import Part
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, test
from gateway.sieve.strings import Expressions

TRANSFORMS = (
    Tagged("raw", group="body transform", help="The body as it came."),
    Tagged("content", Kind.TEXTS, group="body transform", help="Parts of these types."),
    Tagged("text", group="body transform", help="The text that a person reads."),
)


def _build_body(given: Given, builder: Builder) -> Test:
    keys = builder.texts(given.positionals[0])
    # RFC 5173 §6: the body test sets no match values.
    match = compile_match(given, builder, keys=keys, sets_matches=False)
    match given.chosen("body transform"):
        case "raw":
            values: Callable[[Run], Sequence[str]] = _raw
        case "content":
            values = _content(builder.texts(given.tags["content"]))
        case _:
            values = _text
    # RFC 5173 §4: no body test is true of a header that no empty line follows.
    return lambda run: run.message.has_body and match(run, values(run))


def _raw(run: Run) -> Sequence[str]:
    return [run.message.body.decode("utf-8", "surrogateescape")]


def _text(run: Run) -> Sequence[str]:
    return [take_text(run, part, readable=True) for part in run.root.walk() if part.is_text]


def _content(types: Expressions) -> Callable[[Run], Sequence[str]]:
    lowered = types.lowered()

    def values(run: Run) -> Sequence[str]:
        wanted = lowered(run)
        found: list[str] = []
        for part in run.root.walk():
            if any(_fits(value, part.type.value) for value in wanted):
                found.extend(_strings(run, part))
        return found

    return values


def _fits(wanted: str, type_: str) -> bool:
    """Whether a type is meant (RFC 5173 §5.2); one with a slash at its end or two is never."""
    if not wanted:
        return True
    if wanted.startswith("/") or wanted.endswith("/") or wanted.count("/") > 1:
        return False
    return type_ == wanted or ("/" not in wanted and type_.startswith(f"{wanted}/"))


def _strings(run: Run, part: Part) -> list[str]:
    """Return what is searched of a part: not what its children hold (RFC 5173 §5.2)."""
    if part.type.value.startswith("multipart/"):
        return [_characters(part.prologue), _characters(part.epilogue)]
    if part.type.value == "message/rfc822" and part.children:
        child = part.children[0]
        header = part.whole[child.start : child.body_at]
        return [_characters(header).removesuffix("\r\n") or ""]
    return [take_text(run, part, readable=False)]


def _characters(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def take_text(run: Run, part: Part, *, readable: bool) -> str:
    """Return a part's text; what passes the limit of the message is cut, with a warning."""
    known = run.texts.get((id(part), readable))
    if known is not None:
        return known
    decoded = part.decoded(run.text_left)
    text = part.text_of(decoded, readable=readable)
    run.text_left -= len(decoded)
    if not run.text_left:
        run.warn(f"text of the body was cut at {run.limits.body_text_bytes} bytes")
    run.texts[id(part), readable] = text
    return text


SIGNATURES = (
    test(
        "body",
        _build_body,
        help="Compare the text of the body with keys.",
        capability="body",
        tags=(*TRANSFORMS, *COMPARISON),
        positionals=(Positional("keys", Kind.TEXTS),),
    ),
)
