"""What a run of the checks has to say: to a terminal, and as JUnit XML, JSON, HTML and HAR files."""
