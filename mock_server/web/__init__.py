"""The only floor that knows a web framework or a server: doors, pipeline, media, live server."""
