"""The mail gateway: between a helpdesk and the mailboxes of its customers.

Out: `submission` accepts what the helpdesk hands in, `store` keeps it, `delivery` signs it
and sends it through the tenant's own upstream. In: `mailbox` fetches, `authenticity` proves
the origin, `policy` judges by the admin's files, `actions` carries the Plan out. `app` is
alone in seeing all of them. Nothing is acknowledged before it is on disk, and no way leads
past a tenant's own upstream.
"""
