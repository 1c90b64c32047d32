"""Does a server, emulator or live, obey its contract?"""
