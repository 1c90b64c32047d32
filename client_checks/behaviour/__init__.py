"""Judges how a client behaves: runs it under chosen conditions, and says what its mistakes cost in credits."""
