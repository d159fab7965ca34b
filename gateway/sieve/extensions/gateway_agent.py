"""`vnd.gateway.agent`: let an agent answer, by an admin's guidance and knowledge."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.extensions.actions import COPY
from gateway.sieve.extensions.gateway_route import check_route
from gateway.sieve.extensions.vacation import check_address, clamped, period
from gateway.sieve.runtime import Command, Run
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.syntax import Text

MODES = ("shadow", "draft", "delay", "send")
DEFAULT_CONFIDENCE = 80  # percent
_TEXT_TAGS = ("fallback", "from", "subject", "handle", "reply_to")


def _build_agent(given: Given, builder: Builder) -> Command:
    guidance = builder.template(given.positionals[0])
    knowledge = builder.optional_texts(given, "knowledge")
    texts = {tag: builder.optional_text(given, tag) for tag in _TEXT_TAGS}
    settings = {
        "mode": _mode(given, builder),
        "confidence": _confidence(given, builder),
        "copy": given.has("copy"),
    }
    seconds = period(given, builder)
    _check(given, builder)

    def agent(run: Run) -> None:
        arguments = {
            **settings,
            "seconds": None if seconds is None else clamped(seconds, run),
            "knowledge": knowledge.expand(run),
            **{tag: text.expand(run) if text else None for tag, text in texts.items()},
        }
        # A stranger's text is never an instruction: only the admin's own words are expanded.
        target = guidance.expand_own(run)
        run.act("agent", target, arguments=arguments, keeps=given.has("copy"))

    return agent


def _mode(given: Given, builder: Builder) -> str:
    argument = given.tags.get("mode")
    mode = argument.value if isinstance(argument, Text) else "draft"
    if argument is not None and mode not in MODES:
        builder.error(
            argument, f"there is no mode '{mode}'{builder.source.suggest(mode, MODES)}"
        )
    return mode


def _confidence(given: Given, builder: Builder) -> int:
    percent = builder.number(given, "confidence")
    if percent is not None and percent > 100:
        builder.error(given.tags["confidence"], "':confidence' is a percentage, 0 to 100")
    return DEFAULT_CONFIDENCE if percent is None else percent


def _check(given: Given, builder: Builder) -> None:
    """Report constant names that nobody knows: an agent in one word, a route, a list."""
    check_address(builder.optional_text(given, "from"), "from", given, builder)
    fallback = builder.optional_text(given, "fallback")
    if fallback is not None:
        check_route(fallback, given, builder, tag="fallback")
    reply_to = given.tags.get("reply_to")
    if isinstance(reply_to, Text):
        builder.check_name("list", reply_to.value, reply_to)
    name = given.positionals[0]
    if isinstance(name, Text) and is_name(name.value):
        builder.check_name("agent", name.value, name)


def is_name(value: str) -> bool:
    """Whether a string is the name of an agent and not guidance: one word."""
    return 0 < len(value) <= 64 and value.replace("-", "").replace("_", "").isalnum()


SIGNATURES = (
    command(
        "agent",
        _build_agent,
        help="Let the AI agent answer, or draft an answer.",
        capability="vnd.gateway.agent",
        tags=(
            COPY,
            Tagged("mode", Kind.TEXT, help="shadow, draft, delay or send."),
            Tagged("knowledge", Kind.TEXTS, help="Names of the knowledge it may use."),
            Tagged(
                "confidence",
                Kind.NUMBER,
                help="From which confidence on it may send, in percent.",
            ),
            Tagged("fallback", Kind.TEXT, help="The route when it does not answer."),
            Tagged("from", Kind.TEXT, help="The author shown."),
            Tagged("subject", Kind.TEXT, help="The subject."),
            Tagged("handle", Kind.TEXT, help="The name under which repetitions are counted."),
            Tagged("days", Kind.NUMBER, group="period", help="Once in so many days."),
            Tagged("seconds", Kind.NUMBER, group="period", help="Once in so many seconds."),
            Tagged("reply_to", Kind.TEXT, help="A list of senders whose Reply-To is answered."),
        ),
        positionals=(Positional("agent or guidance", Kind.TEXT),),
    ),
)
