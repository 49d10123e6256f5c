"""Keys and model.sig: what is signed, what is refused, and that others can check it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from huggingface_hub import CommitOperationAdd, HfApi
from hypothesis import given
from hypothesis import strategies as st

import audits
from audits.policy import load_policy
from hf_contrastive.errors import PushBlocked
from hf_contrastive.release.approvals import subject_digest
from hf_contrastive.release.gate import check
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.plan import SIGNATURE, PlannedFile, PushPlan, contents, planned
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.push import push
from hf_contrastive.release.sending.hub import PushReceipt
from hf_contrastive.release.signatures import SignatureError, key_of, read_signature, signature_problems
from hf_contrastive.release.signing import PASSPHRASE, Signer, SigningKeyError, load_public_key, load_signer
from model_cards.documents.evidence_json import read_evidence
from model_cards.evidence import Evidence

pytestmark = pytest.mark.usefixtures("rendered_once")

REPO = "local/model"
GOLDEN = Path(__file__).parent / "golden"
CURVES: dict[str, Any] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
FILES = (
    planned("config.json", b"{}"),
    planned("adapter/a.safetensors", b"weights"),
    planned("adapter-notes.md", b"x"),
    planned("README.md", b"# card"),
)


# on a curve that no library knows
NO_CURVE = "-----BEGIN PUBLIC KEY-----\nMBYwEAYHKoZIzj0CAQYFK4EEAGMDAgAA\n-----END PUBLIC KEY-----\n"

_KEYS: dict[tuple[str, int], ec.EllipticCurvePrivateKey] = {}


def private_key(curve: str = "P-256", number: int = 0) -> ec.EllipticCurvePrivateKey:
    """The same key for the same arguments."""
    if (curve, number) not in _KEYS:
        _KEYS[curve, number] = ec.generate_private_key(CURVES[curve]())
    return _KEYS[curve, number]


def pem(key: Any, passphrase: str = "") -> bytes:
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def write_key(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE, raising=False)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("passphrase", ["", "a long one, ä"])
def test_a_signature_holds_for_its_key_and_its_files(
    curve: str, passphrase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    key = private_key(curve)
    path = write_key(tmp_path / "key.pem", pem(key, passphrase))
    if passphrase:
        monkeypatch.setenv(PASSPHRASE, passphrase)
    signer = load_signer(path)
    content = signer.sign(FILES, REPO)
    signature = read_signature(content)
    signature.check(key.public_key())
    assert signature.public_key is not None
    signature.check(signature.public_key)
    assert signature.files == {item.path: item.sha256 for item in FILES}
    assert signer.key == key_of(key.public_key())
    assert signer.key.algorithm.startswith(f"ECDSA {curve} with SHA-")
    assert signature_problems(content, (*FILES, planned(SIGNATURE, content)), signer.key) == ()
    with pytest.raises(SignatureError, match="was made with another key"):
        signature.check(private_key(curve, 1).public_key())


def test_the_same_files_give_the_same_signature_whatever_their_order():
    signer = Signer(private_key())
    assert signer.sign(FILES, REPO) == signer.sign(tuple(reversed(FILES)), REPO)


def test_the_order_of_the_files_is_that_of_the_format():
    listed = list(read_signature(Signer(private_key()).sign(FILES, REPO)).files)
    # by folder, not by character: "adapter-notes.md" < "adapter/a…" as text
    assert listed == ["README.md", "adapter/a.safetensors", "adapter-notes.md", "config.json"]


@given(data=st.data())
def test_any_changed_byte_of_a_signature_shows(data: st.DataObject):
    signer = Signer(private_key())
    content = signer.sign(FILES, REPO)
    at = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    changed = content[:at] + bytes([other]) + content[at + 1 :]
    assert signature_problems(changed, FILES, signer.key) != ()


@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_else_is_refused_with_a_reason(raw: bytes):
    with pytest.raises(SignatureError):
        read_signature(raw)


def rewritten(content: bytes, change: Callable[[dict[str, Any]], None], *, payload: bool = False) -> bytes:
    """Change the bundle, or what was signed, without signing again."""
    bundle = json.loads(content)
    if payload:
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        change(statement)
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    else:
        change(bundle)
    return (json.dumps(bundle, indent=2) + "\n").encode()


@pytest.mark.parametrize(
    ("change", "payload", "told"),
    [
        (lambda b: b.update(mediaType="application/json"), False, "of another format"),
        (lambda b: b["dsseEnvelope"].update(signatures=[]), False, "can not be read"),
        (lambda b: b["dsseEnvelope"]["signatures"].append({}), False, "can not be read"),
        (lambda b: b.update(more=1), False, "changed around the signed list"),
        (lambda b: b["dsseEnvelope"]["signatures"][0].update(keyid="x"), False, "changed around the signed list"),
        (lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"), True, "of another format"),
        (lambda s: s["subject"][0].update(name="other/model"), True, "does not fit the list of files"),
        (lambda s: s["predicate"]["resources"].pop(), True, "contradicts itself"),
        (lambda s: s["predicate"]["resources"][0].update(digest="00" * 32), True, "contradicts itself"),
        (lambda s: s["predicate"]["resources"][0].update(digest="zz"), True, "holds no list of files"),
        (lambda s: s["predicate"]["serialization"].update(method="shards"), True, "lists shards by sha256"),
        (lambda s: s["predicate"].pop("publicKey"), True, "not of the key"),
        (lambda s: s["predicate"]["resources"][0].update(algorithm=[]), True, "lists files by [] and sha256"),
        (lambda s: s["predicate"]["serialization"].update(ignore_paths=1), True, "holds no list of files"),
        (lambda s: s["predicate"].update(publicKey="no key"), True, "can not be read"),
        (lambda s: s["predicate"].update(publicKey=[[]]), True, "can not be read"),
        (lambda s: s["predicate"].update(publicKey=NO_CURVE), True, "public key that"),
        (lambda s: s["predicate"].update(publicKey=public_pem(private_key(number=1)).decode()), True, "not of the key"),
    ],
)  # fmt: skip
def test_what_is_changed_in_it_is_told(change: Callable[[dict[str, Any]], None], payload: bool, told: str):
    signer = Signer(private_key())
    changed = rewritten(signer.sign(FILES, REPO), change, payload=payload)
    (problem,) = signature_problems(changed, FILES, signer.key)
    assert told in problem


def test_a_signature_of_another_program_is_read_and_checked():
    content = (GOLDEN / "model_signing" / SIGNATURE).read_bytes()
    signature = read_signature(content)
    signature.check(load_public_key(GOLDEN / "model_signing.pub"))
    assert signature.public_key is None
    names = {"config.json", "adapter/a.txt"}
    assert signature.files == {name: planned(name, GOLDEN / "model_signing" / name).sha256 for name in names}
    assert signature.ignores(".git/config")
    assert not signature.ignores("config.json")
    with pytest.raises(SignatureError, match="another key"):
        signature.check(private_key().public_key())


# ---- keys that can not be used ------------------------------------------------------------------------


def other_keys() -> dict[str, tuple[bytes, str]]:
    return {
        "rsa": (pem(rsa.generate_private_key(65537, 2048)), "a key of the kind RSA"),
        "ed25519": (pem(ed25519.Ed25519PrivateKey.generate()), "a key of the kind Ed25519"),
        "curve": (pem(ec.generate_private_key(ec.SECP256K1())), "an EC key on secp256k1"),
        "public": (public_pem(private_key()), "is a public one"),
        "encrypted": (pem(private_key(), "secret words"), f"put it into the environment as {PASSPHRASE}"),
        "junk": (b"junk", "can not be read as a private key in PEM"),
        "cut": (pem(private_key())[:80], "can not be read as a private key in PEM"),
        "large": (b"x" * 70_000, "which is no key"),
    }


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "curve", "public", "encrypted", "junk", "cut", "large"])
def test_a_key_that_can_not_sign_is_refused_in_one_paragraph(kind: str, tmp_path: Path):
    content, told = other_keys()[kind]
    with pytest.raises(SigningKeyError) as caught:
        load_signer(write_key(tmp_path / "key.pem", content))
    message = str(caught.value)
    assert told in message
    assert "\n" not in message
    if kind in ("rsa", "ed25519", "curve", "junk", "cut"):
        assert "openssl ecparam -name prime256v1 -genkey -noout -out" in message


@pytest.mark.parametrize("kind", ["missing", "folder", "wrong passphrase"])
def test_a_key_that_can_not_be_opened(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "key.pem"
    if kind == "folder":
        path.mkdir()
    if kind == "wrong passphrase":
        write_key(path, pem(private_key(), "secret words"))
        monkeypatch.setenv(PASSPHRASE, "other words")
    with pytest.raises(SigningKeyError) as caught:
        load_signer(path)
    told = "does not open the key" if kind == "wrong passphrase" else "can not be read"
    assert told in str(caught.value)
    assert "words" not in str(caught.value)


def test_a_passphrase_of_another_key_does_not_matter_where_none_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(PASSPHRASE, "for another key")
    assert load_signer(write_key(tmp_path / "key.pem", pem(private_key()))).key == key_of(private_key().public_key())


@pytest.mark.parametrize("kind", ["private", "rsa", "junk", "missing"])
def test_a_public_key_that_is_none_is_refused(kind: str, tmp_path: Path):
    path = tmp_path / "key.pub"
    made = {"private": pem(private_key()), "rsa": public_pem(rsa.generate_private_key(65537, 2048)), "junk": b"junk"}
    if kind in made:
        path.write_bytes(made[kind])
    told = {"private": "is a private one", "rsa": "kind RSA", "junk": "public key in PEM", "missing": "can not be read"}
    with pytest.raises(SigningKeyError, match=told[kind]):
        load_public_key(path)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o644, True), (0o640, True)])
def test_a_key_that_others_may_read_is_told(mode: int, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write_key(tmp_path / "key.pem", pem(private_key()))
    path.chmod(mode)
    load_signer(path)
    assert ("close it with `chmod 600`" in caplog.text) == warned


# ---- plan, gate and push ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(permissive_report: audits.AuditReport) -> audits.AuditReport:
    return permissive_report


Made = tuple[PushPlan, Evidence, dict[str, bytes], Path]


@pytest.fixture(scope="module")
def made(trained_folder: Callable[[Path], Path], report: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A signed plan with its evidence and documents."""
    folder = trained_folder(tmp_path_factory.mktemp("signed") / "model")
    known = read_evidence(folder / "evidence.json")
    evidence = replace(known, repo_id=REPO, audit=report, created_at="2026-01-01T00:00:00+00:00")
    plan, evidence, rendered = prepare(
        folder, evidence, load_policy("standard"), reviewed_by="Ada", signer=Signer(private_key())
    )
    return plan, evidence, rendered, folder


def blocked(plan: PushPlan, evidence: Evidence, sources: Any) -> tuple[str, ...]:
    with pytest.raises(PushBlocked) as caught:
        check(plan, evidence, sources)
    return caught.value.problems


def test_a_signed_plan_passes_and_covers_everything_but_itself(made: Made):
    plan, evidence, rendered, folder = made
    check(plan, evidence, contents(folder, rendered, plan))
    signature = read_signature(rendered[SIGNATURE])
    assert signature.files == {item.path: item.sha256 for item in plan.files if item.path != SIGNATURE}
    assert {"model.safetensors", "evidence.json", "README.md"} < set(signature.files)
    assert evidence.signing_key == key_of(private_key().public_key())
    assert json.loads(rendered["evidence.json"])["evidence"]["signing_key"] == evidence.signing_key.to_dict()


def test_an_approval_holds_whoever_signs(made: Made):
    evidence = made[1]
    assert subject_digest(evidence) == subject_digest(replace(evidence, signing_key=None))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no signature", "but no model.sig is planned"),
        ("no key", "the evidence names no key that signs"),
        ("other key", "model.sig is not of the key"),
        ("fewer files", "over other files than those planned"),
        ("changed file", "over other files than those planned"),
        ("changed signature", "does not fit the list of files"),
        ("source gone", "model.sig can not be read"),
    ],
)
def test_the_gate_refuses_a_signature_that_does_not_hold(made: Made, fault: str, told: str):
    plan, evidence, rendered, folder = made
    rest = tuple(item for item in plan.files if item.path != SIGNATURE)
    sources: dict[str, Path | bytes] = contents(folder, rendered, plan)
    if fault == "no signature":
        plan = replace(plan, files=rest)
    elif fault == "no key":
        evidence = replace(evidence, signing_key=None)
    elif fault == "source gone":
        sources[SIGNATURE] = Path("gone")
    else:
        changed = {"fewer files": rest[1:], "changed file": (replace(rest[0], sha256="0" * 64), *rest[1:])}
        signer = Signer(private_key(number=1 if fault == "other key" else 0))
        raw = signer.sign(changed.get(fault, rest), REPO)
        if fault == "changed signature":
            raw = rewritten(raw, lambda statement: statement["subject"][0].update(name="x"), payload=True)
        sources[SIGNATURE] = raw
        plan = replace(plan, files=(*rest, planned(SIGNATURE, raw)))
    assert any(told in line for line in blocked(plan, evidence, sources))


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)
        yield running


def test_a_signed_push_is_made_once_and_an_unsigned_one_removes_the_signature(
    hub: LocalHub,
    trained_folder: Callable[[Path], Path],
    report: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    folder = trained_folder(tmp_path / "trained" / "model")
    key = write_key(tmp_path / "key.pem", pem(private_key()))

    receipts: list[PushReceipt] = []

    def pushed(**options: Any) -> tuple[str, int, bool, bool]:
        receipt = push(folder, REPO, data=report, api=api, history=tmp_path / "history.jsonl", **options)
        receipts.append(receipt)
        listed = api.list_repo_files(REPO)
        beside = (folder.parent / "report" / SIGNATURE).is_file()
        return receipt.tag, len(api.list_repo_commits(REPO)), SIGNATURE in listed, beside

    assert pushed(sign_key=key) == ("v1", 2, True, True)
    assert pushed(sign_key=str(key)) == ("v1", 2, True, True)
    made, found = ({item.path: item.sha256 for item in receipt.files} for receipt in receipts)
    published = Path(api.snapshot_download(REPO, cache_dir=tmp_path / "cache"))
    assert set(made) == {path for path in api.list_repo_files(REPO) if path != ".gitattributes"}
    assert all(planned(path, published / path).sha256 == digest for path, digest in made.items())
    # of the documents that are there, not of those that were written now, at another time
    assert found == made
    # whatever this machine has learned, the key is not in it
    secret = [line for line in pem(private_key()).decode().splitlines() if len(line) > 40]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != key]
    assert all(line.encode() not in path.read_bytes() for path in written for line in secret)
    assert not any(line in caplog.text for line in secret)
    assert repr(Signer(private_key())).count("sha256:") == 1
    assert pushed(sign_key=Signer(private_key(number=1))) == ("v2", 3, True, True)
    assert pushed() == ("v3", 4, False, False)
    assert "is not signed" not in caplog.text
    theirs = CommitOperationAdd("theirs.txt", b"theirs")
    api.create_commit(REPO, [theirs], commit_message="Theirs")
    assert pushed(sign_key=key) == ("v4", 6, True, True)
    assert "theirs.txt stays in local/model and is not signed" in caplog.text


def test_a_key_that_can_not_sign_shows_before_the_data_is_read(tiny_bert: Path, tmp_path: Path):
    with pytest.raises(SigningKeyError, match="can not be read"):
        push(tiny_bert, REPO, data="no such data", sign_key=tmp_path / "gone.pem")


def test_a_signature_in_the_folder_is_told_and_not_published(made: Made, report: Any, tmp_path: Path):
    folder = Path(shutil.copytree(made[3], tmp_path / "model"))
    (folder / SIGNATURE).write_bytes(b"of somebody")
    evidence = Evidence(model_name="m", repo_id=REPO, audit=report)
    plan, evidence, _ = prepare(folder, evidence, load_policy("standard"))
    assert evidence.signing_key is None
    assert SIGNATURE not in {item.path for item in plan.files}
    assert "written anew where a key is given" in dict(plan.kept_out)[SIGNATURE]


# ---- the other program ---------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", CURVES)
def test_model_signing_accepts_it_and_refuses_what_changed(made: Made, curve: str, tmp_path: Path):
    pytest.importorskip("model_signing")
    plan, _, rendered, folder = made
    key = private_key(curve)
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    published = tmp_path / "published"
    listed: list[PlannedFile] = []
    for name, source in contents(folder, rendered, plan).items():
        if name != SIGNATURE:
            target = published / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
            listed.append(planned(name, target))
    (published / SIGNATURE).write_bytes(Signer(key).sign(listed, REPO))
    # what the Hub and a download add
    (published / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    (published / ".cache" / "huggingface").mkdir(parents=True)
    (published / ".cache" / "huggingface" / "x.metadata").write_text("x")

    def verified() -> str:
        command = ["verify", "key", published, "--signature", published / SIGNATURE, "--public_key"]
        # in a process without network
        program = "import socket, sys; socket.socket.connect = None; from model_signing._cli import main; main()"
        arguments = [sys.executable, "-c", program, *map(str, command), str(tmp_path / "key.pub")]
        told = subprocess.run(arguments, capture_output=True, text=True, check=False)
        return told.stdout + told.stderr

    assert "Verification succeeded" in verified()
    (published / "config.json").write_bytes(b"{}")
    assert "Hash mismatch for 'config.json'" in verified()
