"""Is a model card valid? Offline, and stricter than the Hub's own check, which needs the network.

Every problem has a code, a severity and a line. An *error* is what the Hub refuses or does not read, or what must not
be published; a *warning* is what it accepts although readers lose by it. :mod:`model_cards.validate` has the functions
that others call.
"""
