"""The outside made awaitable: time-outs always, policy never.

Each module wraps one protocol's library behind our own words: `dns`, `tls`, `smtp`, `imap`,
`http`; `oauth` and `service_account` ask for access tokens over `http`. `unreachable` is what
all of them raise. `concurrency` holds background tasks and moves blocking calls to small named
pools; `open_files` is how much of it there may be at once.
"""
