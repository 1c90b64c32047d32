"""The only layer that knows a web framework or a server: applications, pipeline, files, live server."""
