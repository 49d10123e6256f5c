"""The open questions of a framework as a YAML file to fill in; :func:`model_cards.answers.read_answers` reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

from model_cards.frameworks.catalogue import Framework
from model_cards.frameworks.mapping import HumanQuestion
from model_cards.questions import Role

_HEAD = """\
# Open questions: {name}. Fill in `answer`, `by` (a name) and `date` (YYYY-MM-DD);
# leave an entry as it is while nobody can answer it.
"""
_ENTRY = '{key}:\n  answer: ""\n  by: ""\n  date: ""\n'


def render_skeleton(framework: Framework, asked: Mapping[Role, Sequence[HumanQuestion]]) -> str:
    """Return the questions in ``asked`` by role, each with its words and the clauses that ask it as comments."""
    parts = [_HEAD.format(name=framework.name)]
    for role, items in asked.items():
        parts.append(f"\n# For the {role}\n")
        for item in items:
            words = "\n".join(f"# {line}" for line in wrap(f"{item.text} ({'; '.join(item.clauses)})", 110))
            parts.append(f"\n{words}\n{_ENTRY.format(key=item.key)}")
    if not asked:
        parts.append("# Nothing is open.\n")
    return "".join(parts)
