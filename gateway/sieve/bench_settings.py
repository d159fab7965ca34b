"""The setting names of testsuite scripts, mapped onto our limits and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.sieve.interface import Limits, Scores
from gateway.sieve.outgoing import Answering

LIMITS = Limits(  # RFC 5293 §5 protects these from deletion alone
    redirects=4, unaddable_headers=(), undeletable_headers=("received", "auto-submitted")
)
_SIZES = {
    "sieve_variables_max_variable_size": "variable_bytes",
    "sieve_variables_max_value_size": "variable_bytes",
    "sieve_editheader_max_header_size": "added_header_bytes",
    "sieve_include_max_includes": "include_files",
    "sieve_include_max_nesting_depth": "include_depth",
    "sieve_max_redirects": "redirects",
    "sieve_max_actions": "actions",
    "sieve_max_cpu_time": "chain_seconds",
    "sieve_vacation_min_period": "vacation_min_seconds",
}
_UNITS = {"k": 1024, "m": 1024**2, "s": 1, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration of a testsuite script says."""

    limits: Limits = LIMITS
    user_email: str = ""
    redirect_from: str = "sender"
    original_recipient: bool = False
    notify_from: str = ""
    answering: Answering = field(default_factory=lambda: Answering(sender="", recipients=()))


def read_settings(config: Mapping[str, str]) -> Settings:
    """Return the settings; names that mean nothing here are ignored.

    Raises ValueError for a number that is none.
    """
    return Settings(
        limits=_limits(config),
        user_email=config.get("sieve_user_email", "").strip(" <>"),
        redirect_from=config.get("sieve_redirect_envelope_from", "").strip() or "sender",
        notify_from=config.get("sieve_notify_mailto_envelope_from", "").strip(),
        original_recipient=_is_on(config, "sieve_vacation_use_original_recipient"),
        answering=_answering(config),
    )


def _limits(config: Mapping[str, str]) -> Limits:
    changes: dict[str, object] = {
        name: _size(config[key]) for key, name in _SIZES.items() if config.get(key)
    }
    if config.get("recipient_delimiter"):
        changes["separators"] = config["recipient_delimiter"]
    protected = _names(config, "sieve_editheader_protected")
    changes["unaddable_headers"] = (*protected, *_names(config, "sieve_editheader_forbid_add"))
    changes["undeletable_headers"] = (
        *LIMITS.undeletable_headers,
        *protected,
        *_names(config, "sieve_editheader_forbid_delete"),
    )
    changes["spam"] = _scores(config, "sieve_spamtest")
    changes["virus"] = _scores(config, "sieve_virustest")
    return replace(LIMITS, **changes)  # type: ignore[arg-type] # names and kinds are in _SIZES


def _scores(config: Mapping[str, str], prefix: str) -> Scores | None:
    header = config.get(f"{prefix}_status_header", "")
    if not header:
        return None
    kind = config.get(f"{prefix}_status_type", "score")
    maximum = config.get(f"{prefix}_max_value") or config.get(f"{prefix}_score_max_value")
    texts = [
        (value, text)
        for value in range(11)
        for slash in ("", "/")
        if (text := config.get(f"{prefix}_text_value{slash}{value}"))
    ]
    return Scores(
        header=header,
        kind="length" if kind == "strlen" else kind,
        maximum=float(maximum) if maximum else None,
        maximum_header=config.get(f"{prefix}_max_header")
        or config.get(f"{prefix}_score_max_header", ""),
        texts=tuple(texts),
    )


def _answering(config: Mapping[str, str]) -> Answering:
    template = config.get("sieve_vacation_default_subject_template") or "Auto: {subject}"
    check = config.get("sieve_vacation_check_recipient", "yes")
    return Answering(
        sender="",
        recipients=(),
        check_recipient=check != "no"
        and not _is_on(config, "sieve_vacation_dont_check_recipient"),
        from_recipient=_is_on(config, "sieve_vacation_send_from_recipient"),
        header_recipient=_is_on(config, "sieve_vacation_to_header_ignore_envelope"),
        subject_template=template.replace("%{subject}", "{subject}").replace("%$", "{subject}"),
        default_subject=config.get("sieve_vacation_default_subject") or "Automated reply",
        max_subject=int(config.get("sieve_vacation_max_subject_codepoints") or 256),
    )


def _names(config: Mapping[str, str], key: str) -> list[str]:
    """Return header names; the subject can always be changed (RFC 5293 §5)."""
    kind = key.rpartition("editheader_")[2]  # forbid_add, forbid_delete, or protected
    chosen = config.get("sieve_editheader_header", "").lower().split()
    named = [
        name.split("/")[1]
        for name, value in config.items()
        if name.startswith("sieve_editheader_header/")
        and name.endswith(kind)
        and value == "yes"
        and name.split("/")[1].lower() in chosen
    ]
    found = [*config.get(key, "").split(), *named]
    return [name.lower() for name in found if name.lower() != "subject"]


def _is_on(config: Mapping[str, str], name: str) -> bool:
    return config.get(name, "") == "yes"


def _size(value: str) -> int:
    unit = _UNITS.get(value[-1:].lower(), 1)
    digits = value.rstrip("kKmMsShHdD")
    return int(digits) * unit if digits.isdigit() else 0
