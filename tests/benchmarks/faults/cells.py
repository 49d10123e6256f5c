"""One cell of the table: a push in which a request meets a fault, what is on the Hub after it, and a second push."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.utils import _http

import audits
from audits.policy import load_policy
from hf_contrastive.errors import HubError
from hf_contrastive.history.recording import or_warn, record_audit, record_push
from hf_contrastive.release.local_hub import LocalHub
from hf_contrastive.release.plan import PushPlan, contents
from hf_contrastive.release.preparing import prepare
from hf_contrastive.release.report_folder import RECEIPT, keep_receipt
from hf_contrastive.release.sending import faults, traffic
from hf_contrastive.release.sending.hub import PushReceipt, push_plan
from model_cards.evidence import Evidence
from tests.benchmarks.faults.places import Place
from tests.fault_proxy import Fault, FaultProxy

TITLE = "Add model, card and evidence"
_WORDS = "river stone amber cloud field garden violin copper window harbor meadow lantern forest canyon".split()  # noqa: SIM905
_SILENCE = 1.0
_NOT = ("nothing was published", "nothing was changed")
_UNKNOWN = "is not known"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A push that has passed the gate."""

    plan: PushPlan
    evidence: Evidence
    sources: Mapping[str, Path | bytes]


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one request and one fault.

    Attributes:
        told: what the push ended with: the tag, "no tag", "not published" or "not known".
        there: whether the commit was on the branch then.
        again: the same after the push was repeated.
        bad: what must not be; nothing else may stand in the table.
        message: of the error, if there was one.
    """

    told: str
    there: bool
    again: str
    bad: tuple[str, ...]
    message: str = ""


class Clock:
    """Stands in for :mod:`time`: a wait ends at once, and the clock goes on by it."""

    def __init__(self) -> None:
        self.waited = 0.0

    def sleep(self, seconds: float) -> None:
        self.waited += seconds

    def monotonic(self) -> float:
        return time.monotonic() + self.waited


@contextmanager
def short_waits(silence: float = _SILENCE) -> Iterator[Clock]:
    """Make waits of huggingface_hub and ours end at once, and silence soon."""
    clock = Clock()
    before = _http.time, faults.time, traffic.SILENCE_SECONDS
    _http.time = faults.time = clock  # type: ignore[assignment]
    traffic.SILENCE_SECONDS = silence
    try:
        yield clock
    finally:
        _http.time, faults.time, traffic.SILENCE_SECONDS = before  # type: ignore[assignment]


def model_folder(folder: Path, *, weights: bytes = b"new!") -> Path:
    """Write a model that the gate lets through."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "tokenizer.json").write_text('{"version": "1.0"}')
    head = json.dumps({"w": {"dtype": "U8", "shape": [len(weights)], "data_offsets": [0, len(weights)]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + weights)
    return folder


def old_version(folder: Path) -> Path:
    """Write what an earlier version left in a repository, and what somebody else put beside it."""
    model_folder(folder, weights=b"old")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("old")
    (folder / "pytorch_model.bin").write_bytes(b"stale")
    (folder / "notes.txt").write_text("somebody's")
    return folder


def audited(folder: Path) -> Evidence:
    """Return the evidence of an audit of 40 pairs under MIT."""
    rows = []
    for number in range(40):
        words = [_WORDS[(number * 7 + step * (2 + number % 5)) % len(_WORDS)] for step in range(9)]
        positive = f"it stands near the {' and '.join(words[2:])} of house {number * 7}"
        rows.append({"anchor": f"where is the {words[0]} {words[1]} {number}", "positive": positive, "license": "MIT"})
    data = folder / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = audits.audit(str(data))
    return Evidence(
        model_name="model", repo_id="local/model", license="mit", audit=report, versions=report.versions,
        created_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def prepared(folder: Path, *, weights: bytes = b"new!") -> tuple[Prepared, Prepared]:
    """Return a push and the same push at another time: other documents, the same content."""
    model = model_folder(folder / "model", weights=weights)
    evidence = audited(folder)
    later = replace(evidence, created_at="2026-01-02T00:00:00+00:00")
    return _prepared(model, evidence), _prepared(model, later)


def _prepared(model: Path, evidence: Evidence) -> Prepared:
    plan, evidence, rendered = prepare(model, evidence, load_policy("standard"), reviewed_by="Ada", reason="tests")
    return Prepared(plan, evidence, contents(model, rendered, plan))


def push_prepared(push: Prepared, api: HfApi, repo_id: str, folder: Path) -> PushReceipt:
    """Do what :func:`hf_contrastive.release.publish.publish` does after the gate; it is the gate that takes time."""
    evidence, plan, history = push.evidence, replace(push.plan, repo_id=repo_id), folder / "history.jsonl"
    if evidence.audit is None or evidence.verdict is None or evidence.policy is None:
        raise SystemExit("There is no audit to record.")
    entries = or_warn(record_audit, evidence.audit, evidence.verdict, evidence.policy, path=history)
    head = str(entries[-1].head) if entries else ""
    receipt = push_plan(plan, push.sources, api=api, commit_message=TITLE, history_head=head)
    entry = or_warn(record_push, evidence, receipt, path=history)
    receipt = replace(receipt, history_head=str(entry.head)) if entry is not None else receipt
    keep_receipt(receipt, folder / "report")
    return receipt


class Bench:
    """A Hub on which every cell gets a repository of its own.

    Attributes:
        hub: the Hub.
        pushes: a push and its repetition.
        folder: where reports and histories go.
    """

    def __init__(self, hub: LocalHub, pushes: tuple[Prepared, Prepared], folder: Path) -> None:
        self.hub, self.pushes, self.folder, self._made = hub, pushes, folder, 0
        self._old = old_version(folder / "old")

    def requests(self, situation: str) -> list[tuple[str, str]]:
        """Return the requests of a push that meets no fault."""
        place = self._place(situation)
        with FaultProxy(self.hub.endpoint) as proxy:
            outcome = self._push(place, self.pushes[0], proxy.address)
            if not isinstance(outcome, PushReceipt) or outcome.tag == "":
                msg = f"The push without a fault failed: {outcome}"
                raise SystemExit(msg)
            return list(proxy.asked)

    def cell(self, situation: str, at: tuple[str, str, int], fault: Fault) -> Cell:
        """Push once with ``fault`` at a request and once more without, and look at the Hub after each.

        Args:
            situation: one of :data:`SITUATIONS`.
            at: method and pattern of the request, and which of those.
            fault: what happens to it.
        """
        place = self._place(situation)
        with FaultProxy(self.hub.endpoint, fault=fault, at=at, meddle=place.meddle) as proxy, short_waits():
            outcome = self._push(place, self.pushes[0], proxy.address)
            leaked = [told for told in proxy.strayed if b"authorization" in told.lower()]
        plans = [push.plan for push in self.pushes]
        bad = [*place.problems(plans), *_truth(outcome, place, plans)]
        bad += ["the token went elsewhere"] * bool(leaked) + ["the fault was never met"] * (not proxy.begun)
        there = bool(place.ours(plans))
        again = self._push(place, self.pushes[1], self.hub.endpoint)
        bad += [f"again: {problem}" for problem in (*place.problems(plans), *place.unfinished(again, plans))]
        message = "" if isinstance(outcome, PushReceipt) else str(outcome)
        return Cell(_told(outcome), there, _told(again), tuple(bad), message)

    def _push(self, place: Place, push: Prepared, endpoint: str) -> PushReceipt | Exception:
        try:
            return push_prepared(push, HfApi(endpoint=endpoint, token=self.hub.token), place.repo_id, place.folder)
        except Exception as error:  # noqa: BLE001  (any other than HubError is what is looked for)
            return error

    def _place(self, situation: str) -> Place:
        storage, self._made = self.hub._state.storage, self._made + 1
        repo_id = f"local/m{self._made}"
        for item in self.pushes[0].plan.files:
            # what other cells have uploaded must not spare this one the upload
            storage.objects.path(item.sha256).unlink(missing_ok=True)
        if situation == "next version":
            self.hub.seed(repo_id, self._old, message="Old version")
            storage.repository("model", repo_id).create_ref("tag", "v1", "main")
        folder = self.folder / f"{self._made}"
        folder.mkdir()
        return Place(storage, repo_id, folder, situation)


def _truth(outcome: PushReceipt | Exception, place: Place, plans: Sequence[PushPlan]) -> Iterator[str]:
    """Yield in what the push told something that is not so."""
    there = {commit.id for commit in place.ours(plans)}
    repository = place.repository
    tags = repository.refs("tag") if repository else {}
    if isinstance(outcome, PushReceipt):
        if outcome.commit not in there:
            yield "a receipt for a commit that is not there"
        if outcome.tag and tags.get(outcome.tag) != outcome.commit:
            yield "a receipt with a tag that is not there"
        if json.loads((place.report / RECEIPT).read_text())["commit"] != outcome.commit:
            yield "the receipt was not kept"
        return
    if not isinstance(outcome, HubError):
        yield f"{type(outcome).__name__}: {outcome}"
        return
    message = str(outcome)
    claims = [claim for claim in (*_NOT, _UNKNOWN) if claim in message.lower()]
    if "\n" in message or not message.rstrip().endswith("."):
        yield f"no paragraph: {message!r}"
    if not claims:
        yield f"it does not say whether anything was published: {message}"
    if there and any(claim in _NOT for claim in claims):
        yield f"it denies a commit that is there: {message}"


def _told(outcome: PushReceipt | Exception) -> str:
    if isinstance(outcome, PushReceipt):
        return outcome.tag or "no tag"
    message = str(outcome).lower()
    if "was not published" in message or any(claim in message for claim in _NOT):
        return "not published"
    return "not known" if _UNKNOWN in message else "failed"
