"""A new version beside the one that it replaces: published if no worse, asked for if worse, told if not compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from audits.dates import utc_today
from audits.findings import AuditReport
from audits.policy import VERSION_CODE, Outcome, Policy, Waiver, load_policy
from hf_contrastive import ContrastiveConfig, ContrastiveTrainer, guard, push
from hf_contrastive.errors import EvaluationError, HubError, PushBlocked
from hf_contrastive.release.approvals import approve_evidence
from hf_contrastive.release.chain import foreign_comparison
from hf_contrastive.release.decision import version_outcome
from hf_contrastive.release.gate import awaits_review
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.training_run import audit_training_data
from hf_contrastive.release.versioning import against_published as module
from hf_contrastive.release.versioning import looking
from hf_contrastive.release.versioning.compare_data import NotComparedError, task_of
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import Evidence, VersionComparison
from model_cards.facts import decision_words

pytestmark = pytest.mark.usefixtures("pushed_at_midnight")

REPO = "local/model"
STANDARD = load_policy("standard")
WAIVER = Waiver(code=VERSION_CODE, reason="r", owner="Ada", approver="Bob", expires="2099-01-01")
STRICT = replace(STANDARD, name="strict on versions", versions=load_policy("strict").versions)


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


@pytest.fixture
def api(hub: LocalHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=hub.token)


@pytest.fixture(scope="module")
def rows(permissive_rows: list[dict[str, str]]) -> Dataset:
    return Dataset.from_list(permissive_rows)


@pytest.fixture(scope="module")
def held_out(permissive_rows: list[dict[str, str]]) -> Dataset:
    """Other data than was trained on, as far as a fingerprint tells."""
    return Dataset.from_list(permissive_rows[::-1])


@pytest.fixture(scope="module")
def trainers(tiny_bert: Path, rows: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ContrastiveTrainer]:
    """``first`` learnt something, ``better`` more, ``worse`` nothing that is of use."""
    report: list[AuditReport] = []

    def trained(name: str, rate: float, steps: int) -> ContrastiveTrainer:
        config = ContrastiveConfig(
            output_dir=str(tmp_path_factory.mktemp(name) / "run"), max_steps=steps, learning_rate=rate,
            per_device_train_batch_size=20, save_strategy="no", dataloader_pin_memory=False, disable_tqdm=True,
            base_model_id="base-owner/tiny", license="mit", hub_model_id=REPO, use_cpu=True,
        )  # fmt: skip
        trainer = ContrastiveTrainer(model=str(tiny_bert), args=config, train_dataset=rows, peft_config=None)
        trainer.train()
        report.extend([] if report else [audit_training_data(trainer)])
        trainer.add_evidence(report[0])
        return trainer

    return {
        "first": trained("first", 3e-3, 20),
        "better": trained("better", 1e-2, 60),
        "worse": trained("worse", 1.0, 4),
    }


@pytest.fixture
def release(trainers: dict[str, ContrastiveTrainer], held_out: Dataset, api: HfApi) -> Callable[..., Any]:
    """``release("better")`` pushes one of the trainers and returns its receipt; the rows are what is compared on."""

    def run(name: str, **options: Any) -> Any:
        options.setdefault("compare_data", held_out)
        trainers[name].push_to_hub(api=api, **options)
        return trainers[name].push_receipt

    return run


def evidence_of(api: HfApi, revision: str, folder: Path) -> Evidence:
    return read_evidence(api.hf_hub_download(REPO, "evidence.json", revision=revision, local_dir=folder / revision))


def outcome_of(evidence: Evidence) -> Outcome | None:
    assert evidence.verdict is not None
    found = [item for item in evidence.verdict.outcomes if item.code == VERSION_CODE]
    assert len(found) <= 1
    return found[0] if found else None


def last_report(trainer: ContrastiveTrainer) -> Evidence:
    return read_evidence(trainer.output_folder / "report" / "evidence.json")


def titles(api: HfApi) -> int:
    return len(api.list_repo_commits(REPO))


def test_the_first_version_is_compared_with_nothing(
    release: Callable[..., Any], api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "compare_with_published", lambda *_, **__: pytest.fail("there is nothing"))
    receipt = release("first")
    assert (receipt.tag, receipt.decision) == ("v1", "pass")
    found = evidence_of(api, "v1", tmp_path)
    assert found.comparison is None
    assert outcome_of(found) is None


def test_a_better_version_is_published_and_says_so(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path
):
    first = release("first")
    with guard():
        second = release("better", policy=STRICT)
    assert (second.tag, second.decision) == ("v2", "pass")
    found = evidence_of(api, "v2", tmp_path)
    told = found.comparison
    assert told is not None
    assert told.dataset is not None
    assert (told.repo_id, told.tag, told.commit, told.queries) == (REPO, "v1", first.commit, 40)
    assert (told.dataset.num_rows, told.dataset.split) == (40, "train")
    assert found.training is not None
    assert told.weights_sha256 == found.training.weights_sha256
    assert told.published_weights_sha256 == trainers["first"].training_record().weights_sha256
    assert not told.regression
    outcome = outcome_of(found)
    assert outcome is not None
    assert (outcome.decision, outcome.checked, decision_words(found, outcome)) == ("pass", True, "pass")
    assert outcome.observed.startswith("ndcg@10 +")
    assert outcome.observed.endswith("on 40 queries against v1")
    report = json.loads((trainers["better"].output_folder / "report" / "report.json").read_text())
    assert VERSION_CODE in {item["code"] for item in report["outcomes"]}


def test_a_worse_version_waits_for_a_yes_and_a_person_may_give_it(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path
):
    release("first")
    with pytest.raises(
        PushBlocked, match=r"VERSION \(review\): no worse than the published version; observed"
    ) as caught:
        release("worse")
    assert awaits_review(caught.value)
    assert titles(api) == 2
    refused = last_report(trainers["worse"])
    assert refused.comparison is not None
    assert refused.comparison.regression
    yes = approve_evidence(refused, by="Ada", role="owner", reason="a smaller model was wanted")
    # compared anew, with the same result: the approval holds
    receipt = release("worse", approval=yes)
    assert (receipt.tag, receipt.decision) == ("v2", "review")
    assert evidence_of(api, "v2", tmp_path).approvals == (yes,)


def test_a_policy_may_block_a_worse_version(release: Callable[..., Any], api: HfApi):
    release("first")
    with pytest.raises(PushBlocked, match=r"VERSION \(block\)") as caught:
        release("worse", policy=STRICT, reviewed_by="Ada")
    assert not awaits_review(caught.value)
    assert titles(api) == 2


def test_a_waiver_lets_a_worse_version_pass(release: Callable[..., Any], api: HfApi, tmp_path: Path):
    release("first")
    assert release("worse", policy=replace(STRICT, waivers=(WAIVER,))).decision == "pass"
    found = evidence_of(api, "v2", tmp_path)
    outcome = outcome_of(found)
    assert outcome is not None
    assert (outcome.waived_by, decision_words(found, outcome)) == ((WAIVER,), "pass by waiver")


def test_what_was_not_compared_reads_so_and_a_policy_may_ask(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path
):
    release("first")
    with pytest.raises(PushBlocked, match="observed not compared: the trainer has no `eval_dataset`") as caught:
        release("worse", policy=STRICT, compare_data=None)
    assert awaits_review(caught.value)
    assert release("worse", compare_data=None).decision == "pass"
    found = evidence_of(api, "v2", tmp_path)
    outcome = outcome_of(found)
    assert found.comparison is not None
    assert outcome is not None
    assert not found.comparison.compared
    assert (outcome.decision, outcome.checked, decision_words(found, outcome)) == ("pass", False, "not checked")


def test_the_same_again_is_not_compared_with_itself(
    release: Callable[..., Any], api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = release("first")
    assert release("first").commit == first.commit
    second = release("better")
    monkeypatch.setattr(module, "compare_with_published", lambda *_, **__: pytest.fail("it is the same content"))
    again = release("better")
    assert (again.commit, again.tag, titles(api)) == (second.commit, "v2", 3)
    assert evidence_of(api, "v2", tmp_path).comparison is not None


def test_the_same_model_with_another_card_is_unchanged(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    release("first")
    monkeypatch.setattr(trainers["first"].args, "license", "apache-2.0")
    receipt = release("first", policy=STRICT, compare_data=None)
    assert (receipt.tag, receipt.decision) == ("v2", "pass")
    found = evidence_of(api, "v2", tmp_path)
    outcome = outcome_of(found)
    assert outcome is not None
    assert (outcome.observed, decision_words(found, outcome)) == ("the weights of v1, unchanged", "pass")


def test_a_version_that_appears_meanwhile_is_not_replaced_unseen(release: Callable[..., Any], api: HfApi):
    def somebody(_: Any) -> None:
        api.create_repo(REPO, exist_ok=True)
        add = CommitOperationAdd("evidence.json", b'{"not": "seen"}')
        api.create_commit(REPO, [add], commit_message="Theirs")

    with pytest.raises(HubError, match=r"Another version was published to local/model meanwhile .*; none was seen"):
        release("first", on_plan=somebody)
    assert api.list_repo_commits(REPO)[0].title == "Theirs"
    api.delete_repo(REPO)
    first = release("first")
    with pytest.raises(HubError, match=f"compared with commit {first.commit[:8]}.*Push again, which compares again"):
        release("better", on_plan=somebody)
    assert api.list_repo_commits(REPO)[0].title == "Theirs"
    # evidence that can not be read is no reason not to compare
    assert release("better").decision == "pass"


@pytest.mark.parametrize("times", [1, 99])
def test_a_fault_while_looking_is_waited_for_or_told(
    release: Callable[..., Any], api: HfApi, monkeypatch: pytest.MonkeyPatch, times: int
):
    release("first")
    monkeypatch.setattr("hf_contrastive.release.sending.faults.FIRST_WAIT_SECONDS", 0.0)
    plain, left = HfApi.list_repo_refs, [times]

    def refs(*told: Any, **more: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            msg = "gone"
            raise ConnectionResetError(msg)
        return plain(*told, **more)

    monkeypatch.setattr(HfApi, "list_repo_refs", refs)
    if times == 1:
        assert release("better").tag == "v2"
        return
    with pytest.raises(HubError, match=r"could not be looked at before \(The Hub .* \(gone\).*\), so that nothing"):
        release("better")
    assert titles(api) == 2


def test_a_published_version_that_can_not_be_loaded_is_told_without_paths(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path
):
    release("first")
    api.create_commit(REPO, [CommitOperationAdd("config.json", b"{}")], commit_message="Broken by hand")
    assert release("better").decision == "pass"
    found = evidence_of(api, "v2", tmp_path)
    assert found.comparison is not None
    assert found.comparison.note.startswith("not compared: the published version can not be loaded")
    assert str(tmp_path) not in found.comparison.note
    assert "\n" not in found.comparison.note


def test_rows_that_were_trained_on_say_nothing(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], rows: Dataset
):
    release("first")
    with pytest.raises(PushBlocked) as caught:
        release("better", policy=STRICT, compare_data=rows)
    assert awaits_review(caught.value)
    outcome = outcome_of(last_report(trainers["better"]))
    assert outcome is not None
    assert (outcome.decision, outcome.checked) == ("review", False)
    assert "is what the new model was trained on" in outcome.observed


def test_a_version_without_its_evidence_is_still_compared_with(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi
):
    release("first")
    api.delete_file("evidence.json", REPO, commit_message="tidy")
    head = api.model_info(REPO).sha
    with pytest.raises(PushBlocked, match="no worse than the published version"):
        release("worse", policy=STRICT)
    told = last_report(trainers["worse"]).comparison
    assert told is not None
    assert (told.compared, told.regression, told.commit) == (True, True, head)
    assert told.published_weights_sha256 == trainers["first"].training_record().weights_sha256


def test_a_model_that_others_put_there_is_compared_with(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi, tmp_path: Path
):
    trainers["first"].save_model(str(tmp_path / "model"))
    api.create_repo(REPO)
    api.upload_folder(repo_id=REPO, folder_path=tmp_path / "model", ignore_patterns=["evidence.json"])
    with pytest.raises(PushBlocked, match="no worse than the published version"):
        release("worse", policy=STRICT)
    told = last_report(trainers["worse"]).comparison
    assert told is not None
    assert (told.compared, told.regression, told.tag) == (True, True, "")


def test_tags_whose_weights_are_gone_leave_it_unchecked(
    release: Callable[..., Any], trainers: dict[str, ContrastiveTrainer], api: HfApi
):
    release("first")
    gone = [CommitOperationDelete(path) for path in api.list_repo_files(REPO) if path != ".gitattributes"]
    api.create_commit(REPO, gone, commit_message="all gone")
    with pytest.raises(PushBlocked) as caught:
        release("better", policy=STRICT)
    assert awaits_review(caught.value)
    outcome = outcome_of(last_report(trainers["better"]))
    assert outcome is not None
    assert (outcome.decision, outcome.checked) == ("review", False)
    assert "can not be loaded" in outcome.observed


def test_a_model_that_appears_meanwhile_is_not_replaced_unseen(api: HfApi):
    api.create_repo(REPO)
    api.create_commit(REPO, [CommitOperationAdd("model.safetensors", b"1")], commit_message="by hand")
    with pytest.raises(HubError, match=r"Another version was published .* none was seen"):
        looking.require_seen(api.model_info(REPO), repo_id=REPO, looked=looking.Looked())


def test_a_repository_without_a_model_holds_no_version(api: HfApi):
    api.create_repo(REPO)
    api.create_commit(REPO, [CommitOperationAdd("notes.txt", b"soon")], commit_message="by hand")
    assert looking.look_at_published(REPO, api=api) == looking.Looked()
    assert looking.look_at_published(REPO, api=api, revision="nowhere") == looking.Looked()


def test_data_that_is_named_and_can_not_be_used_stops_the_push(release: Callable[..., Any], api: HfApi, tmp_path: Path):
    few = Dataset.from_dict({"anchor": ["a", "b"], "positive": ["c", "d"]})
    with pytest.raises(EvaluationError, match="2 distinct queries; at least 10 are needed"):
        release("first", compare_data=few)
    single = Dataset.from_dict({"text": [f"text {i}" for i in range(20)]})
    with pytest.raises(EvaluationError, match="two are needed, queries and their documents"):
        release("first", compare_data=single)
    assert list(api.list_models(author="local")) == []


def test_the_command_line_reads_that_data_before_the_audit(
    run_cli: Callable[..., tuple[int, str, str]], tiny_bert: Path, permissive_file: Path, tmp_path: Path
):
    (tmp_path / "few.jsonl").write_text('{"anchor": "a", "positive": "b"}\n')
    for name, told in (("few.jsonl", "1 distinct queries"), ("nowhere.jsonl", "nowhere.jsonl")):
        options = ("--data", permissive_file, "--compare-data", tmp_path / name)
        code, out, err = run_cli("push", tiny_bert, REPO, *options)
        assert (code, out) == (2, "")
        assert told in err


def test_the_evaluation_data_is_what_a_trainer_compares_on(
    make_trainer: Callable[..., Any], topic_pairs: Any, rows: Dataset
):
    from hf_contrastive.release.training_run import _evaluation_pairs

    trainer = make_trainer(eval_dataset=topic_pairs, max_steps=1)
    task, reference = _evaluation_pairs(trainer)
    assert (len(task.queries), reference.split, reference.num_rows) == (40, "validation", 40)
    assert reference.fingerprint == trainer.dataset_references()[1].fingerprint
    plain = make_trainer(max_steps=1)
    with pytest.raises(NotComparedError, match="no `eval_dataset`"):
        _evaluation_pairs(plain)
    texts = Dataset.from_dict({"text": [f"a text {i}" for i in range(20)]})
    with pytest.raises(NotComparedError, match="holds no pairs"):
        _evaluation_pairs(make_trainer(train_dataset=texts, eval_dataset=texts, max_steps=1, dropout=0.1))


def test_lists_of_positives_are_all_relevant():
    task = task_of(["a", "b"], [["x", "y"], ["x"]])
    assert (task.queries, task.documents, task.relevant) == (("a", "b"), ("x", "y"), ((0, 1), (0,)))


def test_a_folder_is_compared_on_the_test_split_of_its_data(
    trained_folder: Callable[[Path], Path], permissive_rows: list[dict[str, str]], api: HfApi, tmp_path: Path
):
    data = tmp_path / "data"
    data.mkdir()
    for split, part in (("train", permissive_rows[:20]), ("test", permissive_rows[20:])):
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    folder = trained_folder(tmp_path / "one" / "model")
    (folder / "evidence.json").unlink()
    receipt = push(folder, REPO, data=str(data), reviewed_by="Ada", api=api)
    assert receipt.tag == "v1"
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"model_max_length": 32}))
    assert push(folder, REPO, data=str(data), reviewed_by="Ada", api=api).tag == "v2"
    told = evidence_of(api, "v2", tmp_path).comparison
    assert told is not None
    assert told.dataset is not None
    assert (told.queries, told.dataset.split, told.dataset.num_rows, told.losses) == (20, "test", 20, 0)
    # an audit alone has no rows to compare on
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"model_max_length": 48}))
    report = evidence_of(api, "v2", tmp_path).audit
    push(folder, REPO, data=report, reviewed_by="Ada", api=api)
    last = evidence_of(api, "v3", tmp_path).comparison
    assert last is not None
    assert last.note == "not compared: an audit was given and not the data; name some with `compare_data`"


# ---- the gate itself -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(trainers: dict[str, ContrastiveTrainer], rows: Dataset) -> Evidence:
    from hf_contrastive.evaluation.comparison import compare

    before, after = trainers["first"], trainers["better"]
    found = replace(compare(before.encoder, after.encoder, rows), repo_id=REPO, tag="v1", commit="c" * 40)
    return Evidence(repo_id=REPO, training=after.training_record(), comparison=found)


def test_a_comparison_that_belongs_is_no_broken_link(compared: Evidence):
    assert foreign_comparison(compared, STANDARD) == []
    assert foreign_comparison(replace(compared, comparison=None), STANDARD) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights_sha256": "sha256:other"}, "compared with other weights than those to be published"),
        ({"weights_sha256": ""}, "compared with other weights than those to be published"),
        ({"repo_id": "local/other"}, "a version of local/other, not of local/model"),
        ({"regression": True}, "says regression: True with a margin of 0.01"),
        ({"margin": 0.5}, "the margin 0.01 of this policy"),
    ],
)
def test_a_comparison_of_something_else_is_refused(compared: Evidence, change: dict[str, Any], told: str):
    assert compared.comparison is not None
    (problem,) = foreign_comparison(replace(compared, comparison=replace(compared.comparison, **change)), STANDARD)
    assert told in problem


def test_an_outcome_follows_the_policy(compared: Evidence):
    silent = VersionComparison(repo_id=REPO, tag="v1", note="not compared: why")
    day = utc_today()

    def decided(policy: Policy, comparison: VersionComparison = silent) -> tuple[str, str]:
        outcome = version_outcome(comparison, policy, day)
        return outcome.decision, outcome.observed

    assert compared.comparison is not None
    metrics = tuple(
        replace(item, difference=replace(item.difference, interval=(-0.3, 0.1)) if item.difference else None)
        for item in compared.comparison.metrics
    )
    unclear = replace(compared.comparison, metrics=metrics, regression=False)
    for policy, wanted in ((STANDARD, "pass"), (STRICT, "review")):
        decision, observed = decided(policy, unclear)
        assert decision == wanted
        assert "too few queries to tell: a loss of more than 0.01 can not be ruled out" in observed

    assert decided(STANDARD) == ("pass", "not compared: why")
    assert decided(STRICT) == ("review", "not compared: why")
    for scope, decision in (("*", "pass"), (REPO, "pass"), (f"{REPO}@v1", "pass"), ("local/other", "review")):
        assert decided(replace(STRICT, waivers=(replace(WAIVER, scope=scope),)))[0] == decision
    assert decided(replace(STRICT, waivers=(WAIVER,), cannot_waive=(VERSION_CODE,)))[0] == "review"
