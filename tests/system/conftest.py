"""Houses for the tests. A test gets the embedded database unless it is marked with `on_both_engines`.

`@pytest.mark.house(tls=True, mail=None, …)` changes how the house of a test is built.
"""

from __future__ import annotations

import os

import pytest

from house import House
from post import Sink
from postgres import Postgres, create_database, drop_database


def pytest_configure(config):
    config.addinivalue_line("markers", "house(**options): how this test's house is built")


@pytest.fixture(scope="session")
def postgres_url():
    """The PostgreSQL that ./check started, or one of our own."""
    given = os.environ.get("SYMBOLON_TEST_POSTGRES")
    if given:
        yield given
        return
    cluster = Postgres().start()
    yield cluster.url
    cluster.remove()


@pytest.fixture
def sink():
    with Sink() as sink:
        yield sink


@pytest.fixture
def build_house(request, tmp_path, sink):
    """Makes houses; all of them are torn down with the test."""
    made: list[tuple[House, str, str | None]] = []

    def build(engine: str = "sqlite", *, name: str = "house", start: bool = True, **options) -> House:
        server, database = "", None
        if engine == "postgres" and "database" not in options:
            server = request.getfixturevalue("postgres_url")
            database = create_database(server)
            options["database"] = database
        options.setdefault("sink", sink)
        options.setdefault("mail", options["sink"].url if options["sink"] is not None else None)
        house = House(tmp_path / name, **options)
        made.append((house, server, database))
        request.node.houses = [house for house, _, _ in made]
        if start:
            house.start()
        return house

    yield build
    for house, server, database in made:
        house.kill()
        if database is not None:
            drop_database(server, database)


@pytest.fixture
def house(request, build_house):
    marker = request.node.get_closest_marker("house")
    options = dict(marker.kwargs) if marker else {}
    return build_house(getattr(request, "param", "sqlite"), **options)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        for house in getattr(item, "houses", []):
            report.sections.append((f"log of {house.directory.name}", house.log()[-5000:]))
    return report
