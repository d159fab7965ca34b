"""The command line: one module per noun, a verb is a thin function.

`commands` joins the nouns and turns what went wrong into one sentence on standard error;
`opening` finds gateway.conf and opens the store; `output` prints for people or as JSON.
Verbs work on the store whether or not the server runs: it notices each change by itself.
"""
