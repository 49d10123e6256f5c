"""``hf-contrastive verify`` and ``push --sign-key``: exit codes, words, and one document on stdout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from huggingface_hub import HfApi, constants

from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.sending import hub as release_hub
from hf_contrastive.release.verification import VerificationReport, verifying
from model_cards.documents import evidence_json
from model_cards.documents.evidence_json import read_evidence

Cli = Callable[..., tuple[int, str, str]]
REPO = "local/model"


@pytest.fixture
def hub(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub") as running:
        running.seed("base-owner/tiny", tiny_bert)

        # HF_ENDPOINT was read when huggingface_hub was imported
        def api(**told: object) -> HfApi:
            return HfApi(**{**told, "endpoint": running.endpoint})

        monkeypatch.setattr(release_hub, "HfApi", api)
        monkeypatch.setattr(verifying, "hub_api", api)
        monkeypatch.setenv("HF_TOKEN", running.token)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An encrypted key; its public key lies beside it."""
    made = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"open it")
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    public = made.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


@pytest.fixture
def trained(trained_folder: Callable[[Path], Path], tmp_path: Path) -> Path:
    return trained_folder(tmp_path / "trained" / "model")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_contrastive.console.console.width", 200)


def test_from_a_signed_push_to_a_verified_repository_and_back(
    run_cli: Cli, trained: Path, permissive_file: Path, key: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
):
    pushing = ("push", trained, REPO, "--data", permissive_file, "--sign-key", key)
    code, _, err = run_cli(*pushing)
    assert (code, "HF_CONTRASTIVE_SIGN_PASSPHRASE" in err) == (2, True)
    monkeypatch.setenv("HF_CONTRASTIVE_SIGN_PASSPHRASE", "open it")
    code, _, err = run_cli(*pushing)
    assert code == 0, err
    assert "open it" not in err
    report = trained.parent / "report"
    anchors = ("--public-key", key.with_suffix(".pub"), "--receipt", report / "receipt.json")

    code, out, err = run_cli("verify", REPO, *anchors)
    assert (code, out) == (0, "")
    assert "Holds: nothing is broken" in err
    assert "it is the key that was given" in err
    assert "the same byte for byte: README.md" in err

    code, out, err = run_cli("verify", f"{REPO}@v1", *anchors, "--json")
    told = VerificationReport.from_dict(json.loads(out))
    assert (code, told.result, told.kind, told.tag) == (0, "holds", "repository", "v1")
    assert set(json.loads(out)) == {
        "schema_version", "target", "kind", "repo_id", "commit", "tag", "evidence_digest", "decision", "signing_key",
        "result", "items", "version", "created_at",
    }  # fmt: skip
    assert set(json.loads(out)["items"][0]) == {"key", "status", "words", "files", "needed"}

    # a folder of reports holds no model: nothing is broken, and that is not all
    code, out, err = run_cli("verify", report)
    assert code == 4
    assert "the model's files are not here" in err
    assert "Incomplete: nothing is broken, but not checked: Model files are those of the evidence; " in err

    copy = Path(shutil.copytree(report, report.parent / "copy"))
    card = (copy / "README.md").read_text(encoding="utf-8")
    (copy / "README.md").write_text(card + "[b]best[/b] model\n", encoding="utf-8")
    code, out, err = run_cli("verify", copy, "--json")
    told = VerificationReport.from_dict(json.loads(out))
    assert (code, {item.key for item in told.broken}) == (1, {"document:README.md", "signature.files"})
    assert "Broken in 2 of" in err
    code, out, err = run_cli("verify", copy)
    assert (code, out) == (1, "")
    assert "'[b]best[/b] model'" in err
    assert "README.md (" in err

    hub.close()
    code, out, err = run_cli("verify", REPO, "--json")
    assert (code, out) == (3, "")
    assert "can not be reached" in err


def test_weights_are_those_that_were_trained(run_cli: Cli, make_trainer: Callable[..., Any], tmp_path: Path):
    trainer = make_trainer(peft_config=None)
    trainer.train()
    trainer.write_model(tmp_path / "model")

    def told(*options: str) -> tuple[str, str]:
        _, out, _ = run_cli("verify", tmp_path / "model", *options, "--json")
        item = VerificationReport.from_dict(json.loads(out)).item("files.weights")
        return item.status, item.words

    assert told("--weights")[0] == "holds"
    assert told() == ("not checked", "loading them was not asked for (--weights)")
    evidence = read_evidence(tmp_path / "model" / "evidence.json")
    other = replace(evidence, training=replace(evidence.training, weights_sha256="sha256:0"))
    (tmp_path / "model" / "evidence.json").write_text(evidence_json.render(other), encoding="utf-8")
    assert told("--weights")[0] == "broken"
    (tmp_path / "model" / "config.json").write_text("{}")
    assert told("--weights") == ("not checked", "the files are not those of the evidence, so they were not loaded")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gone/folder/there",), "is no folder and no repository"),
        (("local/nothing",), "There is no model local/nothing"),
        (("{empty}",), "holds neither evidence.json nor another document"),
        (("{empty}", "--public-key", "{empty}/gone.pub"), "can not be read"),
        (("{empty}", "--receipt", "{empty}/gone.json"), "The receipt"),
        (("{empty}", "--publickey", "x"), "--public-key"),
        ((), "Missing argument"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_usage(run_cli: Cli, hub: LocalHub, tmp_path: Path, arguments: tuple[str, ...], told: str):
    (tmp_path / "empty").mkdir()
    code, out, err = run_cli("verify", *(part.format(empty=tmp_path / "empty") for part in arguments), "--json")
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
