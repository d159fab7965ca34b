# The same things as the scripts behind them; README says what each does.
.PHONY: env demo test check lock bench bench-policies bench-mailboxes

env:
	sh deploy/env

demo:
	sh deploy/demo $(ARGS)

test:
	sh tests/all

check: env
	sh tests/check

# Pins what pyproject.toml asks for; a lock file names no registry.
lock: env
	.venv/bin/python -m pip install --quiet pip-tools
	.venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header \
	    -o deploy/requirements.lock pyproject.toml
	.venv/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --extra test \
	    -o deploy/requirements-test.lock pyproject.toml

bench: env
	.venv/bin/python -m tests.bench.relay $(ARGS)

bench-policies: env
	.venv/bin/python -m tests.bench.sieve $(ARGS)

bench-mailboxes: env
	.venv/bin/python -m tests.bench.mailboxes $(ARGS)
