"""Many keys asked for in one statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Dialect, any_, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import UserDefinedType

from ledger.packed import Texts


class TextArray(UserDefinedType[Any]):
    """The parameter of `= ANY`: a list of texts."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "text[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:  # noqa: ARG002
        return Texts


class OneOf(ColumnElement[bool]):
    """A column that is one of the texts which the parameter `keys` brings: a list on SQLite, one array on Postgres."""

    inherit_cache = True
    type = Boolean()
    _traverse_internals = [("listed", InternalTraversal.dp_clauseelement), ("array", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: ColumnElement[str]) -> None:
        self.listed = column.in_(bindparam("keys", expanding=True))
        self.array = column == any_(bindparam("keys", type_=TextArray()))


def one_of(column: ColumnElement[str]) -> ColumnElement[bool]:
    """The column is one of `keys`, a parameter of the statement (`ledger.database.found`)."""
    return OneOf(column)


@compiles(OneOf)
def _listed(element: OneOf, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.listed, **options))


@compiles(OneOf, "postgresql")
def _array(element: OneOf, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.array, **options))
