"""Runs a test once on each database."""

import pytest

on_both_engines = pytest.mark.parametrize("house", ["sqlite", "postgres"], indirect=True)
