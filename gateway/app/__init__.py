"""Builds every object once and joins the stages; alone in seeing them all.

`directory` holds tenants and secrets as the store has them, `outbound` and `inbound` are the
two journeys with their stages joined by plain callables, `server` starts everything in order
and stops it in reverse: the listeners first, then what is in flight, the store last. Nothing
is imported here: a process of `worker` needs neither pages nor mailboxes.
"""

from __future__ import annotations
