"""The vocabulary: the frozen values that the stages hand to each other. No I/O.

A letter's values in the order of its journey: `address`, `envelope` and `message` are what
a client hands in or a mailbox holds; `tenant` is on whose behalf; `delivery` is what is owed
to each recipient, `reply` what the remote said and `suppression` whom nothing is sent to;
`inbound` is what was fetched and what could be proven of it; `plan` is what the policies
decided.
"""
