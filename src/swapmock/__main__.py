"""`python -m swapmock` is the command `swapmock`."""

from swapmock.mock_server.cli import main

main()
