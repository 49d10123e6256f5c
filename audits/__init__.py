"""What is in the data, and may we use it? No torch here."""
