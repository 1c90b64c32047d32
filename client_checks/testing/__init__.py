"""Help for the tests of clients: the pytest plugin."""
