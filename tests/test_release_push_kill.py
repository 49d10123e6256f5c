"""A push is killed at every request and at steps on its disk, and so is the Hub; whoever pushes again finishes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hf_contrastive.history.chain import torn_path
from hf_contrastive.release.local_hub import LocalHub, serve
from hf_contrastive.release.local_hub.storage import Storage
from hf_contrastive.release.plan import PushPlan
from hf_contrastive.release.report_folder import RECEIPT
from hf_contrastive.release.sending.hub import PushReceipt
from tests.benchmarks.faults.cells import old_version
from tests.benchmarks.faults.places import SITUATIONS, Place
from tests.benchmarks.faults.pusher import BIG, ROOT, Pusher
from tests.fault_proxy import Asked, Fault, FaultProxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLED = -signal.SIGKILL
LFS = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_USER_AGENT_ORIGIN": "git-lfs-without-xet"}
TOKEN = "secret"
SERVER = """
import sys
from pathlib import Path
from hf_contrastive.release.local_hub import serve
hub = serve(Path(sys.argv[1]), token=sys.argv[2])
print(hub.endpoint, flush=True)
hub.serve_forever()
"""


@pytest.fixture(scope="module")
def pusher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    with Pusher(tmp_path_factory.mktemp("pusher"), **LFS) as process:
        yield process


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with serve(tmp_path / "hub", token=TOKEN) as running:
        yield running


@pytest.fixture
def new_place(hub: LocalHub, tmp_path: Path) -> Callable[[str], Place]:
    """``new_place(situation)`` is a repository of its own, to which nothing of the weights was uploaded."""
    old, made = old_version(tmp_path / "old"), iter(range(1000))

    def make(situation: str) -> Place:
        number = next(made)
        storage, repo_id, folder = hub._state.storage, f"local/m{number}", tmp_path / f"{number}"
        for path in (tmp_path / "hub" / "objects").rglob("*"):
            if path.is_file() and path.stat().st_size >= BIG:
                path.unlink()
        if situation == "next version":
            seeded(hub, repo_id, old)
        folder.mkdir()
        return Place(storage, repo_id, folder, situation)

    return make


def seeded(hub: LocalHub, repo_id: str, old: Path) -> None:
    hub.seed(repo_id, old, message="Old version")
    hub._state.storage.repository("model", repo_id).create_ref("tag", "v1", "main")


def plans(place: Place) -> list[PushPlan]:
    return [PushPlan.from_dict(json.loads(path.read_text())) for path in sorted(place.folder.glob("plan*.json"))]


def receipt(place: Place) -> PushReceipt:
    return PushReceipt.from_dict(json.loads((place.report / RECEIPT).read_text()))


def check_and_finish(pusher: Pusher, hub: LocalHub, place: Place, *, where: str, whole: bool = False) -> None:
    """After a kill nothing is half there, and the next push ends with all that a push makes."""
    assert list(place.problems(plans(place))) == [], where
    pusher.start(hub.endpoint, hub.token, place.repo_id, place.folder, again=True, whole=whole)
    assert pusher.ended() == 0, where
    assert list(place.problems(plans(place))) == [], where
    assert list(place.unfinished(receipt(place), plans(place))) == [], where


class Killer:
    """Kills the process that pushes at one request of a proxy: before it goes to the Hub, or once it was answered."""

    def __init__(self, number: int, *, answered: bool) -> None:
        self._at, self._pid, self._known = (number, answered), 0, threading.Event()

    def aim(self, pid: int) -> None:
        self._pid = pid
        self._known.set()

    def kill(self) -> None:
        assert self._known.wait(20)
        os.kill(self._pid, signal.SIGKILL)

    def __call__(self, number: int, answered: bool) -> None:
        if (number, answered) == self._at:
            self.kill()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_push_is_killed_before_and_after_every_request(
    pusher: Pusher, hub: LocalHub, new_place: Callable[[str], Place], situation: str
):
    place = new_place(situation)
    with FaultProxy(hub.endpoint) as proxy:
        pusher.start(proxy.address, hub.token, place.repo_id, place.folder)
        assert pusher.ended() == 0
        asked = list(proxy.asked)
    assert sum(method == "PUT" for method, _ in asked) == 1
    there = set()
    for number in range(len(asked)):
        for answered in (False, True):
            place, killer = new_place(situation), Killer(number, answered=answered)
            with FaultProxy(hub.endpoint, watch=killer) as proxy:
                killer.aim(pusher.start(proxy.address, hub.token, place.repo_id, place.folder))
                assert pusher.ended() == KILLED
            there.add(bool(place.ours(plans(place))))
            check_and_finish(pusher, hub, place, where=f"{asked[number]}, {'answered' if answered else 'sent'}")
    assert there == {False, True}


@pytest.mark.parametrize("part", ["PUT", "commit"])
def test_a_push_is_killed_in_the_middle_of_what_it_sends(
    pusher: Pusher, hub: LocalHub, new_place: Callable[[str], Place], part: str
):
    place, killer, cut = new_place("next version"), Killer(-1, answered=False), []

    def pass_half(asked: Asked) -> None:
        if asked.method == part or f"/{part}/" in asked.path:
            cut.append(asked.forward(share=0.5))
            killer.kill()
        else:
            asked.client.sendall(asked.forward())

    with FaultProxy(hub.endpoint, fault=Fault("half", pass_half, lasting=True)) as proxy:
        killer.aim(pusher.start(proxy.address, hub.token, place.repo_id, place.folder))
        assert pusher.ended() == KILLED
    assert len(cut) == 1
    assert place.ours(plans(place)) == []
    check_and_finish(pusher, hub, place, where=part)


def test_a_push_is_killed_at_steps_on_its_disk(pusher: Pusher, hub: LocalHub, new_place: Callable[[str], Place]):
    """While reports are written and moved, within a line of the history, and until the receipt stands."""
    for _ in range(2):
        # the first makes folders that later ones find
        place = new_place("next version")
        pusher.start(hub.endpoint, hub.token, place.repo_id, place.folder, whole=True)
        assert pusher.ended() == 0
    steps = json.loads((place.folder / "steps.json").read_text())
    lines = [number for number, step in enumerate(steps) if step == "write"]
    moves = [number for number, step in enumerate(steps) if step.startswith(("replace", "rename"))]
    receipts = [number for number, step in enumerate(steps) if step == f"write {RECEIPT}"]
    lines = [lines[0], lines[-1]]
    # the first document, the reports' move, lines of the history and after them, the receipt and its move
    points = sorted({steps.index("write evidence.json"), *moves, *lines, *(n + 1 for n in lines), *receipts})
    assert len(points) >= 8
    torn = 0
    for number in points:
        place = new_place("next version")
        pusher.start(hub.endpoint, hub.token, place.repo_id, place.folder, whole=True, step=number)
        assert pusher.ended() == KILLED
        published = place.ours(plans(place)) != []
        assert published == (number >= lines[-1]), steps[number]
        check_and_finish(pusher, hub, place, where=f"{number}: {steps[number]}", whole=True)
        torn += torn_path(place.history).exists()
    assert torn == len(lines)


class Server:
    """The Hub as a process that can be killed and started again on the same folder and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER, str(self._folder), TOKEN]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.endpoint = self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.mark.parametrize("answered", [False, True])
def test_the_hub_is_killed_at_every_request(pusher: Pusher, tmp_path: Path, answered: bool):
    folder, old = tmp_path / "hub", old_version(tmp_path / "old")
    with serve(folder, token=TOKEN) as hub:
        seeded(hub, "local/m", old)
    outcomes, number = set(), 0
    while True:
        place_folder = tmp_path / f"{number}"
        place_folder.mkdir()
        repo_id = f"local/m{number}"
        with serve(folder, token=TOKEN) as hub:
            seeded(hub, repo_id, old)
            before = Place(hub._state.storage, repo_id, place_folder, "next version")
        server = Server(folder)

        def kill(at: int, done: bool, last: int = number, running: Server = server) -> None:
            if (at, done) == (last, answered):
                running.kill()

        with FaultProxy(server.endpoint, watch=kill) as proxy:
            pusher.start(proxy.address, TOKEN, repo_id, place_folder)
            code = pusher.ended()
            survived = len(proxy.asked) <= number
        server.kill()
        place = before.reopened(Storage(folder))
        assert list(place.problems(plans(place))) == []
        outcomes.add((code, bool(place.ours(plans(place)))))
        server.start()
        pusher.start(server.endpoint, TOKEN, repo_id, place_folder, again=True)
        assert pusher.ended() == 0
        server.kill()
        place = before.reopened(Storage(folder))
        assert list(place.problems(plans(place))) == []
        assert list(place.unfinished(receipt(place), plans(place))) == []
        if survived:
            break
        number += 1
    # it failed before the commit, failed after it or ended without a tag, and went well
    assert outcomes >= {(1, False), (0, True)}
    assert number >= 10
