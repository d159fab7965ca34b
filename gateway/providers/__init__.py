"""The catalogue of mail providers: what we must know of each, as data files.

`catalogue` loads `data/NAME.toml`, one file a preset; `causes` lists what a refusal can mean
and whose turn it then is; `diagnosis` leads a server's words to one of those causes, and
`standard` the codes that mean the same everywhere; `misfit` says what a tenant asks of a preset
that it cannot do; `oauth` joins the two to a client; `advice` helps to choose one. All of it is
judged from values: nothing here asks a server.
"""
