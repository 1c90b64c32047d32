"""The ten things that cost users of paid, asynchronous APIs most, each shown by a careless and a careful client.

A pain is a module: `TITLE`, `SETUP`, `CARELESS`, `RULES`, `SEEN`, the sandbox's `OPTIONS`, what the emulator does wrong
(`prepare`), and the two clients. Every figure is read from the emulator's ledger and journal.
"""
