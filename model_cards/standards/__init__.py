"""What the documents of foreign standards are made of; the documents themselves are in :mod:`model_cards.documents`."""
