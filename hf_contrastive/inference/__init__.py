"""What a model costs where it is used, and the forms in which it costs less."""
