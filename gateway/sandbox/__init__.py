"""A provider to play with: captures mail, has mailboxes, misbehaves on demand.

`upstream` takes mail as a provider's submission server does, `mailbox` has IMAP accounts,
`oauth` gives access tokens that both take, `dns` answers for a zone, `helpdesk` receives
webhooks, and `world` joins them: what leaves by the upstream lands in the customer's mailbox,
and a customer's reply lands in the tenant's.
`gateway demo`, `serve --capture` and our own tests build on it. It promises real protocols
on loopback and nothing else: everything is in memory and gone when it stops.

Twisted has the IMAP, DNS and HTTP servers, aiosmtpd the SMTP server; all run in the asyncio
loop that Twisted's asyncio reactor drives.
"""
