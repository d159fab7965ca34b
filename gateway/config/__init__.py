"""gateway.conf (TOML) -> frozen settings; a stage gets its own section, never the whole.

`settings` has one dataclass a section, with its defaults; `loading` reads the file and refuses
a wrong or unknown key with file, section and key; `faults` says what cannot work. Relative
paths are relative to the file.
"""

from __future__ import annotations

from gateway.config.loading import ConfigError, load_settings, load_toml
from gateway.config.settings import (
    AlertSettings,
    AnswerSettings,
    ConsoleSettings,
    DeliverySettings,
    DnsSettings,
    FilterSettings,
    LimitSettings,
    ListenerSettings,
    LogSettings,
    MailboxSettings,
    PolicySettings,
    RetentionSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    StorageSettings,
    SubmissionSettings,
    TenantSettings,
    TlsSettings,
    is_loopback,
)

__all__ = [
    "AlertSettings",
    "AnswerSettings",
    "ConfigError",
    "ConsoleSettings",
    "DeliverySettings",
    "DnsSettings",
    "FilterSettings",
    "LimitSettings",
    "ListenerSettings",
    "LogSettings",
    "MailboxSettings",
    "PolicySettings",
    "RetentionSettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "SubmissionSettings",
    "TenantSettings",
    "TlsSettings",
    "is_loopback",
    "load_settings",
    "load_toml",
]
