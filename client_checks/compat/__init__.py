"""What changed between two versions of a contract, and for whom it breaks."""
