"""The documents, one file each, rendered from the Evidence.

A document is a module with ``name``, ``filename``, ``published``, ``applies(evidence) -> bool``,
``render(evidence) -> str`` and ``validate(text) -> None``; see :class:`model_cards.render.Document`.
"""
