import pytest

from gateway.mail.envelope import Recipient
from gateway.sandbox.transaction import (
    Transaction,
    open_transaction,
    parse_command,
    parse_recipient,
)

ALL: frozenset[str] = frozenset()


def test_a_command_is_parsed_into_path_and_parameters() -> None:
    assert parse_command("TO:<b@example.net> notify=NEVER", "TO:") == (
        "b@example.net",
        {"NOTIFY": "NEVER"},
    )
    assert parse_command("FROM:<>", "FROM:") == ("", {})
    assert parse_command("FROM:<", "FROM:") is None


@pytest.mark.parametrize("parameter", ["RET=FULL", "ENVID=x", "BODY=8BITMIME", "SMTPUTF8"])
def test_a_parameter_needs_its_extension(parameter: str) -> None:
    arg = f"FROM:<a@acme.example> {parameter}"
    assert isinstance(open_transaction(arg, max_message_bytes=9, without=ALL), Transaction)
    nothing = frozenset({"DSN", "8BITMIME", "SMTPUTF8"})
    refused = open_transaction(arg, max_message_bytes=9, without=nothing)
    assert isinstance(refused, str)
    assert refused.startswith("555 5.5.4")


def test_a_non_ascii_recipient_needs_smtputf8_at_mail() -> None:
    plain, utf8 = Transaction(None, {}), Transaction(None, {"SMTPUTF8": ""})
    assert parse_recipient("TO:<ü@acme.example>", plain, without=ALL) == (
        "553 5.6.7 This address needs SMTPUTF8"
    )
    assert isinstance(parse_recipient("TO:<ü@acme.example>", utf8, without=ALL), Recipient)
