"""The outside made awaitable: time-outs always, policy never.

Each module wraps one protocol's library behind our own words: `dns`, `tls`, `smtp`, `imap`,
`http`; `oauth` asks for access tokens over `http`. `concurrency` holds background tasks and
moves blocking calls to small named pools.
"""
