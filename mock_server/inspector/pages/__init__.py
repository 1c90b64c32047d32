"""One module for each panel of the inspector; `register` adds its pages to the application."""
