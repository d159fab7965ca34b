"""The policy language: Sieve (RFC 5228), text in, effects out. It knows only itself.

`script.compile_script` turns text into a `Script` or raises `CompileError` with every
diagnostic; `Script.run` runs it on one message and returns a `Result`. Everything outside
enters through the protocol `Outside` of `interface`. Promised: no traceback for any script
or message, and never past the limits of `Limits`.
"""
