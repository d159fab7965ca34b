"""OUT 2: from the store to the upstream's "250", or to a bounce.

`scheduler` claims what is due, lane by lane, within what the provider allows (`rate`) and
under leases (`leases`); `attempt` signs and sends one message by a session of `upstream`;
`verdict` says what each reply means, `retry` when to try again, `bounce` what the sender is
told, which `report` writes, `suppression` which address is dead, and `outcome` records it all
in one transaction.

What it promises: a message leaves by its tenant's own upstream or waits, since there is no
other way out. One tenant's dead upstream delays nobody else. What a crash leaves behind:

    delivery  meaning                              found at start
    queued    accepted: ours to deliver            due at its time
    claimed   being sent when we died              queued again: at once when it was our own
              lease of an earlier life, else when the lease has run out
    deferred  tried, to be tried again             due at its time
    failed    recorded together with its bounce    nothing to do
"""
