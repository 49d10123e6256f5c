"""One commit to a Hub, whatever happens on the way."""
