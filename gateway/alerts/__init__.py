"""Who has to know: troubles are found, told once by mail, and told again when they are over.

`troubles` puts into words what the store, the files and the certificate show; `judge` says
what began, what is told and what is over; `letter` writes the mails, which the store keeps
in a queue of their own together with what was found; `postman` sends them by `path`, the
server of [alerts].

What it promises: an alert never leaves by a tenant's upstream, which may be what is broken.
Each cause is told at most once a day, and nothing is told that could not be kept: after a
crash a trouble is found again from the state that caused it.
"""
