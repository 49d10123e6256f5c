"""What is in the files that would be published, read by content."""
