"""In, first part: from a tenant's mailbox to a message in our hands.

`account` joins a mailbox's settings with its provider's preset; `connect` proves a login
before it is saved; `watchers` keeps one cheap task a mailbox, a `watcher`, within the bounds
of `slots`, on sessions that `sign_in` opens, and `rounds` goes through the folders of one.
`beginnings` settles from where on a folder is fetched, by the dates of `baseline`; `fetch`
turns new UIDs into stored messages, each once per UIDVALIDITY (RFC 9051 §2.3.1.1),
`renumbering` tells what is new under another one, and `ledger` compares them with the server.
`health` judges from evidence whether a mailbox is ok, suspect or dead, `standing` keeps that,
and `renewal` says who is reminded when.

Mail is only looked at (BODY.PEEK): what a person does in the mailbox, reading, moving,
deleting, neither hides a message from us nor brings one twice.
"""
