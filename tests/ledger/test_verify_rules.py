"""Activations nobody made are told by `verify`."""

import pytest
from sqlalchemy import update

from ledger import open_ledger, schema
from ledger.database import writing


@pytest.mark.parametrize(("column", "value"), [("seq", 3), ("digest", "0" * 64), ("reverts", 7)])
def test_given_an_activation_that_nobody_made_then_it_is_told(store: str, column: str, value: object) -> None:
    with open_ledger(store) as ledger:
        ledger.settle()
        assert ledger.verify() == []
        with writing(ledger.engine) as connection:
            connection.execute(update(schema.activations).values({column: value}))
        assert any("is not one that was made" in difference for difference in ledger.verify())
