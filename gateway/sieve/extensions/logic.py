"""Tests of tests (RFC 5228 §5): allof, anyof, not, true, false."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Tests, test


def _build_allof(given: Given, builder: Builder) -> Test:
    tests = [builder.test(one) for one in given.call.tests]
    return lambda run: all(one(run) for one in tests)


def _build_anyof(given: Given, builder: Builder) -> Test:
    tests = [builder.test(one) for one in given.call.tests]
    return lambda run: any(one(run) for one in tests)


def _build_not(given: Given, builder: Builder) -> Test:
    inner = builder.test(given.call.tests[0])
    return lambda run: not inner(run)


def _build_true(given: Given, builder: Builder) -> Test:
    return _true


def _build_false(given: Given, builder: Builder) -> Test:
    return _false


def _true(run: Run) -> bool:
    return True


def _false(run: Run) -> bool:
    return False


SIGNATURES = (
    test("allof", _build_allof, help="True when every test is true.", tests=Tests.LIST),
    test("anyof", _build_anyof, help="True when one of the tests is true.", tests=Tests.LIST),
    test("not", _build_not, help="True when the test is false.", tests=Tests.ONE),
    test("true", _build_true, help="Always true."),
    test("false", _build_false, help="Always false."),
)
