"""What do we tell people? Every document is rendered from one Evidence. No torch here."""
