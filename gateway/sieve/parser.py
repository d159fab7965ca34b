"""Tokens to the syntax tree (RFC 5228 §8.2); goes on after an error at `;` or `}`."""

from __future__ import annotations

from gateway.sieve.diagnostics import Source
from gateway.sieve.lexer import BAD, END, IDENTIFIER, NUMBER, STRING, TAG, Token, read_tokens
from gateway.sieve.syntax import Argument, Call, Number, Tag, Text, Texts

MAX_ARGUMENTS = 32


class _Fault(Exception):
    """A reported syntax error; parsing goes on at the next command."""


def parse(source: Source, *, nesting: int) -> tuple[Call, ...]:
    """Return the commands of `source`; errors are recorded there.

    Blocks and tests deeper than `nesting` are errors.
    """
    return _Parser(source, nesting).commands()


class _Parser:
    def __init__(self, source: Source, nesting: int) -> None:
        self._source = source
        self._tokens = read_tokens(source)
        self._position = 0
        self._nesting = nesting

    def commands(self) -> tuple[Call, ...]:
        found: list[Call] = []
        while self._token.kind != END:
            found.extend(self._block_commands(0))
            if self._token.value == "}" and self._token.kind != STRING:
                self._source.error(self._token.at, "this '}' closes no block")
                self._position += 1
        return tuple(found)

    @property
    def _token(self) -> Token:
        return self._tokens[self._position]

    def _is(self, mark: str) -> bool:
        token = self._tokens[self._position]
        return token.value == mark and token.kind != STRING

    def _take(self) -> Token:
        token = self._tokens[self._position]
        if token.kind != END:
            self._position += 1
        return token

    def _block_commands(self, depth: int) -> list[Call]:
        """Read commands up to a '}' or the end."""
        found: list[Call] = []
        while self._token.kind != END and not self._is("}"):
            try:
                found.append(self._command(depth))
            except _Fault:
                self._recover()
        return found

    def _recover(self) -> None:
        """Skip to behind the ';' or the block that ends the broken command."""
        depth = 0
        while self._token.kind != END:
            if self._is("}") and depth == 0:
                return
            token = self._take()
            if token.kind == STRING:
                continue
            depth += (token.value == "{") - (token.value == "}")
            if depth == 0 and token.value in (";", "}"):
                return

    def _fail(self, message: str, *, at: int | None = None, width: int | None = None) -> _Fault:
        token = self._token
        if token.kind == BAD:
            return _Fault()
        place = token.at if at is None else at
        self._source.error(place, message, width=width or max(1, token.width))
        return _Fault()

    def _command(self, depth: int) -> Call:
        if self._token.kind != IDENTIFIER:
            raise self._fail(f"a command was expected here, not {_shown(self._token)}")
        call = self._call(0)
        if self._is(";"):
            self._position += 1
            return call
        if self._is("{"):
            return self._with_block(call, depth)
        raise self._missing_end(call)

    def _missing_end(self, call: Call) -> _Fault:
        last = self._tokens[self._position - 1]
        if self._token.kind == END or self._is("}"):
            sentence = f"missing semicolon after the {call.name} command; end it with ';'"
            return self._fail(sentence, at=last.end - 1, width=1)
        hint = "; a list of tests stands in parentheses" if self._is(",") else ""
        return self._fail(
            f"';' or a block was expected after the {call.name} command,"
            f" not {_shown(self._token)}{hint}"
        )

    def _with_block(self, call: Call, depth: int) -> Call:
        opening = self._take()
        if depth >= self._nesting:
            self._position -= 1
            raise self._fail(f"blocks are nested deeper than {self._nesting}")
        block = self._block_commands(depth + 1)
        if not self._is("}"):
            raise self._fail("this block is not closed by '}'", at=opening.at, width=1)
        self._position += 1
        return Call(
            call.at, call.name, call.arguments, call.tests, call.test_list, tuple(block)
        )

    def _call(self, depth: int) -> Call:
        """Read a name, its arguments and its tests."""
        name = self._take()
        if depth > self._nesting:
            self._position -= 1
            raise self._fail(f"tests are nested deeper than {self._nesting}")
        arguments = self._arguments()
        tests: tuple[Call, ...] = ()
        test_list = self._is("(")
        if test_list:
            tests = self._test_list(depth)
        elif self._token.kind == IDENTIFIER:
            tests = (self._call(depth + 1),)
        return Call(name.at, str(name.value), arguments, tests, test_list)

    def _test_list(self, depth: int) -> tuple[Call, ...]:
        self._take()
        found: list[Call] = []
        while True:
            if self._token.kind != IDENTIFIER:
                raise self._fail(f"a test was expected here, not {_shown(self._token)}")
            found.append(self._call(depth + 1))
            if self._is(")"):
                self._position += 1
                return tuple(found)
            if not self._is(","):
                raise self._fail(f"',' or ')' was expected here, not {_shown(self._token)}")
            self._position += 1

    def _arguments(self) -> tuple[Argument, ...]:
        found: list[Argument] = []
        while (argument := self._argument()) is not None:
            found.append(argument)
            if len(found) > MAX_ARGUMENTS:
                raise self._fail(f"more than {MAX_ARGUMENTS} arguments")
        return tuple(found)

    def _argument(self) -> Argument | None:
        token = self._token
        if token.kind == STRING:
            return self._text()
        if token.kind == TAG:
            self._position += 1
            return Tag(token.at, token.width, str(token.value))
        if token.kind == NUMBER:
            self._position += 1
            return Number(token.at, token.width, int(token.value))
        if self._is("["):
            return self._texts()
        return None

    def _text(self) -> Text:
        token = self._token
        if token.kind != STRING:
            raise self._fail(f"a string was expected here, not {_shown(token)}")
        self._position += 1
        return Text(token.at, token.width, str(token.value))

    def _texts(self) -> Texts:
        opening = self._take()
        items = [self._text()]
        while self._is(","):
            self._position += 1
            items.append(self._text())
        if not self._is("]"):
            raise self._fail(f"',' or ']' was expected here, not {_shown(self._token)}")
        closing = self._take()
        return Texts(opening.at, closing.end - opening.at, tuple(items))


def _shown(token: Token) -> str:
    if token.kind == END:
        return "the end of the script"
    if token.kind == STRING:
        return "a string"
    if token.kind == TAG:
        return f"':{token.value}'"
    return f"'{token.value}'"
