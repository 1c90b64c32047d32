"""The inspector: web pages below `/__admin` that show, explain and steer what happens in an emulator.

The pages are Flask templates. They reach the engine only through what handlers of the admin API use, and change things only
by calling operations of the admin API. Flask is imported when a browser asks for the first page.
"""
