"""Parts of a message (RFC 5703): foreverypart, break, extracttext, replace, enclose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.sieve.checker import Builder
from gateway.sieve.extensions.body import take_text
from gateway.sieve.extensions.editheader import is_field_name, is_protected
from gateway.sieve.extensions.variables import MODIFIERS, modifiers, variable_slot
from gateway.sieve.mime import Part
from gateway.sieve.rewriting import OWN, enclosed, replaced, splice
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression

MAX_LOOPS = 4  # in each other: the steps multiply


class _Break(Exception):
    """`break`: leave the loop of that name, or the innermost one."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.name = name


def _build_foreverypart(given: Given, builder: Builder) -> Command:
    argument = given.tags.get("name")
    name = builder.constant(argument, "':name'") if argument else None
    builder.loops.append(name)
    if len(builder.loops) > MAX_LOOPS:
        builder.error(given.call, f"foreverypart is nested deeper than {MAX_LOOPS}")
    block = builder.block(given.call.block or ())
    builder.loops.pop()
    line = builder.source.line_at(given.call.at)

    def foreverypart(run: Run) -> None:
        outer, loops = run.part, run.loops
        if loops >= MAX_LOOPS:
            raise RunError(f"foreverypart is nested deeper than {MAX_LOOPS}")
        run.loops = loops + 1
        try:
            for part in _parts(outer, run):
                run.step(line)
                run.part = part
                block(run)
        except _Break as stop:
            if stop.name is not None and stop.name != name:
                raise
        finally:
            if outer is None:
                run.settle()
            run.part, run.loops = outer, loops

    return foreverypart


def _parts(outer: Part | None, run: Run) -> Iterator[Part]:
    """Yield all parts of the message, or in a loop those below the current one."""
    parts = (outer or run.root).walk()
    if outer is not None:
        next(parts)
    return parts


def _build_break(given: Given, builder: Builder) -> Command:
    argument = given.tags.get("name")
    name = builder.constant(argument, "':name'") if argument else None
    if not builder.loops:
        builder.error(given.call, "'break' stands in no foreverypart")
    elif name is not None and name not in builder.loops:
        builder.error(given.call, f"no foreverypart around this is called '{name}'")

    def leave(run: Run) -> None:
        raise _Break(name)

    return leave


def _build_extracttext(given: Given, builder: Builder) -> Command:
    if not builder.loops:
        builder.error(given.call, "'extracttext' stands in no foreverypart")
    builder.need("variables", given.call)
    slot = variable_slot(given.positionals[0], builder)
    first = builder.number(given, "first")
    modify = modifiers(given)

    def extracttext(run: Run) -> None:
        part = run.part or run.root
        text = take_text(run, part, readable=True) if not part.children else ""
        run.set_variable(slot, modify(text[:first], run), stranger=True)

    return extracttext


def _build_replace(given: Given, builder: Builder) -> Command:
    subject = builder.optional_text(given, "subject")
    sender = builder.optional_text(given, "from")
    text, mime = builder.text(given.positionals[0]), given.has("mime")

    def replace(run: Run) -> None:
        new, part = text.expand(run), run.part
        if part is not None and part is not run.root:
            if part.whole is run.message.original:
                run.splices.append(splice(part, text=new, mime=mime))
            elif run.enclosed:
                raise RunError("replace: the message around this part was enclosed before")
            return  # else what it was in was replaced as a whole
        headers = _headers(run, subject, sender)
        run.rewrite(replaced(run.message, text=new, mime=mime, headers=headers))

    return replace


def _build_enclose(given: Given, builder: Builder) -> Command:
    subject = builder.optional_text(given, "subject")
    headers = builder.optional_texts(given, "headers")
    text = builder.text(given.positionals[0])

    def enclose(run: Run) -> None:
        run.settle()
        own = _headers(run, subject, None)
        others = _fields(headers.expand(run), run)
        fields = {**own, **{n: v for n, v in others.items() if n.capitalize() not in own}}
        run.rewrite(enclosed(run.message, text=text.expand(run), headers=fields))
        run.enclosed = True

    return enclose


def _fields(lines: Sequence[str], run: Run) -> dict[str, str]:
    """Return the fields among lines `name: value` that a script may give its message."""
    found: dict[str, str] = {}
    for name, colon, value in (line.partition(":") for line in lines):
        field = name.strip().lower()
        if not colon or not is_field_name(field) or field in OWN:
            run.warn(f"enclose: '{name[:40]!a}' is no field that can be given")
        elif is_protected(field, run.limits, adding=True):
            run.warn(f"enclose: the header '{name.strip()}' must not be changed")
        else:
            found[name.strip()] = value.strip()
    return found


def _headers(run: Run, subject: Expression | None, sender: Expression | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if subject is not None:
        found["Subject"] = subject.expand(run)
    if sender is not None:
        found["From"] = sender.expand(run)
    return found


_NAME = Tagged("name", Kind.TEXT, help="The name of the loop.")
SIGNATURES = (
    command(
        "foreverypart",
        _build_foreverypart,
        help="Run the block for each part of the message.",
        capability="foreverypart",
        tags=(_NAME,),
        block=True,
    ),
    command(
        "break",
        _build_break,
        help="End a foreverypart loop.",
        capability="foreverypart",
        tags=(_NAME,),
    ),
    command(
        "extracttext",
        _build_extracttext,
        help="Put the text of the part into a variable.",
        capability="extracttext",
        tags=(Tagged("first", Kind.NUMBER, help="At most so many characters."), *MODIFIERS),
        positionals=(Positional("variable", Kind.TEXT),),
    ),
    command(
        "replace",
        _build_replace,
        help="Replace the part, or the whole body, by a text.",
        capability="replace",
        tags=(
            Tagged("mime", help="The text is a whole MIME part."),
            Tagged("subject", Kind.TEXT, help="The subject."),
            Tagged("from", Kind.TEXT, help="The author shown."),
        ),
        positionals=(Positional("replacement", Kind.TEXT),),
    ),
    command(
        "enclose",
        _build_enclose,
        help="Put the message as an attachment below a text.",
        capability="enclose",
        tags=(
            Tagged("subject", Kind.TEXT, help="The subject."),
            Tagged("headers", Kind.TEXTS, help="Header fields of the new message."),
        ),
        positionals=(Positional("text", Kind.TEXT),),
    ),
)
