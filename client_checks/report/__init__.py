"""Reports of the checks: for a terminal, and as JUnit XML, JSON, HTML and HAR files."""
