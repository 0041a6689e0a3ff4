"""Arrays to marks."""
