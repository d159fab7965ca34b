"""Which provider for which mail: the presets ordered for a wish, each with its reasons; pure.

Judged from the data files alone: prices and reputations are not in them. Figures of a plan
never rule a provider out where a larger plan can be bought; a mailbox has no such plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.providers.catalogue import Provider

USES = ("support", "orders", "marketing", "china")
FREE_MAIL_PER_DAY = 100  # above it a free mailbox is soon limited or blocked
MUCH_FOR_A_MAILBOX = 1000  # a day
BULK_PER_DAY = 5000  # where Gmail, Yahoo and Outlook.com begin to call it bulk
Weighed = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How many mails a day, for what (of `USES`), and from which address, if that is known."""

    per_day: int
    uses: tuple[str, ...]
    sender: str | None = None

    @property
    def domain(self) -> str:
        """The domain of the sender's address, empty when none is known."""
        return (self.sender or "").rpartition("@")[2].casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One provider for one wish: whether it fits, and why or why not."""

    provider: Provider
    fits: bool
    points: int
    reasons: tuple[str, ...]


def advise(catalogue: Mapping[str, Provider], wish: Wish) -> list[Advice]:
    """Return every provider one can choose, the best first, those that do not fit last."""
    known = [one for one in catalogue.values() if one.group not in ("generic", "channel")]
    judged = [_judge(one, catalogue, wish) for one in known]
    return sorted(judged, key=lambda one: (not one.fits, -one.points, one.provider.name))


def find_free_mail(catalogue: Mapping[str, Provider], domain: str) -> Provider | None:
    """Return the provider that lends its own domain to everybody, None for any other domain."""
    return next((one for one in catalogue.values() if domain and domain in one.domains), None)


def find_warnings(catalogue: Mapping[str, Provider], wish: Wish) -> Iterator[str]:
    """Yield a sentence for each thing that goes wrong with any provider."""
    if find_free_mail(catalogue, wish.domain) and wish.per_day > FREE_MAIL_PER_DAY:
        yield (
            f"{wish.sender} is a free-mail address: above {FREE_MAIL_PER_DAY} mails a day such"
            " accounts are limited or blocked; send from a domain of your own"
        )
    if wish.per_day > BULK_PER_DAY:
        yield (
            f"above {BULK_PER_DAY} mails a day Gmail, Yahoo and Outlook.com refuse mail without"
            " SPF, DKIM and DMARC of the sender's own domain"
        )


def find_steps(provider: Provider, wish: Wish) -> Iterator[str]:
    """Yield what a person does before the first mail, in order."""
    yield from provider.login.setup
    if provider.role == "sender" or provider.own_domains or not provider.domains:
        records = f"SPF {provider.dns.spf}; DKIM {provider.dns.dkim}"
        yield f"publish at the sender's domain: {records}"
        yield "publish DMARC: _dmarc TXT v=DMARC1; p=none is enough to begin with"
    if "marketing" in wish.uses:
        yield "put List-Unsubscribe and List-Unsubscribe-Post into every mail (RFC 8058)"
        yield "use another domain or subdomain than for support: reputations do not mix then"
    if provider.role == "sender":
        yield "connect a mailbox beside it: a sending service does not receive the answers"


def _judge(provider: Provider, catalogue: Mapping[str, Provider], wish: Wish) -> Advice:
    obstacles = [*_sender_obstacles(provider, catalogue, wish), *_obstacles(provider, wish)]
    if obstacles:
        return Advice(provider=provider, fits=False, points=0, reasons=tuple(obstacles))
    weighed = [*_merits(provider, wish), *_drawbacks(provider, wish)]
    return Advice(
        provider=provider,
        fits=True,
        points=sum(points for points, _ in weighed),
        reasons=tuple(reason for _, reason in weighed),
    )


def _sender_obstacles(
    provider: Provider, catalogue: Mapping[str, Provider], wish: Wish
) -> Iterator[str]:
    home = find_free_mail(catalogue, wish.domain)
    if home is not None and home.id != provider.id:
        yield f"cannot send as {wish.sender}: that address belongs to {home.name}"
    only_its_own = provider.domains and not provider.own_domains
    if home is None and only_its_own:
        yield f"has addresses at {', '.join(provider.domains[:3])} only, none at your domain"


def _obstacles(provider: Provider, wish: Wish) -> Iterator[str]:
    limits = provider.limits
    if "smtp" not in provider.login.password_for:
        yield "takes no password: only its own mailbox sends, signed in to by OAuth2"
    if provider.role != "mailbox":
        return
    if "marketing" in wish.uses:
        yield "is a mailbox: accounts that send marketing are blocked"
    if limits.per_day is not None and limits.per_day < wish.per_day:
        yield f"allows {limits.per_day} mails a day" + _of_plan(provider)
    elif limits.per_hour is not None and limits.per_hour * 24 < wish.per_day:
        yield f"allows {limits.per_hour} mails an hour"


def _merits(provider: Provider, wish: Wish) -> Iterator[Weighed]:
    few = wish.per_day <= FREE_MAIL_PER_DAY
    if provider.role == "sender" and not few:
        yield 3, "is made for this many mails a day"
    if provider.role == "mailbox" and few:
        yield 3, "one account sends and receives, enough for this many"
    for use in wish.uses:
        if use in provider.suits:
            yield 2, f"is meant for {use}"
    if "china" in wish.uses and provider.group == "cn":
        yield 4, "is in China, near those who read there"


def _drawbacks(provider: Provider, wish: Wish) -> Iterator[Weighed]:
    yield from _drawbacks_of_place(provider, wish)
    yield from _drawbacks_of_volume(provider, wish)
    yield from _drawbacks_of_account(provider)


def _drawbacks_of_place(provider: Provider, wish: Wish) -> Iterator[Weighed]:
    in_china = provider.group == "cn"
    if in_china and "china" not in wish.uses:
        yield -3, "is in China: its pages are in Chinese, the way to other countries is long"
    if not in_china and "china" in wish.uses:
        yield -2, "is outside China: QQ limits unknown addresses by frequency"


def _drawbacks_of_volume(provider: Provider, wish: Wish) -> Iterator[Weighed]:
    limits = provider.limits
    if provider.role == "sender" and limits.per_day and limits.per_day < wish.per_day:
        yield -1, f"allows {limits.per_day} mails a day{_of_plan(provider)}: take a larger plan"
    if provider.role == "mailbox" and wish.per_day > FREE_MAIL_PER_DAY and not limits.per_day:
        points = -2 if wish.per_day <= MUCH_FOR_A_MAILBOX else -4
        yield points, "publishes no limit: sending this many may be stopped without notice"


def _drawbacks_of_account(provider: Provider) -> Iterator[Weighed]:
    login, sender = provider.login, provider.sender
    if provider.imap and provider.imap[0].host == "127.0.0.1":
        yield -1, "needs a program of its own beside the gateway"
    if "imap" not in login.password_for and provider.imap:
        yield -2, "its mailbox is read by OAuth2 only: register a client with it first"
    if login.secret_life_days:
        yield -1, f"its code runs out after {login.secret_life_days} days"
    if sender.otherwise == "rewrite-from":
        yield -1, "replaces a From that it does not know instead of refusing it"
    if sender.async_rejection:
        yield -1, "accepts mail that it then refuses: the reason is seen there only"
    if sender.replaces_message_id is True:
        yield -1, "replaces the Message-ID; threads hold, as the gateway maps it back"


def _of_plan(provider: Provider) -> str:
    return f" ({provider.limits.plan})" if provider.limits.plan else ""
