"""IN 3: carries a Plan out.

`perform` takes each effect of a Plan once, even after a crash: routes first, what cannot be
undone last; `carry` says what one effect comes to. `gate` judges whether an automatic answer
may be written at all, `answer` writes it, `redirect` and `route` hand the message on, `webhook`
and `event` speak signed JSON to a helpdesk, `append` fills its mailbox. `feedback` reads the
report of somebody who complains and `complaint` takes it in, with the Plan, whatever that is;
so do `undelivered` with a bounce that comes later (`returned` reads those that are for people
alone) and `marketplace_notice` with Amazon's words. `marketplace` knows what Amazon forbids in
mail to its buyers.

What it promises: an effect and the queue entry it makes are one transaction, so a crash
repeats neither. No answer goes to an address that was not proven, and none without a reason
recorded where it was kept back.
"""
