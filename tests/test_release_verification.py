"""A published folder, tampered with in every way, one at a time: what was changed is named, in the right place."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from huggingface_hub import CommitOperationAdd, HfApi, constants, snapshot_download
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import audits
from hf_contrastive.errors import HubError
from hf_contrastive.release import signatures
from hf_contrastive.release.approvals import approve, subject_digest
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.plan import SIGNATURE, is_model_file, planned
from hf_contrastive.release.push import push
from hf_contrastive.release.rendering import render_all
from hf_contrastive.release.sending import traffic
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.signing import Signer, SigningKeyError, load_signer
from hf_contrastive.release.verification import VerificationError, VerificationReport, verify
from hf_contrastive.release.verification import documents as document_module
from hf_contrastive.release.verification import observed as observed_module
from hf_contrastive.release.verification import statements as statement_module
from hf_contrastive.release.verification import verifying as verifying_module
from hf_contrastive.release.versioning.published import NotPublishedError
from model_cards.documents import evidence_json
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import Evidence, Statement
from model_cards.render import render
from tests.fault_proxy import FAULTS, Fault, FaultProxy

pytestmark = pytest.mark.usefixtures("rendered_once")
SLOW = pytest.mark.slow
FILES = (
    "1_Pooling/config.json",
    "LICENSES/MIT.txt",
    "NOTICE",
    "README.md",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "config.json",
    "config_sentence_transformers.json",
    "evidence.json",
    "model.safetensors",
    "modules.json",
    "report.html",
    "report.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""Some of what is published; a test below holds them against all of it."""
DOCUMENTS = ("NOTICE", "README.md", "LICENSES/MIT.txt", "report.html", "report.json", "evidence.json")


@dataclass(frozen=True)
class Published:
    """What a push has left in three places, and the Hub that it is on."""

    folder: Path
    report: Path
    key: Path
    receipt: PushReceipt
    hub: LocalHub


def write_keys(folder: Path, name: str = "key") -> Path:
    """Write a private key as name.pem and its public key as name.pub; return the latter."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").touch(0o600)
    (folder / f"{name}.pem").write_bytes(private)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / f"{name}.pub"


@pytest.fixture(scope="module")
def cache_of_the_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("hub-cache")
        patch.setattr(constants, "HF_HUB_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def made(
    trained_folder: Callable[[Path], Path],
    permissive_report: audits.AuditReport,
    tiny_bert: Path,
    tmp_path_factory: pytest.TempPathFactory,
    cache_of_the_hub: Path,
    rendered_once: None,
) -> Iterator[dict[str, Published]]:
    """The same model, published signed and unsigned."""
    place = tmp_path_factory.mktemp("published")
    key = write_keys(place)
    audit = permissive_report
    found = {}
    with serve(place / "hub") as hub:
        hub.seed("base-owner/tiny", tiny_bert)
        for kind in ("signed", "unsigned"):
            model = trained_folder(place / kind / "model")
            options: dict[str, Any] = {"endpoint": hub.endpoint, "token": hub.token}
            sign = {"sign_key": key.with_suffix(".pem")} if kind == "signed" else {}
            receipt = push(model, f"local/{kind}", data=audit, history=place / f"{kind}.jsonl", **options, **sign)
            cached = snapshot_download(f"local/{kind}", cache_dir=place / "cache", **options)
            folder = Path(shutil.copytree(cached, place / kind / "published"))
            found[kind] = Published(folder, place / kind / "report", key, receipt, hub)
        yield found


@pytest.fixture
def signed(made: dict[str, Published], tmp_path: Path) -> Published:
    return replace(made["signed"], folder=Path(shutil.copytree(made["signed"].folder, tmp_path / "signed")))


@pytest.fixture
def unsigned(made: dict[str, Published], tmp_path: Path) -> Published:
    return replace(made["unsigned"], folder=Path(shutil.copytree(made["unsigned"].folder, tmp_path / "unsigned")))


def status(report: VerificationReport, key: str) -> str:
    item = report.item(key)
    return item.status if item is not None else ""


def all_items(report: VerificationReport) -> dict[str, str]:
    return {item.key: item.status for item in report.items}


def broken_keys(report: VerificationReport) -> set[str]:
    needed = [item for item in report.of("not checked") if item.needed]
    assert report.result == ("broken" if report.broken else "incomplete" if needed else "holds")
    return {item.key for item in report.broken}


# ---- what is as it was -------------------------------------------------------------------------------


def test_what_was_published_holds(made: dict[str, Published]):
    at = made["signed"]
    names = {path.relative_to(at.folder).as_posix() for path in at.folder.rglob("*") if path.is_file()}
    assert set(FILES) | {SIGNATURE} <= names
    report = verify(at.folder, public_key=at.key, receipt=at.receipt)
    assert broken_keys(report) == set()
    assert {key for key, value in all_items(report).items() if value == "not checked"} == {"files.weights"}
    assert report.result == "holds"
    assert (report.kind, report.decision, report.repo_id) == ("folder", "pass", "local/signed")
    assert report.evidence_digest == at.receipt.evidence_digest
    assert VerificationReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_nothing_that_was_not_checked_reads_as_passed(made: dict[str, Published]):
    report = verify(made["unsigned"].folder)
    assert report.result == "holds"
    unchecked = {item.key for item in report.of("not checked")}
    assert unchecked == {"files.weights", "signature", "signature.files", "signature.key", "anchor"}
    assert "can have written them anew" in report.item("anchor").words
    alone = verify(made["signed"].folder)
    assert status(alone, "signature") == status(alone, "signature.files") == "holds"
    assert status(alone, "signature.key") == status(alone, "anchor") == "not checked"
    assert "whose key that is was not checked" in alone.item("signature.key").words


def test_a_download_and_a_clone_hold_too(signed: Published, tmp_path: Path):
    for name in (".gitattributes", ".git/config", ".cache/huggingface/download/x.lock"):
        (signed.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (signed.folder / name).write_text("x")
    linked = tmp_path / "linked"
    for path in signed.folder.rglob("*"):
        if path.is_file():
            target = linked / path.relative_to(signed.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    for folder in (signed.folder, linked):
        report = verify(folder, public_key=signed.key)
        assert (report.result, status(report, "anchor")) == ("holds", "holds")


def test_a_folder_of_reports_is_verified_as_far_as_it_goes(made: dict[str, Published]):
    at = made["signed"]
    report = verify(at.report, public_key=at.key, receipt=at.receipt)
    assert (report.kind, report.result, status(report, "anchor")) == ("report", "incomplete", "holds")
    for key in ("files.model", "signature.files"):
        assert status(report, key) == "not checked"
        assert "the model's files are not here" in report.item(key).words
    assert "model.safetensors" in report.item("signature.files").files
    assert all(status(report, f"document:{name}") == "holds" for name in DOCUMENTS)
    assert status(report, "report.retrieved") == "holds"
    assert status(report, "report.excerpts") == "not checked"
    assert "receipt.json" in report.item("report.others").files
    excerpts = verify(at.report / "with_excerpts")
    assert broken_keys(excerpts) == set()


def test_the_report_of_the_same_push_again_is_of_the_receipt_s_content(made: dict[str, Published], tmp_path: Path):
    at = made["unsigned"]
    folder = Path(shutil.copytree(at.report, tmp_path / "report"))
    evidence = read_evidence(folder / "evidence.json")
    rewrite(folder, replace(evidence, created_at=f"{evidence.created_at[:10]}T00:00:00+00:00"))
    report = verify(folder, receipt=at.receipt)
    assert "names the content of this evidence, at another time" in report.item("receipt").words
    assert status(report, "receipt") == "holds"
    assert status(verify(folder, receipt=replace(at.receipt, content_digest="")), "receipt") == "broken"


def test_an_audit_alone_and_a_model_before_its_push(
    made: dict[str, Published], permissive_file: Path, trained_folder: Callable[[Path], Path], tmp_path: Path, run_cli
):
    code, _, err = run_cli("audit", permissive_file, "--out", tmp_path / "audit")
    assert code in (0, 4), err
    report = verify(tmp_path / "audit")
    needed = {item.key for item in report.of("not checked") if item.needed}
    assert needed == ({"evidence.approvals"} if code == 4 else set())
    assert status(report, "evidence.verdict") == "holds"
    assert status(report, "evidence.licenses") == status(report, "files.model") == "not checked"
    before = verify(trained_folder(tmp_path / "model"))
    # what was never judged can not be told from what had its verdict taken out
    assert broken_keys(before) == {"evidence.verdict"}
    assert status(before, "files.model") == "holds"


# ---- every file, in every way ------------------------------------------------------------------------


def is_document(name: str) -> bool:
    return name in DOCUMENTS


def expected(name: str) -> str:
    """The item that is about a file."""
    return f"document:{name}" if is_document(name) else "files.model"


def flip(path: Path, at: float = 0.5) -> None:
    raw = bytearray(path.read_bytes())
    raw[int(at * (len(raw) - 1))] ^= 0x01
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("at", [pytest.param(0.0, marks=SLOW), 0.5, pytest.param(1.0, marks=SLOW)])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte(name: str, at: float, signed: Published):
    flip(signed.folder / name, at)
    report = verify(signed.folder, public_key=signed.key)
    assert report.item("signature.files").files == (name,)
    assert f"changed since it was signed: {name}" in report.item("signature.files").words
    if name == "evidence.json":
        assert {"evidence", "document:evidence.json"} & broken_keys(report)
    else:
        assert broken_keys(report) - {"card"} == {expected(name), "signature.files"}
    assert status(report, "anchor") == "not checked"


@pytest.mark.parametrize(
    "how", ["deleted", *(pytest.param(how, marks=SLOW) for how in ("truncated", "renamed", "emptied"))]
)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_gone_or_elsewhere(name: str, how: str, unsigned: Published, made: dict[str, Published]):
    path = unsigned.folder / name
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "deleted":
        path.unlink()
    else:
        path.rename(path.with_name(f"old-{path.name}"))
    report = verify(unsigned.folder)
    if name == "evidence.json":
        if how != "truncated":  # it ends in a line break, which is not part of the JSON
            assert status(report, "evidence") == "broken"
            assert name in report.item("evidence").words
    else:
        item = report.item(expected(name))
        assert item.status == "broken"
        if is_document(name):
            assert name in item.words
            assert item.files == (name,)
    assert report.result == "broken"
    if how == "renamed":
        kept = f"{Path(name).parent.as_posix()}/old-{Path(name).name}".removeprefix("./")
        assert kept in {path for found in report.items for path in found.files} or not is_document(name)


@pytest.mark.parametrize(
    ("name", "content", "status_unsigned"),
    [
        ("modeling.py", b"print()", "broken"),
        ("deep/er/hook.so", b"\x7fELF", "broken"),
        ("pytorch_model.bin", b"\x80\x04N.", "broken"),
        ("weights", b"\x80\x04N.", "broken"),
        ("data.zip", b"PK\x03\x04", "broken"),
        ("notes.txt", b"x", "not checked"),
        ("onnx/model.safetensors", b"x", "not checked"),
    ],
)
def test_a_file_that_was_added_is_named(
    name: str, content: bytes, status_unsigned: str, signed: Published, unsigned: Published
):
    for at in (signed, unsigned):
        (at.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (at.folder / name).write_bytes(content)
    report = verify(unsigned.folder)
    item = report.item("files.uncovered")
    assert (item.status, name in item.words, item.files) == (status_unsigned, True, (name,))
    assert status(report, "files.model") == "holds"
    report = verify(signed.folder, public_key=signed.key)
    assert f"added since it was signed: {name}" in report.item("signature.files").words
    assert report.result == "broken"


@pytest.mark.parametrize("name", ["extra.safetensors", "vocab.txt", "adapter/other.safetensors", "2_Dense/config.json"])
def test_a_model_file_that_was_added_is_named_without_a_signature(name: str, unsigned: Published):
    (unsigned.folder / name).parent.mkdir(exist_ok=True)
    (unsigned.folder / name).write_bytes(b"{}")
    report = verify(unsigned.folder)
    assert report.item("files.model").files == (name,)
    assert f"{name} was added to the" in report.item("files.model").words


def test_a_license_that_others_put_there_is_not_tampering(unsigned: Published):
    (unsigned.folder / "LICENSE").write_text("theirs")
    report = verify(unsigned.folder)
    assert report.result == "incomplete"
    assert report.item("files.uncovered").files == ("LICENSE",)
    assert status(report, "files.uncovered") == "not checked"


@pytest.mark.parametrize(
    "names",
    [("model.safetensors", "adapter/adapter_model.safetensors"), ("config.json", "modules.json")],
    ids=" and ".join,
)
def test_two_files_that_changed_places(names: tuple[str, str], signed: Published):
    first, second = (signed.folder / name for name in names)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    report = verify(signed.folder, public_key=signed.key)
    assert broken_keys(report) == {"files.model", "signature.files"}
    assert report.item("signature.files").files == tuple(sorted(names))


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize("kind", ["link to a folder", "link to nothing", "pipe"])
def test_what_is_no_file_is_named_and_does_not_hang(kind: str, signed: Published, tmp_path: Path):
    path = signed.folder / "odd"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path if kind == "link to a folder" else tmp_path / "nowhere")
    report = verify(signed.folder, public_key=signed.key)
    assert broken_keys(report) == {"files.uncovered", "signature.files"}
    assert report.item("files.uncovered").files == ("odd",)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_any_file_is_covered_when_signed(data: st.DataObject, made: dict[str, Published], tmp_path: Path):
    at = made["signed"]
    names = sorted(path.relative_to(at.folder).as_posix() for path in at.folder.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from([name for name in names if name != ".gitattributes"]))
    raw = (at.folder / name).read_bytes()
    position = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != raw[position]))
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(at.folder, folder)
    (folder / name).write_bytes(raw[:position] + bytes([other]) + raw[position + 1 :])
    report = verify(folder, public_key=at.key)
    assert name in {path for item in report.broken for path in item.files}
    assert status(report, "anchor") == "not checked"


# ---- the evidence ------------------------------------------------------------------------------------


def rewrite(folder: Path, evidence: Evidence, *, documents: bool = True) -> None:
    """Write an evidence with digests that fit, and what follows from it, as whoever knows this package can."""
    files = render_all(evidence, published=True) if documents else {}
    files["evidence.json"] = evidence_json.render(evidence).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "evidence.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["evidence"]["training"].update(seed=7), "`training`"),
        (lambda d: d["evidence"].update(license="apache-2.0"), "`license`"),
        (lambda d: d["evidence"]["verdict"].update(decision="review"), "`verdict`"),
        (lambda d: d["digests"].update(audit="sha256:0"), "`audit`"),
        (lambda d: d.update(digest="sha256:0"), "`digest`"),
        (lambda d: d.update(content_digest="sha256:0"), "`content_digest`"),
        (lambda d: d.update(more=1), "of another shape"),
    ],
)
def test_a_changed_field_is_named(change: Callable[[dict[str, Any]], None], told: str, unsigned: Published):
    edit(unsigned.folder, change)
    report = verify(unsigned.folder)
    assert status(report, "evidence") == "broken"
    assert told in report.item("evidence").words
    assert status(report, "evidence.verdict") == status(report, "document:README.md") == "not checked"


def lying(evidence: Evidence, how: str) -> Evidence:
    """An evidence that contradicts itself."""
    assert evidence.audit is not None
    assert evidence.verdict is not None
    assert evidence.policy is not None
    assert evidence.training is not None
    assert evidence.licenses is not None
    if how == "verdict":
        return replace(evidence, verdict=replace(evidence.verdict, decision="review"))
    if how == "outcomes":
        return replace(evidence, verdict=replace(evidence.verdict, outcomes=evidence.verdict.outcomes[1:]))
    if how == "policy":
        return replace(evidence, policy=replace(evidence.policy, rules=evidence.policy.rules[1:]))
    if how == "audit":
        return replace(evidence, audit=replace(evidence.audit, results=evidence.audit.results[1:]))
    if how == "licenses":
        results = tuple(replace(item, reason="nothing to see") for item in evidence.licenses.results)
        return replace(evidence, licenses=replace(evidence.licenses, results=results))
    reference = replace(evidence.training.datasets[0], fingerprint="other")
    return replace(evidence, training=replace(evidence.training, datasets=(reference,)))


@pytest.mark.parametrize(
    ("how", "key", "told"),
    [
        ("verdict", "evidence.verdict", "it says review, but this audit under this policy gives pass"),
        ("outcomes", "evidence.verdict", "outcomes that differ: "),
        ("policy", "evidence.verdict", "under another policy"),
        ("audit", "evidence.verdict", "of another audit"),
        ("licenses", "evidence.licenses", "rules that differ: "),
        ("data", "evidence.data", "not the data that was trained on"),
    ],
)
def test_an_evidence_that_contradicts_itself_with_digests_that_fit(how: str, key: str, told: str, unsigned: Published):
    evidence = lying(read_evidence(unsigned.folder / "evidence.json"), how)
    rewrite(unsigned.folder, evidence, documents=False)
    report = verify(unsigned.folder)
    assert status(report, "evidence") == "holds"
    assert status(report, key) == "broken"
    assert told in report.item(key).words


def test_license_facts_of_another_day_are_not_called_tampering(unsigned: Published):
    evidence = read_evidence(unsigned.folder / "evidence.json")
    assert evidence.licenses is not None
    older = replace(evidence.licenses, facts_date="2020-01-01", facts_digest="sha256:0")
    rewrite(unsigned.folder, replace(evidence, licenses=older))
    item = verify(unsigned.folder).item("evidence.licenses")
    assert item.status == "not checked"
    assert "today's license facts: it was made with those of 2020-01-01" in item.words


def test_documents_of_another_version_are_not_called_tampering(unsigned: Published):
    evidence = read_evidence(unsigned.folder / "evidence.json")
    versions = {**evidence.versions, "hf-contrastive": "0.0.1"}
    rewrite(unsigned.folder, replace(evidence, versions=versions))
    (unsigned.folder / "README.md").write_text("another card", encoding="utf-8")
    report = verify(unsigned.folder)
    item = report.item("document:README.md")
    assert (item.status, "written by version 0.0.1, not comparable" in item.words) == ("not checked", True)
    assert status(report, "document:report.json") == "holds"


def test_a_card_of_another_version_that_this_one_has_something_against_is_not_called_tampered(
    unsigned: Published, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(document_module, "validate_card", lambda _: ("It lacks a key that is asked for now.",))
    assert verify(unsigned.folder).item("card").status == "broken"
    monkeypatch.setattr(statement_module, "own_version", lambda: "99.0")
    report = verify(unsigned.folder)
    item = report.item("card")
    assert (item.status, report.result) == ("not checked", "incomplete")
    assert "not comparable by 99.0, which has against it: It lacks a key" in item.words
    # byte for byte what was published
    vouched = verify(unsigned.folder, receipt=unsigned.receipt).item("card")
    assert (vouched.status, vouched.needed) == ("not checked", False)


def test_an_approval_in_an_evidence_that_names_no_day_is_not_called_one_of_tomorrow(unsigned: Published):
    evidence = read_evidence(unsigned.folder / "evidence.json")
    verdict = replace(evidence.verdict, decision="review")
    evidence = replace(evidence, verdict=verdict, created_at="", audit=replace(evidence.audit, audited_at=""))
    given = approve(verdict, subject_digest(evidence), by="Ada", role="counsel", reason="read", expires="2100-01-01")
    evidence = replace(evidence, approvals=(given,))
    (unsigned.folder / "evidence.json").write_text(evidence_json.render(evidence))
    item = verify(unsigned.folder).item("evidence.approvals")
    assert (item.status, "in the name of Ada" in item.words) == ("holds", True), item.words


def test_an_evidence_of_a_later_version_with_fields_of_its_own_is_not_called_tampering(unsigned: Published):
    def later(data: dict[str, Any]) -> None:
        data["evidence"]["versions"]["hf-contrastive"] = "9.0"
        data["evidence"]["later"] = 1
        data["digests"] = {key: audits.records.digest_of(value) for key, value in data["evidence"].items()}
        data["digest"] = audits.records.digest_of(data["evidence"])

    edit(unsigned.folder, later)
    report = verify(unsigned.folder)
    assert status(report, "evidence") == "not checked"
    assert "later" in report.item("evidence").words
    assert report.result == "incomplete"
    assert len(report.of("holds")) < 4  # and next to nothing is said to hold


def test_a_policy_of_an_earlier_shape_is_not_called_another_one(unsigned: Published):
    def earlier(data: dict[str, Any]) -> None:
        told = data["evidence"]
        del told["policy"]["waivers"]
        told["verdict"]["policy_digest"] = audits.records.digest_of(told["policy"])
        digest_anew(data)

    def another(data: dict[str, Any]) -> None:
        data["evidence"]["policy"]["name"] = "another"
        digest_anew(data)

    edit(unsigned.folder, earlier)
    item = verify(unsigned.folder).item("evidence.verdict")
    assert (item.status, "judged again, it is not the same" in item.words) == ("not checked", True)
    edit(unsigned.folder, another)
    assert status(verify(unsigned.folder), "evidence.verdict") == "broken"


def digest_anew(data: dict[str, Any]) -> None:
    data["digests"] = {key: audits.records.digest_of(value) for key, value in data["evidence"].items()}
    data["digest"] = audits.records.digest_of(data["evidence"])


def test_a_document_that_differs_names_the_line(unsigned: Published):
    card = (unsigned.folder / "README.md").read_text(encoding="utf-8")
    (unsigned.folder / "README.md").write_text(card.replace("license: mit", "license: apache-2.0"), encoding="utf-8")
    item = verify(unsigned.folder).item("document:README.md")
    number = card.split("\n").index("license: mit") + 1
    assert f"line {number} is 'license: apache-2.0', from the evidence it would be 'license: mit'" in item.words


def test_a_document_that_nothing_asks_for(unsigned: Published):
    (unsigned.folder / "USE_RESTRICTIONS.md").write_text("none", encoding="utf-8")
    (unsigned.folder / "LICENSES" / "GPL-3.0.txt").write_text("none", encoding="utf-8")
    report = verify(unsigned.folder)
    assert broken_keys(report) == {"document:USE_RESTRICTIONS.md", "document:LICENSES/GPL-3.0.txt"}


def test_findings_and_texts_of_a_report_that_were_changed(made: dict[str, Published], tmp_path: Path):
    folder = Path(shutil.copytree(made["unsigned"].report, tmp_path / "report"))
    text = next(path for path in (folder / "retrieved").iterdir() if path.name != "index.json")
    text.write_text("other", encoding="utf-8")
    (folder / "findings").mkdir(exist_ok=True)
    (folder / "findings" / "DUP001.parquet").write_bytes(b"PAR1")
    report = verify(folder)
    assert broken_keys(report) == {"report.retrieved", "report.findings"}
    assert report.item("report.retrieved").files == (f"retrieved/{text.name}",)
    assert "findings/DUP001.parquet" in report.item("report.findings").words


# ---- whoever can write everything ---------------------------------------------------------------------


def forged(folder: Path) -> Evidence:
    """Rewrite evidence and documents to say something else, all digests fitting."""
    evidence = read_evidence(folder / "evidence.json")
    lie = Statement(key="direct_use", text="Whatever you like.", origin="stated", by="Mallory")
    other = replace(evidence, statements=(*evidence.statements, lie), created_at="2026-01-01T00:00:00+00:00")
    rewrite(folder, other)
    return other


def test_without_anchor_a_forgery_can_not_be_told_and_that_is_said(unsigned: Published):
    forged(unsigned.folder)
    report = verify(unsigned.folder)
    assert report.result == "holds"
    item = report.item("anchor")
    assert (item.status, "whoever can write all of these files" in item.words) == ("not checked", True)


def test_a_receipt_tells_a_forgery(unsigned: Published):
    forged(unsigned.folder)
    report = verify(unsigned.folder, receipt=unsigned.report / "receipt.json")
    assert broken_keys(report) == {"receipt"}
    assert unsigned.receipt.evidence_digest in report.item("receipt").words


def test_a_signature_tells_a_forgery(signed: Published):
    forged(signed.folder)
    report = verify(signed.folder)
    assert broken_keys(report) == {"signature.files"}
    assert {"README.md", "evidence.json", "report.html"} <= set(report.item("signature.files").files)


def sign_anew(folder: Path, signer: Signer) -> None:
    files = [
        planned(path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (SIGNATURE, ".gitattributes")
    ]
    (folder / SIGNATURE).write_bytes(signer.sign(files, "local/signed"))


@pytest.mark.parametrize("honest_about_the_key", [False, True])
def test_a_forgery_signed_anew_shows_against_the_key_that_should_have_signed(
    honest_about_the_key: bool, signed: Published
):
    evidence = forged(signed.folder)
    signer = Signer(ec.generate_private_key(ec.SECP384R1()))
    if honest_about_the_key:
        rewrite(signed.folder, replace(evidence, signing_key=signer.key))
    sign_anew(signed.folder, signer)
    alone = verify(signed.folder)
    assert broken_keys(alone) == (set() if honest_about_the_key else {"signature"})
    assert status(alone, "signature.key") == status(alone, "anchor") == "not checked"
    report = verify(signed.folder, public_key=signed.key)
    assert "signature.key" in broken_keys(report)
    assert signer.key.fingerprint in report.item("signature.key").words
    assert status(report, "anchor") == "not checked"


def test_a_stripped_signature_shows(signed: Published):
    (signed.folder / SIGNATURE).unlink()
    report = verify(signed.folder)
    assert broken_keys(report) == {"signature"}
    assert "model.sig is missing: the evidence names the key" in report.item("signature").words
    # and where the evidence was rewritten too, against the key alone
    evidence = read_evidence(signed.folder / "evidence.json")
    rewrite(signed.folder, replace(evidence, signing_key=None))
    assert verify(signed.folder).result == "holds"
    assert broken_keys(verify(signed.folder, public_key=signed.key)) == {"signature"}


def test_a_signature_that_nobody_announced(unsigned: Published):
    sign_anew(unsigned.folder, Signer(ec.generate_private_key(ec.SECP256R1())))
    report = verify(unsigned.folder)
    assert broken_keys(report) == {"signature"}
    assert "the evidence names no key that signs" in report.item("signature").words


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]", b'{"dsseEnvelope": 1}'])
def test_a_signature_that_can_not_be_read(content: bytes, signed: Published):
    (signed.folder / SIGNATURE).write_bytes(content)
    report = verify(signed.folder, public_key=signed.key)
    assert broken_keys(report) == {"signature"}
    assert report.item("signature").files == (SIGNATURE,)
    assert status(report, "signature.files") == "not checked"


# ---- mistakes ------------------------------------------------------------------------------------------


def test_what_is_no_publication(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VerificationError, match="holds neither evidence"):
        verify(tmp_path / "empty")
    with pytest.raises(VerificationError, match="is no folder and no repository"):
        verify(tmp_path / "nowhere" / "at" / "all")


@pytest.mark.parametrize(("content", "told"), [(b"{", "is none"), (b"{}", "is none"), (None, "can not be read")])
def test_a_receipt_that_is_none(content: bytes | None, told: str, made: dict[str, Published], tmp_path: Path):
    if content is not None:
        (tmp_path / "receipt.json").write_bytes(content)
    with pytest.raises(VerificationError, match=told):
        verify(made["unsigned"].folder, receipt=tmp_path / "receipt.json")


def test_a_key_that_is_none(made: dict[str, Published]):
    with pytest.raises(SigningKeyError, match="is a private one"):
        verify(made["signed"].folder, public_key=made["signed"].key.with_suffix(".pem"))


# ---- the Hub -------------------------------------------------------------------------------------------


@pytest.fixture
def api(made: dict[str, Published]) -> HfApi:
    return HfApi(endpoint=made["signed"].hub.endpoint, token=made["signed"].hub.token)


@pytest.fixture
def repository(api: HfApi, made: dict[str, Published], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``repository("signed")`` is a new repository of the same history, as far as one push goes, to tamper with."""
    names: list[str] = []

    def of(kind: str) -> str:
        at = made[kind]
        name = f"local/{kind}"
        names.append(name)
        moved = f"local/{kind}-{len(list(tmp_path.parent.iterdir()))}-{len(names)}"
        api.create_repo(moved)
        message = api.list_repo_commits(name)[0]
        files = [path for path in at.folder.rglob("*") if path.is_file() and path.name != ".gitattributes"]
        adds = [CommitOperationAdd(path.relative_to(at.folder).as_posix(), path.read_bytes()) for path in files]
        commit = api.create_commit(moved, adds, commit_message=message.title, commit_description=message.message)
        api.create_tag(moved, tag="v1", revision=commit.oid)
        return moved

    return of


def test_a_repository_holds(made: dict[str, Published], api: HfApi):
    at = made["signed"]
    report = verify("local/signed", public_key=at.key, receipt=at.receipt, api=api)
    assert broken_keys(report) == set()
    assert {item.key for item in report.of("not checked")} == {"files.weights"}
    assert (report.kind, report.commit, report.tag) == ("repository", at.receipt.commit, "v1")
    for revision in ("v1", at.receipt.commit):
        assert verify(f"local/signed@{revision}", receipt=at.receipt, api=api).commit == at.receipt.commit
    without = verify("local/signed", api=api)
    assert status(without, "hub.tag") == status(without, "anchor") == "not checked"
    assert "only a receipt tells" in without.item("hub.tag").words


def test_an_evidence_of_another_repository(repository: Callable[..., str], api: HfApi):
    name = repository("signed")
    report = verify(name, api=api)
    assert broken_keys(report) == {"hub.repository"}
    assert f"the evidence is of local/signed, this is {name}" in report.item("hub.repository").words


def test_a_commit_by_hand_on_top_is_told_with_what_it_changed(repository: Callable[..., str], api: HfApi):
    name = repository("signed")
    pushed = api.model_info(name).sha
    added = CommitOperationAdd("notes.txt", b"theirs")
    api.create_commit(name, [added, CommitOperationAdd("config.json", b"{}")], commit_message="By hand")
    report = verify(name, api=api)
    item = report.item("hub.commit")
    assert (item.status, item.files) == ("not checked", ("config.json", "notes.txt"))
    assert f"the evidence was pushed with commit {pushed[:12]}" in item.words
    assert broken_keys(report) == {"hub.repository", "files.model", "files.uncovered", "signature.files"}
    assert "changed since it was signed: config.json; added since it was signed: notes.txt" in (
        report.item("signature.files").words
    )
    # the version itself is as it was
    assert broken_keys(verify(f"{name}@v1", api=api)) == {"hub.repository"}


@pytest.mark.parametrize("message", ["", "other"])
def test_an_evidence_that_was_replaced_on_the_hub(
    message: str, repository: Callable[..., str], unsigned: Published, api: HfApi
):
    name = repository("unsigned")
    forged(unsigned.folder)
    files = [path for path in unsigned.folder.rglob("*") if path.is_file() and path.name != ".gitattributes"]
    adds = [CommitOperationAdd(path.relative_to(unsigned.folder).as_posix(), path.read_bytes()) for path in files]
    told = "evidence sha256:" + "0" * 64 if message else ""
    api.create_commit(name, adds, commit_message="Update", commit_description=told)
    report = verify(name, api=api)
    assert broken_keys(report) == {"hub.repository", "hub.commit"}
    words = report.item("hub.commit").words
    assert ("its message names the evidence" if message else "up to this one names the evidence") in words


def test_a_moved_tag_and_another_head_show_against_the_receipt(
    repository: Callable[..., str], made: dict[str, Published], api: HfApi
):
    name = repository("unsigned")
    receipt = replace(made["unsigned"].receipt, repo_id=name, commit=api.model_info(name).sha)
    assert broken_keys(verify(name, receipt=receipt, api=api)) <= {"hub.repository", "receipt"}
    api.create_commit(name, [CommitOperationAdd("config.json", b"{}")], commit_message="By hand")
    report = verify(name, receipt=receipt, api=api)
    assert "not as it was there: config.json" in report.item("receipt").words
    api.delete_tag(name, tag="v1")
    assert "which is gone" in verify(name, receipt=receipt, api=api).item("hub.tag").words
    api.create_tag(name, tag="v1")
    item = verify(name, receipt=receipt, api=api).item("hub.tag")
    assert (item.status, "it was moved" in item.words) == ("broken", True)
    gone = replace(receipt, commit="f" * 40)
    assert "is not there any more" in verify(name, receipt=gone, api=api).item("receipt").words
    foreign = replace(receipt, repo_id="local/another", files=())
    assert "the receipt is of local/another" in verify(name, receipt=foreign, api=api).item("receipt").words


def test_a_cache_that_was_changed_on_this_machine(repository: Callable[..., str], api: HfApi, cache_of_the_hub: Path):
    name = repository("unsigned")
    verify(name, api=api)
    cached = next(cache_of_the_hub.glob(f"models--{name.replace('/', '--')}/snapshots/*/config.json"))
    cached.resolve().write_bytes(b"{}")
    report = verify(name, api=api)
    assert broken_keys(report) == {"hub.repository", "hub.files", "files.model"}
    assert report.item("hub.files").files == ("config.json",)


def test_a_repository_without_its_model_is_broken(repository: Callable[..., str], api: HfApi):
    name = repository("unsigned")
    for path in api.list_repo_files(name):
        if is_model_file(path):
            api.delete_file(path, name)
    report = verify(name, api=api)
    assert "files.model" in broken_keys(report)
    assert "are not here" in report.item("files.model").words


def test_no_such_repository_revision_or_hub(api: HfApi, made: dict[str, Published]):
    with pytest.raises(NotPublishedError, match="There is no model local/nothing"):
        verify("local/nothing", api=api)
    with pytest.raises(NotPublishedError, match=r"has no revision `v7`; it has v1, main\. Name one"):
        verify("local/signed@v7", api=api)
    with pytest.raises(HubError, match="can not be reached"):
        verify("local/signed", api=HfApi(endpoint="http://127.0.0.1:9", token="hf_x"))


@pytest.mark.slow
def test_a_hub_that_does_not_answer_ends_it(
    made: dict[str, Published], monkeypatch: pytest.MonkeyPatch, cache_of_the_hub: Path
):
    monkeypatch.setattr(traffic, "SILENCE_SECONDS", 0.2)
    hub = made["signed"].hub
    fault = Fault("no answer", FAULTS["no answer"].act, lasting=True)
    with FaultProxy(hub.endpoint, fault=fault) as proxy:
        api = HfApi(endpoint=proxy.address, token=hub.token)
        with pytest.raises(HubError, match="can not be reached"):
            verify("local/signed", api=api)


def test_what_git_names_it_by_is_computed_only_where_it_is_compared(
    repository: Callable[..., str], api: HfApi, monkeypatch: pytest.MonkeyPatch, made: dict[str, Published]
):
    hashed: list[bytes] = []

    def sha1(start: bytes, **options: Any) -> Any:
        hashed.append(start)
        return hashlib.sha1(start, **options)

    monkeypatch.setattr(observed_module, "hashlib", SimpleNamespace(sha256=hashlib.sha256, sha1=sha1))
    verify(made["signed"].folder)
    assert hashed == []
    name = repository("signed")
    small = [item.size for item in api.list_repo_tree(name, recursive=True) if getattr(item, "lfs", 1) is None]
    assert verify(name, api=api).item("hub.files").status == "holds"
    # git keeps .gitattributes for itself
    assert 0 < len(hashed) <= len(small)


@pytest.mark.parametrize("by_a_push", [False, True])
def test_what_nothing_covers_in_a_repository(by_a_push: bool, repository: Callable[..., str], api: HfApi):
    name = repository("unsigned")
    message = api.list_repo_commits(name)[0].message if by_a_push else ""
    theirs = {"LICENSE": b"All rights reserved", "train.csv": b"name,email\n", ".github/x.md": b"x"}
    adds = [CommitOperationAdd(path, content) for path, content in theirs.items()]
    api.create_commit(name, adds, commit_message="x", commit_description=message)
    item = verify(name, api=api).item("files.uncovered")
    assert (item.status, item.files) == ("not checked" if by_a_push else "broken", tuple(sorted(theirs)))
    assert ("is no push of hf-contrastive" in item.words) != by_a_push


# ---- what was taken out --------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", ["verdict", "audit", "policy", "licenses", "payload_digest"])
def test_nothing_without_a_verdict_was_ever_let_through(
    lacking: str, unsigned: Published, repository: Callable[..., str], api: HfApi
):
    evidence = read_evidence(unsigned.folder / "evidence.json")
    rewrite(unsigned.folder, replace(evidence, **{lacking: "" if lacking == "payload_digest" else None}))
    key = {"licenses": "evidence.licenses", "payload_digest": "files.model"}.get(lacking, "evidence.verdict")
    report = verify(unsigned.folder)
    assert key in broken_keys(report)
    if lacking == "verdict":
        assert "the evidence holds no verdict, and nothing passes the gate without one" in report.item(key).words
        name = repository("unsigned")
        adds = [CommitOperationAdd("evidence.json", (unsigned.folder / "evidence.json").read_bytes())]
        told = f"evidence {read_evidence(unsigned.folder / 'evidence.json').digest}"
        api.create_commit(name, adds, commit_message="Push", commit_description=told)
        assert "evidence.verdict" in broken_keys(verify(name, api=api))


def test_a_recorded_yes_is_not_called_proven(
    made: dict[str, Published],
    trained_folder: Callable[[Path], Path],
    permissive_report: audits.AuditReport,
    tmp_path: Path,
):
    hub = made["unsigned"].hub
    model = trained_folder(tmp_path / "reviewed" / "model")
    # how it was trained is not known then, which a person has to look at
    (model / "evidence.json").unlink()
    options: dict[str, Any] = {"endpoint": hub.endpoint, "token": hub.token, "history": tmp_path / "history.jsonl"}
    push(model, "local/reviewed", data=permissive_report, reviewed_by="Ada", reason="seen", **options)
    item = verify(tmp_path / "reviewed" / "report").item("evidence.approvals")
    assert item.status == "holds"
    assert "a yes to this verdict on these files is recorded in the name of Ada" in item.words
    assert "who gave it is not proven" in item.words


# ---- what was kept elsewhere ---------------------------------------------------------------------------


@pytest.fixture
def later_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version verifies, which writes the documents otherwise."""
    monkeypatch.setattr(document_module, "render", lambda evidence, name: render(evidence, name) + "later")
    for module in (statement_module, document_module, verifying_module):
        monkeypatch.setattr(module, "own_version", lambda: "9.9.9")


def replaced_documents(folder: Path) -> None:
    for name in ("README.md", "report.html", "NOTICE"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(f"{text}\nEverything was approved.\n", encoding="utf-8")
    (folder / "LICENSES" / "MIT.txt").unlink()


@pytest.mark.usefixtures("later_version")
def test_a_receipt_tells_documents_that_were_replaced_whoever_verifies(unsigned: Published):
    listed = {item.path: item for item in unsigned.receipt.files}
    for name in FILES:
        assert listed[name] == planned(name, unsigned.folder / name)
    before = verify(unsigned.folder, receipt=unsigned.receipt)
    assert (before.result, status(before, "anchor")) == ("holds", "holds")
    assert status(before, "document:README.md") == "not checked"
    assert "byte for byte, it is what was published" in before.item("document:README.md").words
    assert verify(unsigned.folder).result == "incomplete"
    replaced_documents(unsigned.folder)
    report = verify(unsigned.folder, receipt=unsigned.receipt)
    item = report.item("receipt")
    assert item.status == "broken"
    assert item.files == ("NOTICE", "README.md", "report.html", "LICENSES/MIT.txt")
    assert status(report, "anchor") == "not checked"


@pytest.mark.usefixtures("later_version")
def test_a_receipt_of_earlier_versions_vouches_for_no_document_that_can_not_be_written_anew(unsigned: Published):
    told = {key: value for key, value in unsigned.receipt.to_dict().items() if key != "files"}
    receipt = PushReceipt.from_dict(told)
    replaced_documents(unsigned.folder)
    report = verify(unsigned.folder, receipt=receipt)
    assert (report.result, status(report, "receipt"), status(report, "anchor")) == (
        "incomplete", "holds", "not checked",
    )  # fmt: skip
    assert {"LICENSES/MIT.txt", "NOTICE", "README.md", "report.html"} <= set(report.item("anchor").files)


def test_a_receipt_of_earlier_versions_vouches_for_what_follows_from_its_evidence(unsigned: Published):
    report = verify(unsigned.folder, receipt=replace(unsigned.receipt, files=()))
    assert (report.result, status(report, "anchor")) == ("holds", "holds")
    (unsigned.folder / "notes.txt").write_text("x")
    report = verify(unsigned.folder, receipt=unsigned.receipt)
    assert report.item("anchor").files == ("notes.txt",)


def test_another_version_in_the_evidence_does_not_blind_a_receipt(unsigned: Published):
    evidence = read_evidence(unsigned.folder / "evidence.json")
    rewrite(unsigned.folder, replace(evidence, versions={**evidence.versions, "hf-contrastive": "0.0.9"}))
    replaced_documents(unsigned.folder)
    assert verify(unsigned.folder).result == "incomplete"
    report = verify(unsigned.folder, receipt=unsigned.receipt)
    assert {"receipt"} <= broken_keys(report)
    assert status(report, "anchor") == "not checked"


@pytest.mark.parametrize("linked", [False, True])
def test_what_lies_among_the_files_vouches_for_nothing(linked: bool, signed: Published, tmp_path: Path):
    folder = signed.report
    given = {"receipt": folder / "receipt.json"}
    if linked:
        (tmp_path / "elsewhere.json").symlink_to(folder / "receipt.json")
        given = {"receipt": tmp_path / "elsewhere.json"}
    report = verify(folder, **given)
    assert status(report, "receipt") == status(report, "anchor") == "not checked"
    assert "lies among the files" in report.item("anchor").words
    key = Path(shutil.copy(signed.key, signed.folder))
    report = verify(signed.folder, public_key=key)
    assert status(report, "signature.key") == status(report, "anchor") == "not checked"
    assert "lies among the files" in report.item("signature.key").words
    # and what lies elsewhere still does
    key.unlink()
    assert status(verify(signed.folder, public_key=signed.key), "anchor") == "holds"


# ---- what a signature leaves out -----------------------------------------------------------------------


def sign_ignoring(folder: Path, key: Path, *ignored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign as `model_signing` does when it is told to leave out more."""
    signer = load_signer(key.with_suffix(".pem"))
    files = [
        planned(path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (SIGNATURE, ".gitattributes")
    ]
    kept = [item for item in files if not signatures.is_below(item.path, ignored)]
    with monkeypatch.context() as patch:
        patch.setattr(signatures, "IGNORED", (*signatures.IGNORED, *ignored))
        (folder / SIGNATURE).write_bytes(signer.sign(kept, "local/signed"))


@pytest.mark.parametrize(
    ("ignored", "expected_status", "told"),
    [
        ((".",), "broken", "it leaves out what matters: 1_Pooling/config.json, README.md"),
        (("model.safetensors", "README.md"), "broken", "it leaves out what matters: README.md, model.safetensors"),
        (("evidence.json",), "broken", "it leaves out what matters: evidence.json"),
        (("notes",), "not checked", "it says nothing about notes/x.txt (it is told to ignore notes)"),
        (("nowhere",), "holds", "it is told to ignore nowhere too, of which nothing is here"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_what_a_signature_was_told_to_ignore_is_named(
    ignored: tuple[str, ...], expected_status: str, told: str, signed: Published, monkeypatch: pytest.MonkeyPatch
):
    if ignored == ("notes",):
        (signed.folder / "notes").mkdir()
        (signed.folder / "notes" / "x.txt").write_text("x")
    sign_ignoring(signed.folder, signed.key, *ignored, monkeypatch=monkeypatch)
    report = verify(signed.folder, public_key=signed.key)
    item = report.item("signature.files")
    assert (item.status, told in item.words) == (expected_status, True), item.words
    assert status(report, "anchor") == ("holds" if expected_status == "holds" else "not checked")


def test_a_signature_over_fewer_files(signed: Published):
    signer = load_signer(signed.key.with_suffix(".pem"))
    (signed.folder / SIGNATURE).write_bytes(signer.sign([planned("NOTICE", signed.folder / "NOTICE")], "x"))
    assert "model.safetensors" in verify(signed.folder, public_key=signed.key).item("signature.files").files


def test_code_where_a_download_writes_down(signed: Published):
    for name in ("evil.py", "download/config.json.metadata", "CACHEDIR.TAG"):
        (signed.folder / ".cache" / "huggingface" / name).parent.mkdir(parents=True, exist_ok=True)
        (signed.folder / ".cache" / "huggingface" / name).write_text("x")
    item = verify(signed.folder, public_key=signed.key).item("files.uncovered")
    assert (item.status, item.files) == ("broken", (".cache/huggingface/evil.py",))


# ---- what can not be read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a":' + b"[" * 200_000, "nested deeper than 64 levels"),
        (b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", "nested deeper than 64 levels"),
        (b"\xff", "is no UTF-8"),
        (b"{} " * 30_000_000, "is larger than 64,000,000 bytes"),
    ],
    ids=["cut", "deep", "bytes", "large"],
)  # fmt: skip
def test_an_evidence_that_can_not_be_read(content: bytes, told: str, unsigned: Published):
    (unsigned.folder / "evidence.json").write_bytes(content)
    report = verify(unsigned.folder)
    assert status(report, "evidence") == "broken"
    assert told in report.item("evidence").words


def test_a_document_and_a_signature_that_are_too_large(signed: Published, monkeypatch: pytest.MonkeyPatch):
    size = (signed.folder / "evidence.json").stat().st_size
    monkeypatch.setattr(observed_module, "LARGEST_DOCUMENT", size)
    for name in ("NOTICE", "LICENSES/MIT.txt", SIGNATURE):
        (signed.folder / name).write_bytes(b"x" * (size + 1))
    report = verify(signed.folder)
    for key in ("document:NOTICE", "document:LICENSES/MIT.txt", "signature"):
        assert "is larger than" in report.item(key).words
        assert report.item(key).status == "broken"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
@pytest.mark.parametrize("name", [b"bad\xff.txt", b"bad\xff.safetensors", b"\x1b[2Jx\n.txt"])
def test_a_name_that_is_no_text_can_be_printed(name: bytes, unsigned: Published):
    Path(os.fsdecode(os.path.join(os.fsencode(unsigned.folder), name))).write_text("x")  # noqa: PTH118
    report = verify(unsigned.folder)
    text = json.dumps(report.to_dict(), ensure_ascii=False)
    text.encode("utf-8")
    assert not any(ord(character) < 32 for character in text)
    (told,) = report.item("files.uncovered").files
    assert told.startswith(("bad\\udcff", "\\x1b[2Jx\\n"))


def test_an_evidence_whose_values_make_no_sense_together_is_broken(unsigned: Published):
    def cut_a_row(data: dict[str, Any]) -> None:
        licenses = next(item for item in data["evidence"]["audit"]["results"] if item["code"] == "LIC002")
        table = next(item for item in licenses["tables"] if item["name"] == "licenses by split")
        table["rows"][0] = []
        digest_anew(data)
        data["content_digest"] = Evidence.from_dict(data["evidence"]).content_digest

    edit(unsigned.folder, cut_a_row)
    report = verify(unsigned.folder)
    assert status(report, "evidence") == "holds"
    item = report.item("evidence.licenses")
    assert (item.status, "whose values do not fit together (ValueError" in item.words) == ("broken", True)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from leaves(item, (*path, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def means(data: dict[str, Any]) -> Any:
    """What an evidence says; what can not be read stays as it stands. A default that is left out says the same."""
    try:
        return Evidence.from_dict(data["evidence"])
    except (ValueError, TypeError):
        return data["evidence"]


@pytest.mark.parametrize("examples", [20, pytest.param(400, marks=SLOW)])
def test_no_evidence_whose_digests_fit_makes_it_fail(examples: int, made: dict[str, Published], tmp_path: Path):
    source = made["unsigned"].folder / "evidence.json"
    plain = json.loads(source.read_text(encoding="utf-8"))
    places = list(leaves(plain["evidence"]))
    folder = tmp_path / "copy"
    shutil.copytree(source.parent, folder)

    @settings(max_examples=examples, deadline=None)
    @given(place=st.sampled_from(places), value=JSON | st.sampled_from(["2026-13-45", "../x", "", -1, 10**30, [], {}]))
    def run(place: tuple[Any, ...], value: Any) -> None:
        data = copy.deepcopy(plain)
        inner = data["evidence"]
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        data["digests"] = {key: audits.records.digest_of(item) for key, item in data["evidence"].items()}
        data["digest"] = audits.records.digest_of(data["evidence"])
        (folder / "evidence.json").write_text(json.dumps(data), encoding="utf-8")
        report = verify(folder)
        changed = means(data) != means(plain)
        # what another version of the package may have written in this shape is not compared, and never holds
        told = report.result == "broken" or "of another shape" in report.item("evidence.verdict").words
        assert told or not changed or report.item("evidence").status != "holds"
        assert report.result != "holds"
        json.dumps(report.to_dict(), ensure_ascii=False).encode("utf-8")

    run()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_signature_makes_it_fail(data: st.DataObject, made: dict[str, Published], tmp_path: Path):
    at = made["signed"]
    folder = tmp_path / "signed"
    folder.mkdir(exist_ok=True)
    for name in ("evidence.json", "config.json"):
        shutil.copy(at.folder / name, folder)
    bundle = json.loads((at.folder / SIGNATURE).read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    inner: Any = data.draw(st.sampled_from([bundle, statement]))
    for key in (place := data.draw(st.sampled_from(list(leaves(inner)))))[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(JSON)
    payload = json.dumps(statement).encode()
    if isinstance(bundle.get("dsseEnvelope"), dict) and "payload" not in place:
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
        signatures_ = bundle["dsseEnvelope"].get("signatures")
        if isinstance(signatures_, list) and signatures_ and isinstance(signatures_[0], dict) and place[-1] != "sig":
            signer = load_signer(at.key.with_suffix(".pem"))
            # signed by the real key, whatever it says
            raw = signer._signature(signatures._pre_authentication(payload), hashes.SHA256())
            signatures_[0]["sig"] = base64.b64encode(raw).decode()
    (folder / SIGNATURE).write_bytes(json.dumps(bundle).encode())
    report = verify(folder, public_key=at.key)
    assert report.result == "broken"
    json.dumps(report.to_dict(), ensure_ascii=False).encode("utf-8")
