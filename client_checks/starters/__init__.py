"""`swapmock init`: a starter test, a CI file and config for a project."""
