"""The pages: for now what machines ask, `/healthz`, `/readyz` and `/metrics`.

`health` answers from callables that the app gives it and knows no other room; `metrics` is
the Prometheus text; `serving` runs an application inside of the loop that runs already.
"""
