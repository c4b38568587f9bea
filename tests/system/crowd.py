"""Many users at once, written beside a user that the product itself made: a house of hundreds in a moment."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

from house import House, User
from postgres import psql
from test_operations import database_file

ON_POSTGRES = """
    INSERT INTO user_account SELECT made.* FROM user_account first, generate_series(1, {many}) number,
        jsonb_populate_record(first, jsonb_build_object('id', first.id + number, 'username', 'user' || number
            || '@example.com', 'username_key', 'user' || number || '@example.com', 'email', 'mail' || number
            || '@example.org')) made
    WHERE first.username = '{username}';
    INSERT INTO token (id, user_id, device_type, digest, issued_at, expires_at,
        issued_as, issued_scope)
    SELECT token.id + number, token.user_id + number, token.device_type, sha256(convert_to(number::text, 'UTF8')),
        token.issued_at, token.expires_at, token.issued_as, token.issued_scope
    FROM token JOIN user_account ON user_account.id = token.user_id, generate_series(1, {many}) number
    WHERE token.retired_at IS NULL AND user_account.username = '{username}'
"""


def copies_of(house: House, user: User, many: int) -> list[User]:
    """Adds so many users like this one, each with a live token that nobody knows where he has one. The house must
    stand still."""
    assert not house.alive
    if house.database:
        psql(house.database, ON_POSTGRES.format(many=many, username=user.username))
    else:
        with closing(sqlite3.connect(database_file(house))) as database, database:
            _copy_embedded(database, user, many)
    return [User(f"user{number}@example.com", f"mail{number}@example.org", user.password)
            for number in range(1, many + 1)]


def count(house: House, what: str) -> int:
    """How many there are in the database, of `SELECT COUNT(*) FROM` whatever is given; beside a running server."""
    asked = f"SELECT COUNT(*) FROM {what}"
    if house.database:
        return int(psql(house.database, asked))
    with closing(sqlite3.connect(f"file:{database_file(house)}?mode=ro", uri=True, timeout=60)) as database:
        return database.execute(asked).fetchone()[0]


def end_leases(house: House) -> bool:
    """What five minutes do to letters that a killed node had in hand; answers whether there were any. The embedded
    database needs nothing: its one server takes them back when it starts."""
    ended = "UPDATE letter SET leased_until = 1 WHERE state = 'leased' RETURNING id"
    return bool(house.database and psql(house.database, ended).strip())


def _copy_embedded(database: sqlite3.Connection, user: User, many: int) -> None:
    database.row_factory = sqlite3.Row
    first = dict(database.execute("SELECT * FROM user_account WHERE username = ?", [user.username]).fetchone())
    tokens = [dict(row) for row in database.execute(
        "SELECT * FROM token WHERE user_id = ? AND retired_at IS NULL", [first["id"]])]
    for number in range(1, many + 1):
        name = f"user{number}@example.com"
        _insert(database, "user_account", {**first, "id": first["id"] + number, "username": name,
                                           "username_key": name, "email": f"mail{number}@example.org"})
        for token in tokens:
            _insert(database, "token", {**token, "id": token["id"] + number, "user_id": first["id"] + number,
                                        "digest": hashlib.sha256(str(number).encode()).digest(), "last_used_at": None})


def _insert(database: sqlite3.Connection, table: str, row: dict) -> None:
    places = ", ".join("?" for _ in row)
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", list(row.values()))
