"""What only people can answer, and who: the roles of Hugging Face's annotated model card template.

Source: https://huggingface.co/docs/hub/model-card-annotated (developer, sociotechnic, project organizer).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from model_cards.evidence import Evidence, Origin, Statement

Role = Literal["developer", "sociotechnic", "project organizer"]


class Question(NamedTuple):
    """One statement of a card that no measurement can replace; ``key`` is that of its Statement.

    An ``optional`` one stands in the card in any case, and counts as open nowhere.
    """

    key: str
    title: str
    role: Role
    text: str
    optional: bool = False


QUESTIONS: tuple[Question, ...] = (
    Question("description", "Description", "project organizer", "What is this model, in a few sentences?"),
    Question("developed_by", "Developed by", "project organizer", "Who developed it?"),
    Question(
        "legal_entity", "Legal entity", "project organizer", "Which legal entity publishes it and answers for it?"
    ),
    Question("contact", "Contact", "project organizer", "Who answers questions about this model?"),
    Question("license", "License", "project organizer", "Under which license is the model published?"),
    Question("language", "Language", "project organizer", "In which languages does it work?"),
    Question("direct_use", "Direct use", "project organizer", "What is it for, and who are its users?"),
    Question("downstream_use", "Downstream use", "project organizer", "What may be built on it?"),
    Question("out_of_scope_use", "Out-of-scope use", "sociotechnic", "What must it not be used for?"),
    Question("bias", "Bias", "sociotechnic", "Which groups or views does it serve worse, and how is that known?"),
    Question("risks", "Risks", "sociotechnic", "Which harms are foreseeable, and to whom?"),
    Question("limitations", "Limitations", "developer", "Where does it fail for technical reasons?"),
    Question("recommendations", "Recommendations", "sociotechnic", "What should users do about these?"),
    Question("training_data", "Training data", "project organizer", "Where is the data from, and why this data?"),
    Question("citation", "Citation", "project organizer", "How should it be cited?"),
    # those that the Hub's template calls optional, and where the computer stood, which no program can see
    Question("funded_by", "Funded by", "project organizer", "Who paid for it?", optional=True),
    Question(
        "shared_by", "Shared by", "project organizer", "Who puts it online, if not its developers?", optional=True
    ),
    Question("source_code", "Source code", "project organizer", "Where is the code that made it?", optional=True),
    Question("paper", "Paper", "project organizer", "Which paper or article describes it?", optional=True),
    Question("demo", "Demo", "project organizer", "Where can it be tried?", optional=True),
    Question(
        "evaluation_factors",
        "Factors",
        "sociotechnic",
        "By which groups, topics or languages does quality differ?",
        optional=True,
    ),
    Question(
        "societal_impact",
        "Societal impact",
        "sociotechnic",
        "Which harms to people were tested for, and how?",
        optional=True,
    ),
    Question(
        "model_examination",
        "Model examination",
        "developer",
        "What is known about why it answers as it does?",
        optional=True,
    ),
    Question("cloud_provider", "Cloud provider", "developer", "Whose computers was it trained on?", optional=True),
    Question("compute_region", "Compute region", "developer", "In which place did they stand?", optional=True),
    Question("glossary", "Glossary", "project organizer", "Which terms need explaining?", optional=True),
    Question("more_information", "More information", "project organizer", "What else is there to know?", optional=True),
    Question("card_authors", "Model card authors", "project organizer", "Who wrote this card?", optional=True),
)

TRAINING_QUESTION = Question(
    "training_procedure", "Training procedure", "developer", "How was the model trained? No training was seen here."
)


class Answer(NamedTuple):
    """A question with what was said about it."""

    question: Question
    statement: Statement

    @property
    def answered(self) -> bool:
        """Whether somebody answered, with words."""
        return self.statement.origin != "unanswered" and bool(self.statement.text.strip())


class FurtherStatement(NamedTuple):
    """A statement beside the card's questions; ``title`` is that of the question it answers, or its key."""

    key: str
    title: str
    text: str
    origin: Origin
    by: str
    date: str
    source: str


def answer(evidence: Evidence, key: str) -> Answer:
    """Return the answer to question ``key``; ``Evidence.license`` and ``Evidence.language`` answer theirs."""
    question = next(item for item in (*QUESTIONS, TRAINING_QUESTION) if item.key == key)
    statement = evidence.statement(key)
    if key == "license" and evidence.license and statement.origin == "unanswered":
        statement = Statement(key=key, text=evidence.license, origin="stated")
    if key == "language" and evidence.language and statement.origin == "unanswered":
        statement = Statement(key=key, text=", ".join(evidence.language), origin="stated")
    return Answer(question, statement)


def answers(evidence: Evidence) -> tuple[Answer, ...]:
    """Return every question that this evidence raises, optional ones if answered; none where no model is described."""
    if not describes_model(evidence):
        return ()
    asked = QUESTIONS if evidence.training is not None else (*QUESTIONS, TRAINING_QUESTION)
    told = (answer(evidence, question.key) for question in asked)
    return tuple(item for item in told if item.answered or not item.question.optional)


def further_statements(evidence: Evidence) -> tuple[FurtherStatement, ...]:
    """Return the statements that answer none of the card's questions: answers to frameworks, and what was copied."""
    from model_cards.frameworks.questions import framework_questions  # which needs the questions above

    asked, more = {question.key for question in (*QUESTIONS, TRAINING_QUESTION)}, framework_questions()
    return tuple(
        FurtherStatement(
            key=item.key,
            title=more[item.key].title if item.key in more else _words_of(item.key),
            text=item.text,
            origin=item.origin,
            by=item.by,
            date=item.date,
            source=item.source,
        )
        for item in evidence.statements
        if item.key not in asked and item.text.strip()
    )


def _words_of(key: str) -> str:
    """Return a key that no question has as people read it."""
    words = " ".join(key.replace("_", " ").replace("-", " ").split())
    return f"{words[:1].upper()}{words[1:]}" if re.fullmatch(r"[a-z][a-z0-9_-]*", key) else key


def describes_model(evidence: Evidence) -> bool:
    """Whether the evidence is about a model, and not an audit of data alone."""
    named = evidence.model_name or evidence.repo_id or evidence.payload_digest
    return bool(named or evidence.training or evidence.evaluations)
