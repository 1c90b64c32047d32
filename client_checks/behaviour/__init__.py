"""Does a client behave well? A client is run under chosen conditions and judged from what happened, in credits."""
