"""The ten most expensive problems of users of paid, asynchronous APIs, each shown by a careless and a careful
client.

Each pain is a module with `TITLE`, `SETUP`, `CARELESS`, `RULES`, `SEEN`, the sandbox's `OPTIONS`, a function that
prepares the emulator's faults (`prepare`), and the two clients. Every number is read from the emulator's ledger
and journal."""
