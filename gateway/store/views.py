"""Views for people who open the file with the `sqlite-utils` command.

They are read-only by nature, and free of secrets; times are UTC, sizes are bytes.
"""

from __future__ import annotations

VIEWS = {
    "messages": """
SELECT m.id, m.tenant, m.kind, m.message_id, m.header_from, m.return_path, m.size_bytes,
       datetime(m.accepted_at, 'unixepoch') AS accepted_at, m.conversation, m.origin,
       i.mailbox, i.state AS inbound_state, i.outcome, i.rule
FROM message m LEFT JOIN inbox i ON i.message = m.id
""",
    "deliveries": """
SELECT d.message, d.tenant, d.lane_kind, d.lane, d.recipient, d.state, d.attempts,
       datetime(d.next_attempt_at, 'unixepoch') AS next_attempt_at, d.last_code, d.last_reply,
       d.upstream_id, d.reason, d.fix, datetime(d.finished_at, 'unixepoch') AS finished_at
FROM delivery d
""",
    "mailboxes": """
SELECT t.name AS address, t.tenant, s.state, s.reason, s.fix,
       datetime(s.last_fetched_at, 'unixepoch') AS last_fetched_at, s.paused
FROM tenant_items t LEFT JOIN mailbox_states s ON s.address = t.name
WHERE t.kind = 'mailbox'
""",
}
