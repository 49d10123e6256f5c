"""README.md: the model card, in the sections of Hugging Face's annotated template.

Every statement carries its origin: measured, copied, stated or unanswered. It shows no row of the
training data, no local path and no token.

Results go into ``model-index``, which takes results on any data and has room for the revision of the data. The newer
``.eval_results/*.yaml`` take results on datasets alone that the Hub lists as benchmarks; whether one is, only the Hub
knows (huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

import json
import re
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from audits.findings import DatasetRef
from audits.waivers import used_waivers
from model_cards.approvals import NOT_PROVEN
from model_cards.comparison import comparison_columns, comparison_rows, evaluation_words, further_note
from model_cards.evidence import EvaluationReport, Evidence
from model_cards.facts import (
    affected_rows,
    chain,
    check_rows,
    compute_words,
    headline,
    license_tables,
    name_of,
    open_outcomes,
    rows_of,
)
from model_cards.licensing import (
    base_license_revision,
    displays,
    input_rows,
    license_copies,
    license_sentence,
    obligation_words,
    rule_rows,
)
from model_cards.questions import answer, answers, describes_model, further_statements
from model_cards.signoff import gaps
from model_cards.typesetting import markdown_environment, one_line, redact
from model_cards.validate import hub_values, is_hub_id, require_valid_card
from model_cards.validation.front_matter import write_metadata
from model_cards.validation.hub_lists import is_language
from model_cards.version_comparison import stored_vectors_words, version_name, version_rows, version_words

name = "card"
filename = "README.md"
published = True

_HUB_TASKS = {
    "retrieval": "information-retrieval",
    "similarity": "semantic-similarity",
    "classification": "text-classification",
}
_POOLING = frozenset({"mean", "cls", "lasttoken"})
_POOLING_NAMES = {"last": "lasttoken", "last_token": "lasttoken"}
_METRICS = (
    ("nDCG", "how far at the top the right documents stand, from 0 to 1; nDCG@10 looks at the first ten."),
    ("MRR", "1 divided by the rank of the first right document, on average over the queries."),
    ("Recall", "the share of the right documents that are among the first found."),
    ("MAP", "the precision at each right document, on average over documents and queries."),
    ("Spearman", "how far the order of the cosines is that of the scores people gave, from -1 to 1."),
    ("AP", "average precision: how far pairs that are alike stand before the others by their cosine, up to 1."),
    ("V_measure", "whether clusters hold one class and classes stay in one cluster, from 0 to 1."),
    ("Brier", "the squared distance of probabilities from what is true, from 0 (best) to 2."),
    ("NLL", "the negative log likelihood of what is true, in nats; lower is better."),
    ("ECE", "how far confidence and accuracy lie apart; above 0 even for perfect probabilities."),
    ("AUROC", "the chance that a foreign text is told from one of the kind; .5 is chance."),
    ("FPR95", "the share of foreign texts that pass where 95 % of the kind pass; lower is better."),
    ("Alignment", "the squared distance of texts that belong together; lower is nearer."),
    ("Uniformity", "how evenly embeddings fill their sphere; lower is more even."),
    ("RankMe", "how many dimensions the embeddings use in effect."),
)
_INTERVAL = (
    "Interval",
    "the range that 95 % of resamples of the queries fall into; a difference whose interval holds zero is not shown.",
)
_LORA = ("LoRA", "an adapter of low rank beside frozen weights (Hu et al., 2021).")
_FINGERPRINT = ("Fingerprint", "SHA-256 over columns and values of the data in row order, wherever it is kept.")


def applies(evidence: Evidence) -> bool:
    """Whether the evidence is about a model; an audit of data alone has no model card."""
    return describes_model(evidence)


def render(evidence: Evidence) -> str:
    """Return the model card: YAML metadata, then the sections."""
    training = evidence.training
    base = training.base if training is not None else None
    base_id = base.model_id if base is not None and is_hub_id(base.model_id) else None
    repo_id = evidence.repo_id if is_hub_id(evidence.repo_id) else None
    prompts = training.prompts if training is not None else {}
    pooling = _POOLING_NAMES.get(training.pooling, training.pooling) if training is not None else ""
    text = (
        markdown_environment()
        .get_template("card.md.j2")
        .render(
            evidence=evidence,
            training=training,
            metadata=write_metadata(metadata(evidence)),
            title=one_line(evidence.model_name or evidence.repo_id or "") or "Embedding model",
            base_id=base_id,
            # a JSON string is also a Python string, and holds no line break that could end the code block
            repo=json.dumps(repo_id or "PATH_OR_REPO_ID"),
            base=json.dumps(base_id or "PATH_OR_ID_OF_THE_BASE_MODEL"),
            base_revision=json.dumps(base.revision) if base is not None and base.revision and base_id else "",
            prompts={key: json.dumps(value, ensure_ascii=False) for key, value in prompts.items()},
            prompt_names=[json.dumps(key, ensure_ascii=False) for key in prompts],
            pooling=pooling if pooling in _POOLING else "",
            answer=lambda key: answer(evidence, key),
            unanswered=[item for item in answers(evidence) if not item.answered],
            further=further_statements(evidence),
            headline=headline(evidence),
            chain=chain(evidence),
            compute_words=compute_words,
            checks=check_rows(evidence),
            gaps=gaps(evidence),
            rows_of=rows_of,
            not_proven=NOT_PROVEN,
            base_license_revision=base_license_revision(evidence),
            open_outcomes=open_outcomes(evidence),
            license_tables=license_tables(evidence.audit),
            license_sentence=license_sentence(evidence),
            license_rules=rule_rows(evidence),
            licensed_inputs=input_rows(evidence),
            obligation_words=lambda item: obligation_words(item, evidence.license_texts),
            displays=displays(evidence),
            waivers=used_waivers(evidence.verdict) if evidence.verdict is not None else (),
            affected=affected_rows,
            name_of=name_of,
            comparison_rows=comparison_rows,
            comparison_columns=comparison_columns,
            evaluation_words=evaluation_words,
            further_note=further_note,
            comparison=evidence.comparison,
            version_name=version_name(evidence.comparison) if evidence.comparison is not None else "",
            version_words=version_words,
            version_rows=version_rows,
            stored_vectors_words=stored_vectors_words,
            glossary=glossary(evidence),
            companions=companions(evidence),
            use_restrictions=_file_of(evidence, "use_restrictions"),
            repo_argument=repo_id or "PATH_OR_REPO_ID",
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def validate(text: str) -> None:
    """Check the card offline.

    Raises:
        CardError: it is not valid; every problem is listed.
    """
    require_valid_card(text)


def metadata(evidence: Evidence) -> dict[str, Any]:
    """Return the card's metadata; what nobody stated or measured is left out."""
    training = evidence.training
    adapter = training is not None and training.adapter is not None
    extra: dict[str, Any] = dict(_license(evidence))
    base_model: str | None = None
    if training is not None and is_hub_id(training.base.model_id):
        base_model = training.base.model_id
        extra["base_model_relation"] = "adapter" if evidence.save_format == "adapter" else "finetune"
    if training is not None and training.emissions_kg is not None:
        extra["co2_eq_emissions"] = {
            "emissions": training.emissions_kg * 1000,  # the Hub reads grams
            "source": one_line(redact(training.energy_method)),
            "training_type": "fine-tuning",
            "hardware_used": one_line(redact(training.environment.device or training.environment.processor)),
        }
        place = answer(evidence, "compute_region")
        if place.answered:
            extra["co2_eq_emissions"]["geographical_location"] = _clean(place.statement.text)
    own = [evaluation for evaluation in evidence.evaluations if evaluation.measures_quality]
    results = [item for evaluation in own for item in _results(evaluation)]
    datasets = sorted({ref.repo_id for ref in _training_data(evidence) if ref.repo_id and is_hub_id(ref.repo_id)})
    data = ModelCardData(
        language=languages(evidence) or None,
        base_model=base_model,
        **extra,
        datasets=datasets or None,
        pipeline_tag="sentence-similarity",
        library_name="sentence-transformers",
        tags=[
            "sentence-transformers",
            "feature-extraction",
            "sentence-similarity",
            *(["contrastive-learning", "hf-contrastive"] if training is not None else []),
            *(["lora"] if adapter else []),
            *(["peft"] if adapter and evidence.save_format == "adapter" else []),
        ],
        model_name=_clean(evidence.model_name or evidence.repo_id or "") or "embedding-model" if results else None,
        eval_results=results or None,
    )
    told: dict[str, Any] = data.to_dict()  # type: ignore[no-untyped-call]
    return told


def languages(evidence: Evidence) -> list[str]:
    """Return the codes of the languages that were stated; [] where the answer is in words that are no codes."""
    if evidence.language:
        return list(evidence.language)
    told = re.split(r"[\s,;]+", answer(evidence, "language").statement.text.strip())
    return told if all(map(is_language, told)) else []


def companions(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the files that are published with the model and its card, with what each is."""
    from model_cards.render import documents  # which knows this document too

    found = [
        (member.filename, (member.__doc__ or "").partition("\n")[0].partition(": ")[2])
        for key, member in documents().items()
        if key != name and member.published and member.applies(evidence)
    ]
    found += [(path, "a license text that has to go along.") for path in license_copies(evidence)]
    if evidence.signing_key is not None:
        found.append(("model.sig", "the signature over all files."))
    return sorted(found)


def glossary(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the terms that stand in this card, and what they mean."""
    metrics = {item.after.name for evaluation in evidence.evaluations for item in evaluation.metrics}
    sections = (section for evaluation in evidence.evaluations for section in evaluation.sections)
    metrics |= {item.after.name for section in sections for item in section.metrics}
    metrics |= {item.after.name for item in (evidence.comparison.metrics if evidence.comparison else ())}
    told = [(term, words) for term, words in _METRICS if any(_names(metric, term) for metric in metrics)]
    if metrics:
        told.append(_INTERVAL)
    if evidence.training is not None and evidence.training.adapter is not None:
        told.append(_LORA)
    if evidence.audit is not None or evidence.training is not None:
        told.append(_FINGERPRINT)
    return told


def _names(metric: str, term: str) -> bool:
    """Whether the name of a metric begins with a term and goes on with no letter, as in ndcg@10."""
    return re.match(rf"{re.escape(term.lower())}(?![a-z])", metric.lower()) is not None


def _file_of(evidence: Evidence, document: str) -> str:
    """Return the file of another document, "" where it does not apply."""
    from model_cards.render import documents

    member = documents()[document]
    return member.filename if member.applies(evidence) else ""


def _license(evidence: Evidence) -> dict[str, str]:
    """Return the license keys: an id of the Hub, or ``other`` with its name and its link."""
    if not evidence.license:
        return {}
    known = evidence.license.lower()
    if known in hub_values()["licenses"] and known != "other":
        return {"license": known}
    keys = {"license": "other"}
    named = evidence.statement("license_name").text or ("" if known == "other" else evidence.license)
    for key, value in (("license_name", named), ("license_link", evidence.statement("license_link").text)):
        if value.strip():
            keys[key] = _clean(value)
    return keys


def _training_data(evidence: Evidence) -> tuple[DatasetRef, ...]:
    if evidence.training is not None and evidence.training.datasets:
        return evidence.training.datasets
    return evidence.audit.datasets if evidence.audit is not None else ()


def _results(evaluation: EvaluationReport) -> list[EvalResult]:
    """Return the metrics after training, as measured and not rounded."""
    ref = evaluation.dataset
    on_hub = is_hub_id(ref.repo_id)
    return [
        EvalResult(
            task_type=_HUB_TASKS.get(evaluation.task, _slug(evaluation.task)),
            task_name=_clean(evaluation.task),
            dataset_type=ref.repo_id if on_hub and ref.repo_id else "unpublished",
            dataset_name=_clean(f"{ref.repo_id if on_hub else 'Data of unrecorded origin'}, split {ref.split}"),
            dataset_config=_clean(ref.config) if ref.config else None,
            dataset_split=_clean(ref.split),
            dataset_revision=_clean(ref.revision) if ref.revision else None,
            metric_type=_slug(item.after.name.replace("@", "_at_")),
            metric_name=_clean(item.after.name),
            metric_value=item.after.value,
        )
        for item in evaluation.metrics
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", redact(text).lower()).strip("-") or "unnamed"


def _clean(text: str) -> str:
    return redact(one_line(text))
