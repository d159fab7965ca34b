"""OUT 1: from a helpdesk's connection to a stored message.

`listener` opens the sockets and bounds the sessions; `wire` reads command lines and writes
replies; `commands` and `parameters` are the verbs as the standards have them, `content` the
bytes of DATA; `session` turns them into our values and asks: `login` which credential this
is, `admission` (with `author` and `rate`) whether its tenant may send this, `stamp` makes it
a message on its way; `door` is both, also for what the command line sends. What accepts it,
policies and store, is a callable given by `app`.

Promised: every 4yz and 5yz reply after EHLO has an enhanced code and a sentence (RFC 2034);
lines end with CRLF alone and content only with CRLF.CRLF, so nothing can be smuggled
(RFC 5321 §2.3.8, §4.1.1.4); no line, message, header, list of recipients or session is
without a bound; 250 after DATA is said only when the message was accepted for good; a
client that vanishes after the final dot has its message accepted once or not at all.

aiosmtpd gives the protocol its frame: TLS, the state of a session, the mechanisms of AUTH.
Its command loop and the bodies of most verbs are ours, since it ends lines at a bare LF,
refuses the parameters of RFC 3461, prints what clients send and reads content line by line.
"""
