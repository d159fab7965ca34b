"""The one exception for an outside that cannot be asked or reached now."""

from __future__ import annotations


class Unreachable(Exception):
    """A server gave no usable answer in time: trying again later may help.

    Says what was wanted and why it failed; keeps its cause.
    """
