"""Helpers for the tests of clients: the pytest plugin and a Testcontainers class."""
