"""What survives a crash; the only package that writes what was promised.

One SQLite file (WAL, synchronous=FULL) with one writer thread. Each caller has a savepoint
and all callers waiting at that moment share one commit, so one fsync keeps many messages
and one failure is its own. Content lies in the same file: one place, one promise. The hot
path uses the connection that sqlite-utils opened; sqlite-utils makes the schema, its
migrations, the search index and the views that admins read with its own command. An ORM in
the hot path was refused for its cost.

What a crash leaves behind, and what the next start makes of it:

    message  delivery   meaning                          found at start
       -        -       not accepted, or finished        nothing to do
       +     queued     accepted: ours to deliver        due at its time
       +     claimed    being sent when we died          queued again, and the journal tells
       +     deferred   tried, waits for its time        due at its time
       +     delivered  kept for the viewer              content removed at its age
    inbound  state      meaning                          found at start
       +     fetched    in our hands, not judged         judged, then planned
       +     planned    judged, effects not all done     the effects that are left
       +     done       every effect carried out         nothing to do
       -     open UID   seen, not yet fetched            tried again, set aside after three
    grant    lease
       +        -       access and refresh token agree   used until its time
       +        +       being renewed when we died       renewed by its newest refresh token
"""
