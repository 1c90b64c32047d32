"""The only layer that uses a web framework or a server: applications, pipeline, files, live server."""
