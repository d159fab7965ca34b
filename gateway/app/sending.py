"""A person's own mail: it goes in by the door that a helpdesk's mail goes in by.

The same judgements run here, in the process of the command line: the rights of the sender,
the stamp, the outbound policies, the store. The running server notices what was stored and
carries it on.
"""

from __future__ import annotations

from gateway.app.accounts import Accounts
from gateway.app.foundation import lay_foundation
from gateway.app.policies import open_chains
from gateway.app.submissions import Submissions
from gateway.config import Settings
from gateway.mail.delivery import Outgoing
from gateway.mail.envelope import Submission
from gateway.mail.reply import Reply
from gateway.policy.files import Report
from gateway.store.sqlite import Store
from gateway.submission.admission import refuse_suppressed
from gateway.submission.door import admit


async def hand_in(
    settings: Settings, store: Store, submission: Submission, *, report: Report
) -> Outgoing | Reply:
    """Return what was accepted for good, or the reply that a helpdesk would be refused with.

    `report` is told of policies that do not compile. Raises StoreError.
    """
    base = await lay_foundation(settings, store)
    tenant = base.directory.tenants[submission.tenant]
    for recipient in submission.envelope.recipients:
        if found := base.directory.find_suppression(tenant.id, recipient.address):
            return refuse_suppressed(found)
    accounts = Accounts(settings, base.directory, base.catalogue)
    outgoing = admit(
        submission,
        tenant,
        upstream_max_bytes=accounts.max_message_bytes,
        hostname=settings.server.hostname,
    )
    if isinstance(outgoing, Reply):
        return outgoing
    chains = await open_chains(base, report=report)
    submissions = Submissions(base, chains)
    try:
        reply = await submissions.accept(outgoing, per_hour=None)
    finally:
        submissions.close()
        chains.close()
    return outgoing if reply.code // 100 == 2 else reply
