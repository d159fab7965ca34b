"""The tables, as migrations in order; a released migration is never edited.

Times are seconds since 1970 in UTC, sizes are bytes. What people look at are the views of
`store.views`.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway.store.views import VIEWS

MIGRATIONS = Migrations("gateway")

TABLES = """
CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    changed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant_items (
    tenant TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX items_owned_once ON tenant_items(kind, name)
    WHERE kind IN ('domain', 'mailbox');

CREATE TABLE secrets (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    applied_hash TEXT,
    changed_at REAL NOT NULL,
    renewed_at REAL,
    PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    tenant TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    authorized_at REAL,
    usable_until REAL,
    holder TEXT,
    held_until REAL,
    PRIMARY KEY (tenant, mailbox)
) STRICT, WITHOUT ROWID;

CREATE TABLE authorizations (
    state TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    verifier BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    awaited INTEGER NOT NULL,
    answer BLOB,
    until REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE chains (
    tenant TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    content TEXT NOT NULL,
    kept_at REAL NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressions (
    tenant TEXT NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    expires_on TEXT,
    added_at REAL NOT NULL,
    PRIMARY KEY (tenant, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    message_id TEXT NOT NULL,
    return_path TEXT,
    header_from TEXT NOT NULL,
    envelope TEXT NOT NULL,
    edits TEXT NOT NULL,
    origin TEXT,
    credential TEXT,
    conversation TEXT,
    sequence INTEGER,
    size_bytes INTEGER NOT NULL,
    accepted_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_message_id ON message(message_id) WHERE message_id <> '';
CREATE INDEX messages_by_credential ON message(credential, accepted_at)
    WHERE credential IS NOT NULL;
CREATE INDEX messages_by_origin ON message(origin) WHERE origin IS NOT NULL;
CREATE INDEX messages_by_conversation ON message(conversation, sequence)
    WHERE conversation IS NOT NULL;

CREATE TABLE content (
    message TEXT PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE plans (
    message TEXT PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
    plan TEXT NOT NULL,
    ending TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX plans_ending ON plans(message) WHERE ending IS NOT NULL;

CREATE TABLE delivery (
    number INTEGER PRIMARY KEY,
    message TEXT NOT NULL REFERENCES message(id) ON DELETE CASCADE,
    tenant TEXT NOT NULL,
    lane_kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    recipient TEXT NOT NULL,
    notify TEXT,
    orcpt TEXT,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL,
    sendable_seconds REAL NOT NULL DEFAULT 0,
    sendable_since REAL,
    stalled_since REAL,
    delay_told INTEGER NOT NULL DEFAULT 0,
    token TEXT,
    lease_until REAL,
    owner TEXT,
    last_code INTEGER,
    last_reply TEXT,
    upstream_id TEXT,
    reason TEXT,
    fix TEXT,
    finished_at REAL
) STRICT;
CREATE INDEX deliveries_by_message ON delivery(message);
CREATE INDEX deliveries_due ON delivery(tenant, lane_kind, lane, next_attempt_at)
    WHERE state IN ('queued', 'deferred', 'scheduled');
CREATE INDEX deliveries_claimed ON delivery(lease_until) WHERE state = 'claimed';
CREATE INDEX deliveries_scheduled ON delivery(next_attempt_at) WHERE state = 'scheduled';
CREATE INDEX deliveries_stalled ON delivery(stalled_since)
    WHERE stalled_since IS NOT NULL;
CREATE INDEX deliveries_held ON delivery(tenant) WHERE state = 'held';
CREATE INDEX deliveries_hold_ends ON delivery(next_attempt_at)
    WHERE state = 'held' AND next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_by_upstream_id ON delivery(upstream_id) WHERE upstream_id IS NOT NULL;

CREATE TABLE lanes (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    paused_by TEXT,
    reason TEXT,
    fix TEXT,
    since REAL,
    until REAL,
    rate_per_minute REAL,
    asked_at REAL,
    rest_reason TEXT,
    rest_fix TEXT,
    refusals INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    message TEXT NOT NULL,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX journal_by_message ON journal(message);

CREATE TABLE books (
    tenant TEXT NOT NULL,
    entry TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, entry)
) STRICT, WITHOUT ROWID;

CREATE TABLE folders (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    highest_uid INTEGER NOT NULL,
    baseline_uid INTEGER NOT NULL,
    connected_at REAL NOT NULL,
    below TEXT NOT NULL DEFAULT '[]',
    checked_at REAL NOT NULL,
    PRIMARY KEY (mailbox, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_uids (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    seen_at REAL NOT NULL,
    PRIMARY KEY (mailbox, folder, uidvalidity, uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE skipped_uids (
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    PRIMARY KEY (mailbox, folder, uidvalidity, uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    message TEXT PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
    mailbox TEXT NOT NULL,
    folder TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    internal_date REAL NOT NULL,
    sha256 BLOB NOT NULL,
    junk INTEGER NOT NULL,
    backfill INTEGER NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT,
    rule TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    authenticity TEXT,
    plan TEXT,
    released TEXT,
    held_until REAL,
    UNIQUE (mailbox, folder, uidvalidity, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_dated ON inbox(mailbox, internal_date);
CREATE INDEX inbox_held ON inbox(held_until) WHERE held_until IS NOT NULL;
CREATE INDEX inbox_waits ON inbox(message) WHERE state = 'done' AND outcome = 'held';
CREATE INDEX inbox_unfinished ON inbox(message) WHERE state IN ('fetched', 'planned');

CREATE TABLE effects (
    number INTEGER PRIMARY KEY,
    message TEXT NOT NULL REFERENCES message(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    effect TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    UNIQUE (message, position)
) STRICT;

CREATE TABLE answers (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    handle TEXT NOT NULL,
    sender TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX answers_by_sender ON answers(tenant, sender, at);
CREATE INDEX answers_by_mailbox ON answers(mailbox, at);

CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    handle TEXT NOT NULL,
    key TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX marks_by_key ON marks(tenant, kind, handle, key, at);

CREATE TABLE mailbox_states (
    address TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT,
    fix TEXT,
    since REAL NOT NULL,
    last_fetched_at REAL,
    paused INTEGER NOT NULL DEFAULT 0,
    evidence TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;

CREATE TABLE troubles (
    cause TEXT PRIMARY KEY,
    trouble TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    is_told INTEGER NOT NULL,
    told_at REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    message_id TEXT PRIMARY KEY,
    cause TEXT NOT NULL,
    recipient TEXT NOT NULL,
    content BLOB NOT NULL,
    queued_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL,
    last_reply TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE reminders (
    about TEXT NOT NULL,
    kind TEXT NOT NULL,
    told_at REAL NOT NULL,
    PRIMARY KEY (about, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE unanswered (
    message TEXT PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
    tenant TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    buyer TEXT NOT NULL,
    since REAL NOT NULL,
    warned INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX unanswered_by_buyer ON unanswered(tenant, buyer);

CREATE TABLE buyers (
    tenant TEXT NOT NULL,
    buyer TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    PRIMARY KEY (tenant, buyer)
) STRICT, WITHOUT ROWID;

CREATE TABLE threads (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    ours TEXT NOT NULL,
    direction TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (id, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_by_conversation ON threads(tenant, conversation);

CREATE TABLE conversation_refs (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (tenant, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE awaited_copies (
    mailbox TEXT NOT NULL,
    message TEXT NOT NULL,
    message_id TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (mailbox, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE peers (
    tenant TEXT NOT NULL,
    conversation TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (tenant, conversation, address)
) STRICT, WITHOUT ROWID;
"""


def migrate(db: Database) -> None:
    """Bring the schema to this release; does nothing when it is there already."""
    if MIGRATIONS.pending(db):
        MIGRATIONS.apply(db)


@MIGRATIONS()
def first_tables(db: Database) -> None:
    """Everything of the first release."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    for name, query in VIEWS.items():
        db.create_view(name, query)
