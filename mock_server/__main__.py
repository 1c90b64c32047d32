"""`python -m mock_server` is the command `swapmock`."""

from mock_server.cli import main

main()
