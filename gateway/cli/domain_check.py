"""`gateway domain check`: are the records of a domain published, and right?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import typer

from gateway.cli.output import print_json, print_line, print_next, waiting
from gateway.cli.refusal import Refusal
from gateway.config import DnsSettings
from gateway.domain.published import Finding, bounded, compare
from gateway.domain.records import DnsRecord
from gateway.net.dns import Resolver
from gateway.net.unreachable import Unreachable


def look_up(records: Sequence[DnsRecord], settings: DnsSettings) -> list[Finding]:
    """Return what each record is in the DNS now; raises Refusal when it cannot be asked."""

    async def work() -> list[Finding]:
        resolver = Resolver(settings)
        answers = await asyncio.gather(*(resolver.txt(one.name) for one in records))
        return [
            await bounded(compare(one, found), found, txt=resolver.txt)
            for one, found in zip(records, answers, strict=True)
        ]

    try:
        with waiting("asking the name servers"):
            return asyncio.run(work())
    except Unreachable as error:
        raise Refusal(str(error)) from error


def tell(domain: str, findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print the findings; ends with exit code 1 unless everything is published."""
    if as_json:
        print_json([_as_document(one) for one in findings])
    else:
        for one in findings:
            print_line(f"{one.state:<10}{one.record.name}  {one.difference or ''}".rstrip())
    if any(one.state != "published" for one in findings):
        if not as_json:
            print_next(f"gateway domain records {domain}")
        raise typer.Exit(1)


def _as_document(one: Finding) -> dict[str, str | None]:
    return {
        "name": one.record.name,
        "type": one.record.type,
        "value": one.record.value,
        "state": one.state,
        "difference": one.difference,
    }
