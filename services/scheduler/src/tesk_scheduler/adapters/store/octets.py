"""Defines a SQL function that counts the bytes of a text."""

from typing import Any

from sqlalchemy import ColumnElement, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class octets(GenericFunction[int]):  # noqa: N801 - a function of SQL
    """Count the bytes of a text as it is stored."""

    type = Integer()
    inherit_cache = True


@compiles(octets, "sqlite")
def _sqlite(element: ColumnElement[int], compiler: Any, **options: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


@compiles(octets, "postgresql")
def _postgresql(element: ColumnElement[int], compiler: Any, **options: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **options)})"
