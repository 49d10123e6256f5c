"""The local Hub's pages for reviewers: versions, what changed between them, signatures, and what is broken."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from audits.findings import Measurement
from hf_contrastive.release import signatures
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.local_hub.releases import going_back
from hf_contrastive.release.local_hub.trees import Commit, Entry
from hf_contrastive.release.plan import SIGNATURE, PlannedFile
from hf_contrastive.release.signing import Signer
from hf_contrastive.release.verification import verify
from hf_contrastive.release.verification.items import result_of
from model_cards.documents import evidence_json
from model_cards.evidence import Evidence
from model_cards.render import render
from tests.browser import CHROMIUM, Browser
from tests.evidence_samples import audit_of, evidence_of, ref

REPO = "local/m"
SIGNER = Signer(ec.generate_private_key(ec.SECP256R1()))


def ask(hub: LocalHub, target: str, *, password: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*urlsplit(hub.endpoint).netloc.split(":"), timeout=10)
    headers = {"Accept": "text/html"}
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8")
    finally:
        connection.close()


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]).split())


def row(page: str, name: str) -> str:
    """The words of the row of one version."""
    table = page.partition("<h2>Versions</h2>")[2].partition("</table>")[0]
    found = re.search(rf'<tr role="row"><th scope="row" role="rowheader"><a href="[^"]*">{name}</a>.*?</tr>', table)
    assert found is not None, name
    return words("</style>" + found[0])


def measured(evidence: Evidence, value: float) -> Evidence:
    after = Measurement(name="ndcg@10", value=value, unit="score", interval=(value - 0.01, value + 0.01))
    evaluation = evidence.evaluations[0]
    metrics = (replace(evaluation.metrics[0], after=after),)
    return replace(evidence, evaluations=(replace(evaluation, metrics=metrics),))


def first() -> Evidence:
    return measured(replace(evidence_of(), repo_id=REPO), 0.65)


def second() -> Evidence:
    evidence = first()
    audit = audit_of((ref("train", 24000, "new"), ref("test", 3100)), 40, 7)
    verdict = replace(evidence.verdict, decision="review", report_digest=audit.content_digest)
    return measured(replace(evidence, audit=audit, verdict=verdict, license="mit", signing_key=SIGNER.key), 0.55)


def publish(api: HfApi, evidence: Evidence, tag: str, *, signed: bool = False, **more: bytes) -> str:
    files = {"evidence.json": evidence_json.render(evidence).encode(), "report.html": b"<!doctype html><p>r", **more}
    files["model.safetensors"] = tag.encode() * 500
    if signed:
        planned = [PlannedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
                   for path, content in files.items()]  # fmt: skip
        files[SIGNATURE] = SIGNER.sign(planned, REPO)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path, content) for path, content in files.items()
    ]
    if not signed and SIGNATURE in api.list_repo_files(REPO):
        operations.append(CommitOperationDelete(SIGNATURE))
    commit = api.create_commit(REPO, operations, commit_message=f"Release {tag}").oid
    api.create_tag(REPO, tag=tag, revision=commit)
    return str(commit)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    with serve(tmp_path_factory.mktemp("releases") / "hub", read_token="reads") as running:
        api = HfApi(endpoint=running.endpoint, token=running.token)
        api.create_repo(REPO)
        card = render(first(), "card").encode()
        publish(api, first(), "v1", **{"README.md": card})
        publish(api, second(), "v2", signed=True, **{"README.md": card})
        publish(api, first(), "v10")
        api.create_tag(REPO, tag="stable", revision="v1")
        upload = {"repo_id": REPO, "path_or_fileobj": b"x" * 9}
        api.upload_file(path_in_repo="note.txt", create_pr=True, commit_message="A note", **upload)
        yield running


def test_versions_are_compared_at_a_glance(hub: LocalHub):
    page = ask(hub, f"/{REPO}/commits/main")[1]
    order = re.findall(r"/version/(v\d+)\">v", page)
    assert order == ["v10", "v2", "v1"]
    assert "pass by waiver ndcg@10 0.6500 [0.6400, 0.6600] on test apache-2.0 first version not signed" in row(
        page, "v1"
    )
    assert first().digest.removeprefix("sha256:")[:12] in row(page, "v1")
    told = row(page, "v2")
    assert "review ndcg@10 0.5500 [0.5400, 0.5600] on test mit" in told
    assert re.search(r"[1-9]\d* worse, .* since v1 holds", told)
    # the third brings back the first evidence: told beside what it changes, and in the history
    assert "back to v1" in row(page, "v10")
    assert re.search(r"[1-9]\d* better, .* since v2", row(page, "v10"))
    history = words("</style>" + page.partition("<h2>History of main</h2>")[2])
    assert "Release v10 v10 back to v1 report" in history
    assert "Release v2 v2 report" in history
    others = words("</style>" + page.partition("Branches and other tags</h2>")[2].partition("</table>")[0])
    assert "main branch Release v10" in others
    assert "stable tag Release v1" in others


def test_one_version_is_told_with_what_changed_since_another(hub: LocalHub):
    status, page = ask(hub, f"/{REPO}/version/v2")
    assert status == 200
    told = words(page)
    for said in (
        "Review needed", "License mit", second().digest,
        "holds all 4 files are as they were signed, and none was added; it fits its list of files",
        "What changed since v1", "License that it is published under release changed apache-2.0 mit",
        "DUP002 Near duplicates in train/positive checks worse 12 rows, 0.05 % of 24,000 40 rows",
    ):  # fmt: skip
        assert said in told, said
    assert "This is the first version." in words(ask(hub, f"/{REPO}/version/v1")[1])
    back = words(ask(hub, f"/{REPO}/version/v1?since=v2")[1])
    assert "What changed since v2" in back
    assert "DUP002 Near duplicates in train/positive better 40 rows" in back
    assert "Nothing but times of making and of running." in words(ask(hub, f"/{REPO}/version/v10?since=v1")[1])
    assert ask(hub, f"/{REPO}/version/v3")[0] == 404
    assert ask(hub, f"/{REPO}/version/v1?since=v3")[0] == 404
    card = words(ask(hub, f"/{REPO}")[1])
    assert "Decision pass by waiver" in card
    assert "Quality ndcg@10 0.6500 [0.6400, 0.6600] on test" in card


@pytest.fixture
def other(hub: LocalHub) -> Iterator[HfApi]:
    """A client of the same Hub; what it publishes as local/other is gone afterwards."""
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    api.create_repo("local/other")
    yield api
    api.delete_repo("local/other")


def commit(api: HfApi, tag: str, **files: bytes) -> None:
    operations = [CommitOperationAdd(path.replace("__", "."), content) for path, content in files.items()]
    api.create_commit("local/other", operations, commit_message=tag)
    api.create_tag("local/other", tag=tag)


def test_evidence_that_does_not_hold_is_told_and_never_shown_as_a_decision(hub: LocalHub, other: HfApi):
    good = evidence_json.render(first())
    hostile = evidence_json.render(replace(first(), model_name="<script>alert(1)</script>", license="<img src=x>"))
    broken = {
        "v1": good.replace('"decision": "pass"', '"decision": "block"').encode(),
        "v2": b"{",
        "v3": b"\xff\xfe",
        "v4": b"[" * 100_000,
        "v5": b'{"digest": 1, "content_digest": 2, "digests": {}, "evidence": {"license": "<script>"}}',
    }
    for tag, content in broken.items():
        commit(other, tag, evidence__json=content)
    commit(other, "v6", evidence__json=hostile.encode())
    page = ask(hub, "/local/other/commits/main")[1]
    for tag in broken:
        assert "evidence that does not hold not measured – " in row(page, tag), tag
        assert "can not be told" in row(page, tag) or tag == "v1"
        status, told = ask(hub, f"/local/other/version/{tag}")
        assert status == 200
        assert "Evidence that does not hold" in told
        assert "pass" not in words(told).partition("Open")[0]
    for target in ("/local/other/commits/main", "/local/other/version/v6", "/local/other", "/local/other/version/v5"):
        told = ask(hub, target)[1]
        assert "<script" not in told
        assert "<img" not in told
    assert "&lt;img src=x&gt;" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model__safetensors": b"other"}, "changed since it was signed: model.safetensors"),
        ({"added__txt": b"x"}, "added since it was signed: added.txt"),
        ({"model__sig": b"{}"}, "model.sig "),
        ({"evidence__json": evidence_json.render(first()).encode()}, "changed since it was signed: evidence.json"),
    ],
)
def test_a_signature_that_does_not_fit_is_broken(hub: LocalHub, other: HfApi, change: dict[str, bytes], said: str):
    files = {"evidence.json": evidence_json.render(second()).encode(), "model.safetensors": b"weights"}
    planned = [PlannedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
               for path, content in files.items()]  # fmt: skip
    signed = {path.replace(".", "__"): content for path, content in files.items()}
    commit(other, "v1", **signed, model__sig=SIGNER.sign(planned, "m"))
    assert "holds" in row(ask(hub, "/local/other/commits/main")[1], "v1")
    commit(other, "v2", **change)
    page = ask(hub, "/local/other/commits/main")[1]
    assert "broken" in row(page, "v2")
    assert said in words(ask(hub, "/local/other/version/v2")[1])
    other.delete_file("model.sig", "local/other")
    other.create_tag("local/other", tag="v3")
    told = row(ask(hub, "/local/other/commits/main")[1], "v3")
    assert ("broken" in told) == ("evidence__json" not in change)


@pytest.mark.parametrize(
    ("ignored", "result", "said"),
    [
        ((), "holds", "all 3 files are as they were signed"),
        (("notes",), "incomplete", "it says nothing about notes/x.txt (it is told to ignore notes)"),
        (("model.safetensors",), "broken", "it leaves out what matters: model.safetensors"),
    ],
)
def test_a_signature_says_here_what_verify_says_of_it(
    hub: LocalHub,
    other: HfApi,
    ignored: tuple[str, ...],
    result: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    contents = {
        "evidence.json": evidence_json.render(second()).encode(), "model.safetensors": b"w", "notes/x.txt": b"x",
    }  # fmt: skip
    planned = [PlannedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
               for path, content in contents.items() if not signatures.is_below(path, ignored)]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(signatures, "IGNORED", (*signatures.IGNORED, *ignored))
        contents[SIGNATURE] = SIGNER.sign(planned, "m")
    commit(other, "v1", **{path.replace(".", "__"): content for path, content in contents.items()})
    shown = words(ask(hub, "/local/other/version/v1")[1])
    for path, content in contents.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    items = [item for item in verify(tmp_path).items if item.key in ("signature", "signature.files")]
    assert result_of(items) == result
    assert said in shown
    assert all(
        item.words in shown for item in items if item.status == {"incomplete": "not checked"}.get(result, result)
    )
    assert f" {result} " in row(ask(hub, "/local/other/commits/main")[1], "v1")


def test_who_may_not_read_the_files_is_not_told_what_they_say(hub: LocalHub, other: HfApi):
    commit(other, "v1", evidence__json=evidence_json.render(first()).encode())
    other.update_repo_settings("local/other", gated="auto")
    for target in ("/local/other/commits/main", "/local/other"):
        status, page = ask(hub, target)
        assert status == 200
        assert "0.6500" not in page
        assert "0.6500" in ask(hub, target, password="reads")[1]
    assert ask(hub, "/local/other/version/v1")[0] == 401
    assert ask(hub, "/local/other/version/v1", password="reads")[0] == 200


def test_what_brings_back_an_earlier_evidence_is_found_in_any_history():
    def made(name: str, parent: str | None, evidence: str | None) -> Commit:
        entry = Entry(sha256=evidence or "", size=1, blob_id="", lfs=False)
        files = {"evidence.json": entry} if evidence else {}
        return Commit(id=name, parent=parent, title="", message="", author="", created_at="", files=files)

    names = [("a", None), ("b", "1"), ("c", "1"), ("d", "2"), ("e", None), ("f", "1"), ("g", "2"), ("h", "3")]
    history = [made(name, None, evidence) for name, evidence in reversed(names)]
    # c says the same as b; e takes the evidence away, so that f brings it back
    assert {key: item.id for key, item in going_back(history).items()} == {"f": "b", "g": "d"}
    assert going_back([]) == {}


def test_of_many_versions_the_latest_are_shown_and_the_others_named(hub: LocalHub, other: HfApi):
    for number in range(1, 14):
        commit(other, f"v{number}", evidence__json=evidence_json.render(measured(first(), 0.5 + number / 100)).encode())
    page = ask(hub, "/local/other/commits/main")[1]
    shown = re.findall(r"/version/(v\d+)\">v", page)
    assert shown == [f"v{number}" for number in range(13, 3, -1)]
    # the oldest that is shown is compared with one that is not
    assert "since v3" in row(page, "v4")
    assert 'href="/local/other/commits/main?versions=all">3 older</a>' in page
    every = ask(hub, "/local/other/commits/main?versions=all")[1]
    assert len(re.findall(r"/version/(v\d+)\">v", every)) == 13
    assert "older" not in every.partition("Branches")[0].partition("</style>")[2]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_no_page_keeps_anybody_out(hub: LocalHub, tmp_path: Path, width: int, dark: bool):
    pages = ["/", "/none/none"]
    pages += [f"/{REPO}{end}" for end in (
        "", "/tree/main", "/blob/main/evidence.json", "/blob/main/README.md", "/commits/main", "/version/v2",
        "/version/v1", "/commit/v2", "/discussions", "/discussions/1",
    )]  # fmt: skip
    with Browser(tmp_path) as browser:
        for page in pages:
            browser.open(hub.endpoint + page, width=width, dark=dark)
            assert browser.overflow() == 0, page
            browser.run("document.querySelectorAll('details').forEach(item => item.open = true)")
            assert browser.violations() == [], page
            assert browser.overflow() == 0, page
