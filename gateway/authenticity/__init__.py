"""What can be proven about the origin of a message, and how we prove our own.

On the way out `dkim` signs. On the way in `origin` is the one entry: `trace` says which header
fields of the provider can be believed and from where the message came. `dkim_verify` and `arc`
(which read a `signature` and its `key_record`), `spf` and `dmarc` judge by DNS, and one
`Authenticity` says what is proven. It never raises for a message, whatever stands in it: what
cannot be judged is none, permerror or temperror.

dkimpy brings DKIM's canonicalisation and header format, OpenSSL (through `cryptography`) the
arithmetic: dkimpy's own RSA takes thirty times as long, and its verification takes a signature
without From, or one that ran out hours ago, for good. spf-engine is used through its
program, `policyd-spf`, in child processes: importing it would replace sys.excepthook and open
syslog. publicsuffixlist knows organisational domains; authres reads Authentication-Results.
"""
