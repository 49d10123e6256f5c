"""Train a better embedding model in a few lines, and publish it only with proof."""
