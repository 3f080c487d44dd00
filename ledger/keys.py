"""Many keys asked for in one statement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import Boolean, ColumnElement, Dialect, any_, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import UserDefinedType

from ledger.packed import Texts


class TextArray(UserDefinedType[Any]):
    """A list of texts, or of numbers, as one parameter: an array on Postgres, JSON on SQLite."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "text[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return Texts if dialect.name == "postgresql" else _json


def _json(texts: Any) -> str:
    return orjson.dumps(texts).decode()


class OneOf(ColumnElement[bool]):
    """A column that is one of the texts which the parameter `keys` brings.

    A list of parameters would be spelled anew for each length, and with many of them SQLite reads a whole index instead of looking each up.
    """

    inherit_cache = True
    type = Boolean()
    _is_implicitly_boolean = True  # else SQLAlchemy writes `= 1` behind it, and SQLite looks at every row
    _traverse_internals = [("listed", InternalTraversal.dp_clauseelement), ("array", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: ColumnElement[Any]) -> None:
        keys = bindparam("keys", type_=TextArray())
        self.listed = column.in_(select(func.json_each(keys).table_valued("value").c.value))
        self.array = column == any_(keys)


def one_of(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The column is one of `keys`, a parameter of the statement (`ledger.database.found`)."""
    return OneOf(column)


@compiles(OneOf)
def _listed(element: OneOf, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.listed, **options))


@compiles(OneOf, "postgresql")
def _array(element: OneOf, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.array, **options))
