"""Which mails belong together, and with whom.

A conversation is known by the Message-IDs of its mails, as the helpdesk or the customer wrote
them and as an upstream rewrote them; never by a subject, never across tenants. Somebody who
takes no part in it and merely names one of its ids begins a conversation of their own.
"""
