"""The pages: what machines ask, `/healthz`, `/readyz` and `/metrics`, and what mails link to.

`renewal` takes the new code of a mailbox, `authorize` is where a browser ends after an owner
said yes (OAuth2), `downloads` gives the bytes of a mail, `health` answers, `faults` answers for
one that fails. Each asks callables that the app gives it and knows no other room; `metrics` is
the Prometheus text; `serving` runs an application inside of the loop that runs already.
"""
