"""Scripts and letters made by Hypothesis: valid, and of words that meet each other often."""

from __future__ import annotations

import re

from hypothesis import strategies as st

EXTENSIONS = (
    "fileinto", "copy", "envelope", "subaddress", "variables", "relational", "regex", "body",
    "comparator-i;ascii-numeric", "imap4flags", "editheader", "date", "index", "mime",
    "foreverypart", "extracttext", "encoded-character", "vacation", "reject",
)  # fmt: skip
REQUIRE = "require [" + ", ".join(f'"{one}"' for one in EXTENSIONS) + "];\n"
HEADERS = ("subject", "from", "to", "cc", "x-one", "x-two", "x-none", "date", "content-type")
ADDRESS_HEADERS = ("from", "to", "cc", "reply-to", "sender")
VARIABLES = ("a", "b", "state")
WORDS = (
    "", "a", "A", "ab", "Ab", "abc", "b c", "hello", "Hello World", "12", "7", "007", "x+y",
)  # fmt: skip

words = st.sampled_from(WORDS)
text = st.one_of(words, st.text('abAB c.*?\\"', max_size=6))


def is_matched_alike(glob: str) -> bool:
    """Whether no '?' with a letter behind it stands before the first '*'.

    There "?x*" matches any two characters: that letter is not looked at.
    """
    plain = re.sub(r"\\.", "x", glob, flags=re.DOTALL)
    head, star, _ = plain.partition("*")
    return not (star and re.search(r"\?[^?]", head))


globs = st.text("ab?*\\ .", max_size=7).filter(is_matched_alike)
regexes = st.sampled_from(
    [
        "^a",
        "b$",
        "a+b*",
        "(a|b)c",
        "[a-c]+",
        "(.*) (.*)",
        "^$",
        "a{2}",
        "[^a]",
        "(h)(e)(l+)o",
        ".",
    ]
)
comparators = st.sampled_from(['"i;octet"', '"i;ascii-casemap"'])
relations = st.sampled_from(["gt", "ge", "lt", "le", "eq", "ne"])


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def a_list(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(items, min_size=1, max_size=3).map(lambda all_: f"[{', '.join(all_)}]")
    return st.one_of(items, several)


strings = st.one_of(
    text.map(quoted),
    st.sampled_from(
        ['"${a}"', '"${b}"', '"x${state}y"', '"${1}"', '"${0}"', '"${2}${1}"', '"${hex:41 62}"']
    ),
)


@st.composite
def matching(draw: st.DrawFn, *, regex: bool = True) -> tuple[str, str]:
    """Return the tags of a match, and keys that suit it."""
    kind = draw(st.sampled_from(["is", "contains", "matches", "regex", "value", "count"]))
    if kind == "regex" and not regex:
        kind = "is"
    if kind in ("value", "count"):
        relation = draw(relations)
        if kind == "count" or draw(st.booleans()):
            keys = draw(a_list(st.integers(0, 12).map(lambda n: f'"{n}"')))
            return f':{kind} "{relation}" :comparator "i;ascii-numeric"', keys
        return f':value "{relation}" :comparator "i;octet"', draw(a_list(strings))
    suited = {
        "matches": globs.map(quoted),
        "regex": regexes.map(quoted),
    }.get(kind, strings)
    return f":{kind} :comparator {draw(comparators)}", draw(a_list(suited))


@st.composite
def leaf(draw: st.DrawFn) -> str:
    """Return one test without others in it."""
    tags, keys = draw(matching())
    return draw(st.sampled_from(LEAVES))(draw, tags, keys)


def a_header(draw: st.DrawFn, tags: str, keys: str) -> str:
    names = draw(a_list(st.sampled_from(HEADERS).map(quoted)))
    plain = names[0] != "[" and not tags.startswith(":count")
    return f"header {draw(an_index) if plain else ''}{tags} {names} {keys}"


def a_mime_header(draw: st.DrawFn, tags: str, keys: str) -> str:
    part = draw(st.sampled_from(["", ":type", ":subtype", ":contenttype", ":param"]))
    if part == ":param":  # a parameter that is not there is an empty one there
        return f'header :mime :param "charset" :contains "content-type" "{draw(charsets)}"'
    return f'header :mime {part} {tags} "content-type" {keys}'


charsets = st.sampled_from(["utf-8", "8", "iso", "UTF"])


def an_address(draw: st.DrawFn, tags: str, keys: str) -> str:
    names = draw(a_list(st.sampled_from(ADDRESS_HEADERS).map(quoted)))
    index = draw(an_index) if names[0] != "[" else ""
    return f"address {index}{draw(parts)} {tags} {names} {keys}"


def an_envelope(draw: st.DrawFn, tags: str, keys: str) -> str:
    return f"envelope {draw(parts)} {tags} {draw(a_list(st.sampled_from(ENVELOPE)))} {keys}"


def an_exists(draw: st.DrawFn, tags: str, keys: str) -> str:
    return f"exists {draw(a_list(st.sampled_from(HEADERS).map(quoted)))}"


def a_size(draw: st.DrawFn, tags: str, keys: str) -> str:
    return f"size {draw(st.sampled_from([':over', ':under']))} {draw(st.integers(0, 900))}"


def a_string(draw: st.DrawFn, tags: str, keys: str) -> str:
    return f"string {tags} {draw(a_list(strings))} {keys}"


def a_body(draw: st.DrawFn, tags: str, keys: str) -> str:
    how = draw(st.sampled_from([":raw", ":text", ':content "text"', ':content "text/html"']))
    if how == ":text":  # what it makes of HTML is each program's own (RFC 5173 §5.3)
        return f"body :text :contains {draw(a_list(words.map(quoted)))}"
    tags, keys = draw(matching(regex=False))
    return f"body {how} {tags} {keys}"


def a_flag(draw: st.DrawFn, tags: str, keys: str) -> str:
    return f"hasflag :contains {draw(a_list(flags))}"


def a_date(draw: st.DrawFn, tags: str, keys: str) -> str:
    zone = draw(st.sampled_from([":originalzone", ':zone "+0200"', ':zone "-1130"']))
    return f'date {zone} {tags} "date" "{draw(st.sampled_from(DATE_PARTS))}" {keys}'


def a_constant(draw: st.DrawFn, tags: str, keys: str) -> str:
    return draw(st.sampled_from(["true", "false"]))


LEAVES = (
    a_header, a_header, a_header, an_address, an_address, an_envelope, an_exists, a_size,
    a_string, a_string, a_body, a_flag, a_date, a_mime_header, a_constant,
)  # fmt: skip
ENVELOPE = ('"from"', '"to"')
DATE_PARTS = (
    "year", "month", "day", "hour", "minute", "weekday", "julian", "date", "time", "iso8601",
    "std11", "zone",
)  # fmt: skip
parts = st.sampled_from([":all", ":localpart", ":domain", ":user", ":detail"])
an_index = st.sampled_from(["", "", "", ":index 1 ", ":index 2 ", ":index 1 :last "])
flags = st.sampled_from(['"\\\\Seen"', '"\\\\flagged"', '"tag"', '"tag other"', '"Other"'])
tests = st.recursive(
    leaf(),
    lambda inner: st.one_of(
        inner.map(lambda one: f"not {one}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda all_: f"allof ({', '.join(all_)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda all_: f"anyof ({', '.join(all_)})"),
    ),
    max_leaves=3,
)
modifiers = st.sampled_from(
    [
        "",
        "",
        ":lower ",
        ":upper ",
        ":lowerfirst ",
        ":upperfirst ",
        ":length ",
        ":quotewildcard ",
        ":upperfirst :lower ",
    ]
)
# What the other program does in its own way is not made: an action with :copy and again
# without it leaves the implicit keep in force there, its body :raw of nothing is nothing,
# its '?' is an octet, a charset that nobody knows is ASCII, its :index counts each header of
# a list by itself and does not :count the last field, i;ascii-casemap puts a backslash before
# all letters (RFC 4790 §9.2.1 compares them as capitals), and the flags of a keep behind a
# fileinto "INBOX" do not count.
copies = st.sampled_from(['"copy"', '"copy ${b}"'])
folders = st.sampled_from(['"one"', '"two words"', '"f${a}"'])
commands = st.one_of(
    st.just("keep;"),
    st.just("discard;"),
    st.just("stop;"),
    folders.map(lambda name: f"fileinto {name};"),
    copies.map(lambda name: f"fileinto :copy {name};"),
    st.tuples(folders, flags).map(lambda both: f"fileinto :flags {both[1]} {both[0]};"),
    st.sampled_from(["a@x.example", "b@x.example"]).map(lambda to: f'redirect "{to}";'),
    st.just('redirect :copy "c@x.example";'),
    st.tuples(st.sampled_from(["addflag", "setflag", "removeflag"]), a_list(flags)).map(
        lambda both: f"{both[0]} {both[1]};"
    ),
    st.tuples(modifiers, st.sampled_from(VARIABLES), strings).map(
        lambda given: f'set {given[0]}"{given[1]}" {given[2]};'
    ),
    st.tuples(
        st.sampled_from(["", ":last "]), st.sampled_from(["X-One", "X-Two", "Cc"]), words
    ).map(lambda given: f'addheader {given[0]}"{given[1]}" {quoted(given[2])};'),
    st.tuples(an_index, st.sampled_from(["x-one", "subject", "cc"])).map(
        lambda given: f'deleteheader {given[0]}"{given[1]}";'
    ),
)
ends = st.sampled_from(["", "", "", "", 'vacation "We are away.";', 'reject "No.";'])


@st.composite
def branches(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Return an `if`, perhaps with what follows one."""
    found = f"if {draw(tests)} {{ {draw(inner)} }}"
    if draw(st.booleans()):
        found += f" elsif {draw(tests)} {{ {draw(inner)} }}"
    if draw(st.booleans()):
        found += f" else {{ {draw(inner)} }}"
    return found


def several(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(one, min_size=1, max_size=3).map("\n".join)


blocks = several(st.recursive(commands, lambda inner: branches(several(inner)), max_leaves=4))
loops = blocks.map(lambda block: f"foreverypart {{ {block} }}")
bodies_of_scripts = several(st.one_of(blocks, blocks, blocks, loops))


def is_read_alike(script: str) -> bool:
    """Whether no `body :raw` may stand behind an edit of the header.

    There it begins as far into the edited message as the header was long before.
    """
    return "body :raw" not in script or not ("addheader" in script or "deleteheader" in script)


scripts = (
    st.tuples(bodies_of_scripts, ends)
    .map(lambda both: f"{REQUIRE}{both[0]}\n{both[1]}")
    .filter(is_read_alike)
)

mailboxes = st.sampled_from(
    [
        "ann@x.example",
        "Ann Lee <ann@x.example>",
        "<a+b@x.example>",
        '"Lee, A." <a.b@Sub.X.example>',
        "group: a@x.example, b@x.example;",
        "=?utf-8?q?J=C3=BCrgen?= <abc@x.example>",
        "A@X.EXAMPLE",
        "a+@x.example",
    ]
)
values = st.one_of(
    words,
    st.lists(words, max_size=3).map("\r\n ".join),
    st.sampled_from(
        [
            "=?utf-8?b?YWI=?= =?utf-8?b?Yw==?=",
            "a  b",
        ]
    ),
)
dates = st.sampled_from(
    [
        "Tue, 1 Jul 2025 10:30:00 +0200",
        "1 Jul 2025 00:05:59 -0700",
        "Sat, 29 Feb 2020 23:59:59 +0000",
        "no date at all",
    ]
)
bodies = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "",
                "Content-Type: text/plain; charset=utf-8\r\n",
                'Content-Type: text/html; charset="iso-8859-1"\r\n',
            ]
        ),
        st.sampled_from(["a\r\n", "hello\r\n", "Hello World abc\r\n", "<p>a</p> b\r\n"]),
    ).map("\r\n".join),
    st.just(
        'Content-Type: multipart/mixed; boundary="=b"\r\n\r\npreamble a\r\n--=b\r\n\r\n'
        "hello abc\r\n"
        "--=b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "PGI+YWI8L2I+\r\n"
        "--=b--\r\nepilogue b\r\n"
    ),
)


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    """Return a mail whose header and body hold what the scripts look for."""
    lines = [f"From: {draw(mailboxes)}"]
    for name in draw(st.lists(st.sampled_from(["To", "Cc", "Reply-To"]), max_size=3)):
        lines.append(
            f"{name}: " + ",\r\n ".join(draw(st.lists(mailboxes, min_size=1, max_size=2)))
        )
    for name in draw(st.lists(st.sampled_from(["Subject", "X-One", "X-Two"]), max_size=4)):
        lines.append(f"{name}: {draw(values)}")
    if draw(st.booleans()):
        lines.append(f"Date: {draw(dates)}")
    return ("\r\n".join(lines) + "\r\n" + draw(bodies)).encode()
