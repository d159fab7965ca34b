# 90-default.sieve: what happens to everything that came this far.
# It is kept: it goes to the mailbox's route, else to the tenant's.
keep;
