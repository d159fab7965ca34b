"""What a sending domain publishes: its DKIM keys, and the records that speak for it.

`keys` makes the two key pairs of a new domain, `records` says what its owner is to publish,
`published` what of it stands in the DNS.
"""
