"""`--workers N`: an emulator of several processes on one machine, each with a part of the sandboxes."""
