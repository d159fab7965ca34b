"""In, first part: from a tenant's mailbox to a message in our hands.

`account` joins a mailbox's settings with its provider's preset; `connect` proves a login
before it is saved. `watchers` keeps one cheap task a mailbox, a `watcher`, within the bounds
of `slots`, on sessions that `sign_in` opens and whose folders `rounds` opens by turns.
`beginnings` settles from where on a folder is fetched, by the dates of `baseline`; `fetch`
turns new UIDs, of which `listing` tells sizes and dates, into stored messages, each once per
UIDVALIDITY (RFC 9051 §2.3.1.1). `renumbering` tells what is new under another one, `moved` what
a person only moved, and `ledger` compares what we have with the server. `sent` learns from a
provider's copies of sent mail the Message-IDs that it gave.

`health` judges from evidence whether a mailbox is ok, suspect or dead, `standing` keeps that,
`reach` says why a server cannot be reached, and `renewal` who is reminded when.

Mail is only looked at (BODY.PEEK): what a person does in the mailbox, reading, moving,
deleting, neither hides a message from us nor brings one twice.
"""
