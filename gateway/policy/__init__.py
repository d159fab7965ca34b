"""IN 2, and outbound: message + authenticity + policy files -> Plan.

`files` finds a tenant's chain and loads it, all or nothing; `chain` runs it and makes a Plan,
`asked` answers what the scripts ask; `rendering` shows both to people. Nothing is carried out
here, and nothing here knows a network, a database or a clock: what a script may ask is given.
"""
