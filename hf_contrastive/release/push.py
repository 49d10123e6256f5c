"""Publishing a folder, whoever trained it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from audits.findings import AuditReport
from audits.licenses import resolve
from audits.policy import Policy, load_policy
from hf_contrastive.auditing import audit
from hf_contrastive.errors import ConfigurationError
from hf_contrastive.release.evaluation_files import Evaluation, evaluations_of
from hf_contrastive.release.measured_weights import named_as_trained, refuse_foreign
from hf_contrastive.release.plan import EmptyFolderError, is_legal, payload, payload_digest, require_files
from hf_contrastive.release.previews import Preview
from hf_contrastive.release.publish import preview as rehearse
from hf_contrastive.release.publish import publish
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.signing import Signer, load_signer
from hf_contrastive.release.token_counts import audit_options
from hf_contrastive.release.versioning.against_published import Comparing
from hf_contrastive.release.versioning.compare_data import Pairs, pairs_named, pairs_of_data
from model_cards.answers import with_answers
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import EvaluationReport, Evidence, Statement
from model_cards.validate import hub_values


def push(
    folder: str | Path,
    repo_id: str,
    *,
    data: Any,
    policy: Policy | str | Path = "standard",
    reviewed_by: str | None = None,
    license: str | None = None,  # noqa: A002  (the Hub's own term)
    answers: Sequence[Statement] = (),
    report_dir: str | Path | None = None,
    compare_data: Any = None,
    evaluations: Sequence[Evaluation] = (),
    **options: Any,
) -> PushReceipt:
    """Audit ``data``, write the documents, and publish ``folder`` if the gate lets it through.

    A folder written by ContrastiveTrainer's push brings its training record (``evidence.json`` beside it or in
    ``../report``), which is trusted as it is: that it is of these files is seen from their digest in it, which whoever
    can write the folder can write too. Push from the trainer where that matters. Of models trained elsewhere the
    training statements stay unanswered, and the decision is at least review: publish with ``reviewed_by``.

    Args:
        folder: the model's files; read only.
        repo_id: ``user/name`` on the Hub.
        data: what the model was trained on: a dataset, Hub id, path, or an AuditReport of it. The tokenizer in
            ``folder`` tells which texts are truncated, where ``tokenizers`` is installed.
        policy: name of a shipped policy, a TOML file or a Policy.
        reviewed_by: name of the person who says yes to a verdict of review.
        license: Hub license id under which the model is published.
        answers: what people answered, e.g. of :func:`model_cards.answers.read_answers`.
        report_dir: where the documents are written too, with excerpts of rows in its folder ``with_excerpts``
            (they are not published); default: ``report`` beside ``folder``.
        compare_data: pairs on which it is compared with the version that is published, where one is: a Dataset, Hub id
            or path; default: the test split of ``data``, else its validation split.
        evaluations: that were made later than the training: what ``evaluate``, ``benchmark_inference`` or
            ``run_study`` returned, or the path of a file that they left. They stand beside those of the training, and
            have to be of these weights; a study, of the checkpoint that the training began with.
        **options: of :func:`hf_contrastive.release.publish.publish` (``reason``, ``approval``, ``hub``,
            ``license_texts``, ``commit_message``, ``token``, ``endpoint``, ``private``, ``revision``,
            ``publish_excerpts``, ``sign_key``, ``history``, ``api``).

    Raises:
        EmptyFolderError: there is nothing to publish.
        ConfigurationError: ``license`` names none, or ``repo_id`` is none.
        ApprovalError: the policy takes no name alone as a yes, and ``reviewed_by`` gives no more.
        SigningKeyError: the key can not be used.
        EvaluationError: ``compare_data`` has no pairs, or too few; or one of ``evaluations`` is none, or of another
            model than this one, whose training nobody saw.
        PushBlocked: the gate is closed; nothing was published.
        HubError: the Hub refused or could not be reached.
    """
    asked = _asked(
        folder,
        repo_id,
        data=data,
        policy=policy,
        license=license,
        answers=answers,
        report_dir=report_dir,
        compare_data=compare_data,
        evaluations=evaluations,
        reviewed_by=reviewed_by,
        **options,
    )
    return publish(asked.folder, asked.evidence, asked.policy, **asked.options)


def preview(folder: str | Path, repo_id: str, *, data: Any, **options: Any) -> Preview:
    """Do what :func:`push` does up to the moment before something is sent, and tell what it would send.

    Nothing leaves the machine, no repository is made and the history gets no line; the reports are written, so that a
    person can read them and approve. A closed gate is told in ``decision`` and ``problems`` instead of raised.

    Args:
        folder: the model's files; read only.
        repo_id: ``user/name`` on the Hub.
        data: what the model was trained on.
        **options: of :func:`push`, so that the same call can be tried first.

    Raises:
        EmptyFolderError: there is nothing to publish.
        ConfigurationError: ``license`` names none, or ``repo_id`` is none.
        ApprovalError: the policy takes no name alone as a yes, and ``reviewed_by`` gives no more.
        SigningKeyError: the key can not be used.
        EvaluationError: see :func:`push`.
    """
    asked = _asked(folder, repo_id, data=data, **options)
    return rehearse(asked.folder, asked.evidence, asked.policy, **asked.options)


def _comparing(named: Pairs | None, data: Any, report: AuditReport) -> Comparing:
    return Comparing(pairs=lambda: named if named is not None else pairs_of_data(data, report))


class _Asked(NamedTuple):
    """What :func:`publish` takes."""

    folder: Path
    evidence: Evidence
    policy: Policy
    options: dict[str, Any]


def _asked(
    folder: str | Path,
    repo_id: str,
    *,
    data: Any,
    policy: Policy | str | Path = "standard",
    license: str | None = None,  # noqa: A002
    answers: Sequence[Statement] = (),
    report_dir: str | Path | None = None,
    compare_data: Any = None,
    evaluations: Sequence[Evaluation] = (),
    sign_key: Signer | str | Path | None = None,
    **options: Any,
) -> _Asked:
    """Check what was asked for, cheapest first and all of it before the audit, and gather what is known."""
    signer = load_signer(sign_key) if sign_key is not None else None
    named = pairs_named(compare_data) if compare_data is not None else None
    _check_repo_id(repo_id)
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"The folder {folder} does not exist; name the one that holds config.json and *.safetensors."
        raise EmptyFolderError(msg)
    known = _evidence_beside(folder)
    _check_license(license)
    require_files(folder)  # an empty folder and a misspelt policy show before the audit
    policy = policy if isinstance(policy, Policy) else load_policy(policy)
    training = known.training if known is not None else None
    evaluated = _evaluations(evaluations, folder, known)
    report = data if isinstance(data, AuditReport) else audit(data, **audit_options(folder))
    statements = known.statements if known is not None else ()
    if license:
        stated = Statement(key="license", text=license, origin="stated", source="push")
        statements = (*(item for item in statements if item.key != "license"), stated)
    given = Evidence(
        model_name=repo_id.rpartition("/")[2],
        repo_id=repo_id,
        license=license or (known.license if known is not None else None),
        save_format="adapter" if (folder / "adapter_config.json").is_file() else "merged",
        training=training,
        evaluations=evaluated,
        audit=report,
        remedies=known.remedies if known is not None else (),
        earlier_audit=known.earlier_audit if known is not None else None,
        statements=statements,
        versions=report.versions,
        created_at=_now(),
    )
    folder_of_reports = Path(report_dir) if report_dir is not None else folder.parent / "report"
    own = {"report_dir": folder_of_reports, "comparing": _comparing(named, data, report), "sign_key": signer}
    return _Asked(folder, with_answers(given, answers), policy, {**options, **own})


def _evaluations(
    given: Sequence[Evaluation] | Evaluation, folder: Path, known: Evidence | None
) -> tuple[EvaluationReport, ...]:
    """Return the evaluations that are known of the files in ``folder``, and then those that were given."""
    training = known.training if known is not None else None
    found = list(known.evaluations) if known is not None else []
    for one in given if isinstance(given, list | tuple) else (given,):
        where = str(one) if isinstance(one, str | Path) else "that was given"
        for item in evaluations_of(one):
            if training is None:
                refuse_foreign(item, folder, where)
            found.append(item)
    # the same file named twice, or again after it was published, is one evaluation
    named = named_as_trained(found, folder, training)
    return tuple({item.content_digest: item for item in named}.values())


def _check_repo_id(repo_id: str) -> None:
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        msg = f"{repo_id!r} is no repository id of the Hub ({first}); name one as in `user/model`."
        raise ConfigurationError(msg) from error


def _check_license(told: str | None) -> None:
    """Refuse a license that names none; terms of their own are named by LicenseRef- or by the card's statements."""
    if told is None or told.lower() in hub_values()["licenses"] or told.startswith("LicenseRef-"):
        return
    read = resolve(told)
    if read.spdx is None:
        near = difflib.get_close_matches(told.lower(), sorted(hub_values()["licenses"]), n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(near)}" if near else ""
        msg = (
            f"`license` is {told!r}, which names no license{hint}. Give an id of the Hub, an SPDX id, or "
            "LicenseRef-NAME for terms of your own."
        )
        raise ConfigurationError(msg)


def _evidence_beside(folder: Path) -> Evidence | None:
    for path in (folder / "evidence.json", folder.parent / "report" / "evidence.json"):
        if path.is_file():
            known = read_evidence(path)
            # an evidence of other files says nothing about these; a notice that was added since changes no weight
            files = payload(folder)[0]
            same = {payload_digest(files), payload_digest(tuple(item for item in files if not is_legal(item.path)))}
            return known if known.payload_digest in same else None
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
