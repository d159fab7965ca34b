"""IN 3: carries a Plan out.

`perform` takes each effect of a Plan once, even after a crash: routes first, what cannot be
undone last; `carry` says what one effect comes to. `gate` judges whether an automatic answer
may be written at all, `answer` writes it, out of the pieces of `letter`; `notice` writes to the
people of a tenant.

`redirect` and `route` hand the message on: `webhook` and `event` speak signed JSON to a
helpdesk, which `received` makes from a mail's `parts` and `quotes`; `append` fills its mailbox.

A message may report of another one, and that is taken in with the Plan, whatever that is.
`feedback` reads the report of a complaint and `complaint` takes it in; `undelivered` reads a
bounce that comes later, `returned` one that is for people alone, `nameless` finds what such a
one is about, and `marketplace_notice` reads Amazon's words; `reported` is what they share.
`marketplace` knows what Amazon forbids in mail to its buyers.

What it promises: an effect and the queue entry it makes are one transaction, so a crash
repeats neither. No answer goes to an address that was not proven, and none is kept back
without a reason that is recorded.
"""
