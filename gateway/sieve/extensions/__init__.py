"""One module for each part of the language: its signatures and what its calls do.

`control` and `logic` are the frame, `header`, `address` and `actions` what RFC 5228 has
built in; then the extensions by name. `language` puts them together.
"""
