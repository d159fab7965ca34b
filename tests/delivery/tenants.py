"""Random tenants, what is done to them, and the mail that they hand in meanwhile.

They want the same things: the same domains, the same mailbox, accounts at the same hosts
under the same names. Only the secrets tell whose account is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

TENANTS = ("acme", "brio", "calm")
DOMAINS = ("a.example", "b.example")
MAILBOX = "shop@163.com"
SENDERS = ("sales@a.example", "*@a.example", "sales@b.example", "*@b.example", MAILBOX)
AUTHORS = ("sales@a.example", "Sales+x@A.example", "ann@a.example", "ann@b.example", MAILBOX)
UPSTREAMS = ("one", "two")
ACCOUNTS: dict[str, dict[str, Any]] = {
    "by hand": {"host": "smtp.shared.example", "username": "relay"},
    "preset": {"provider": "sendgrid"},
    "through the mailbox": {"mailbox": MAILBOX},
}


@dataclass(frozen=True)
class Apply:
    """A tenant file is applied; `version` makes its secrets others than before."""

    table: dict[str, Any]
    version: int
    prune: bool
    force: bool
    noticed: bool  # by the running server, before anything else happens


@dataclass(frozen=True)
class Remove:
    """A tenant is removed with everything of it."""

    tenant: str
    force: bool
    noticed: bool


@dataclass(frozen=True)
class Look:
    """The running server notices what was written; before, it knows the tenants of then."""


@dataclass(frozen=True)
class Submit:
    """The helpdesks of some tenants hand in a mail from each author that they may be."""

    tenants: frozenset[str]
    return_path: str | None
    later: bool


@dataclass(frozen=True)
class Answer:
    """The mailbox answers by its own account."""


@dataclass(frozen=True)
class Person:
    """Somebody holds, releases, retries or deletes what waits."""

    verb: str
    number: int


@dataclass(frozen=True)
class Pause:
    """Somebody pauses an upstream, or resumes it."""

    tenant: str
    lane: str
    resumes: bool


@dataclass(frozen=True)
class Deliver:
    """The scheduler sends what is due; `meanwhile` happens between a claim and its session."""

    meanwhile: Apply | Remove | None


@st.composite
def tables(
    draw: st.DrawFn, tenant: str | None = None, domains: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """A tenant file whose own parts fit together; another tenant may have what it asks for."""
    owned = draw(st.sets(st.sampled_from(DOMAINS))) if domains is None else set(domains)
    has_mailbox = draw(st.booleans())
    kinds = [*ACCOUNTS][: 3 if has_mailbox else 2]
    kind = st.sampled_from(kinds)
    upstreams = {name: draw(kind) for name in UPSTREAMS if not draw(CHANCE)}
    fitting = [one for one in SENDERS if one == MAILBOX or one.partition("@")[2] in owned]
    senders = draw(st.sets(st.sampled_from(SENDERS))) if draw(CHANCE) else {*fitting}
    return {
        "tenant": tenant or draw(tenants),
        "domains": {name: {} for name in owned},
        "upstreams": {name: ACCOUNTS[kind] for name, kind in upstreams.items()},
        "mailboxes": {MAILBOX: {"provider": "netease-163"}} if has_mailbox else {},
        "senders": {
            address: {"from": draw(st.sampled_from(("enforce", "rewrite")))}
            | ({"upstream": draw(st.sampled_from([*upstreams]))} if upstreams else {})
            for address in sorted(senders)
            if not draw(CHANCE) or address in fitting
        },
    }


def applies(
    tenant: str | None = None, domains: tuple[str, ...] | None = None
) -> st.SearchStrategy[Apply]:
    """A file that is applied, to any tenant or to a certain one."""
    return st.builds(
        Apply,
        tables(tenant, domains),
        version=st.integers(0, 1),
        prune=st.booleans(),
        force=st.booleans(),
        noticed=NOTICED,
    )


CHANCE = st.sampled_from((True, False, False, False))
NOTICED = st.booleans()
tenants = st.sampled_from(TENANTS)
openings = st.tuples(
    applies("acme", ("a.example",)), applies("brio", ("b.example",)), applies("calm", ())
)
submissions = st.builds(
    Submit,
    st.frozensets(tenants, min_size=1),
    return_path=st.sampled_from((None, None, None, "sales@a.example", "bounce@b.example")),
    later=CHANCE,
)
removals = st.builds(Remove, tenants, force=st.booleans(), noticed=NOTICED)
changes = st.one_of(applies(), applies(), removals)
persons = st.builds(
    Person, st.sampled_from(("hold", "release", "retry", "delete")), number=st.integers(0, 9)
)
pauses = st.builds(
    Pause, tenants, lane=st.sampled_from((*UPSTREAMS, MAILBOX)), resumes=st.booleans()
)
steps = st.one_of(
    *[submissions] * 3,
    st.just(Answer()),
    *[changes] * 3,
    persons,
    pauses,
    st.just(Look()),
    st.builds(Deliver, st.none() | changes),
)
