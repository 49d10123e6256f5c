"""A study runs, goes on where it was interrupted, stops in time, and refuses another study's folder."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from hf_contrastive.errors import ConfigurationError, EvaluationError, ModelError
from hf_contrastive.study.arms import ARMS, Arm, Fitted, Task, chosen_arms
from hf_contrastive.study.cells import CellStore
from hf_contrastive.study.records import Cell, Cost, StudyReport, StudySetup
from hf_contrastive.study.run import Progress, run_study
from tests.study_samples import SMALL, labelled_data, labelled_rows

Cli = Callable[..., tuple[int, str, str]]


class Counted(Arm):
    """Answers at once, and counts how often it was asked."""

    def __init__(self, code: str = "X1", *, stops_at: int | None = None) -> None:
        super().__init__(code, "counted", "the share of each class")
        self.asked: list[tuple[int, int]] = []
        self.stops_at = stops_at

    def fit(self, task: Task) -> Fitted:
        if len(self.asked) == self.stops_at:
            raise KeyboardInterrupt
        self.asked.append((len(task.rows.codes), task.seed))
        shares = np.bincount(task.rows.codes, minlength=task.classes) / len(task.rows.codes)
        return Fitted(predict=lambda texts: np.tile(shares, (len(texts), 1)), cost=Cost(seconds=0.0))


@pytest.fixture
def study(tiny_bert: Path, tmp_path: Path) -> Callable[..., StudyReport]:
    def run(*arms: str | Arm, out: str = "out", data: Any = None, **changes: Any) -> StudyReport:
        return run_study(
            data if data is not None else labelled_data(),
            str(tiny_bert),
            out=tmp_path / out,
            settings=changes.pop("settings", SMALL),
            arms=arms or None,
            **changes,
        )

    return run


def test_the_whole_path_writes_a_report_that_can_be_read_again(study: Callable[..., StudyReport], tmp_path: Path):
    told: list[Progress] = []
    arms = ("A0", "A2", "A4", "A5")
    settings = replace(SMALL, seeds=(3,))
    report = study(*arms, pair_column="partner", settings=settings, on_progress=told.append)
    assert len(report.cells) == 4 * 2
    assert [item.done for item in told] == list(range(8))
    assert {item.total for item in told} == {8}
    assert told[0].left is None
    assert told[1].left is not None
    assert {(item.name, item.seed) for item in report.pretrainings} == {
        ("contrastive", 3),
        ("masked language modelling", 3),
    }
    assert not report.skipped
    out = tmp_path / "out"
    kept = StudyReport.from_dict(json.loads((out / "study.json").read_text(encoding="utf-8")))
    assert kept == report
    table = pq.read_table(out / "cells.parquet").to_pydict()
    assert sorted(table["arm"]) == sorted(cell.arm for cell in report.cells)
    assert (out / "study.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    # weights take space, and are of no use once all cells are there
    assert not list(out.rglob("*.safetensors"))
    assert not list(out.glob(".*"))
    labels = {cell.budget: cell.labels for cell in report.cells}
    assert labels == {2: 8, 4: 16}


def test_an_interrupted_study_goes_on_with_the_cells_that_are_missing(
    study: Callable[..., StudyReport], tmp_path: Path
):
    first = Counted(stops_at=3)
    with pytest.raises(KeyboardInterrupt):
        study(first)
    assert not list((tmp_path / "out").glob(".*")), "nothing half-written stays"
    second = Counted()
    report = study(second)
    assert second.asked == [(16, 1)]
    assert first.asked == [(8, 0), (16, 0), (8, 1)]
    assert len(report.cells) == 4
    third = Counted()
    assert study(third).cells == report.cells
    assert third.asked == []


def test_a_torn_cell_is_run_again(study: Callable[..., StudyReport], tmp_path: Path):
    report = study(Counted())
    path = tmp_path / "out" / "cells" / "X1-4-1.npz"
    path.write_bytes(path.read_bytes()[:100])
    again = Counted()
    assert len(study(again).cells) == len(report.cells)
    assert again.asked == [(16, 1)]


def test_more_seeds_budgets_and_arms_add_to_what_is_there(study: Callable[..., StudyReport]):
    study(Counted())
    more, other = Counted(), Counted("X2")
    report = study(more, other, settings=replace(SMALL, seeds=(0, 1, 2), budgets=(2, 4, None)))
    assert sorted(more.asked) == [(8, 2), (16, 2), (40, 0), (40, 1), (40, 2)]
    assert len(other.asked) == 9
    assert len(report.cells) == 18


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"settings": replace(SMALL, test_rows=20)}, "test_rows was 24 and is 20"),
        ({"settings": replace(SMALL, rate=1e-3)}, "rate was '5e-05' and is '0.001'"),
        ({"data": labelled_data(train=44)}, "dataset was"),
        ({"pair_column": "partner"}, "pair_column was '' and is 'partner'"),
        # chosen after results were seen, it could be what makes a claim
        ({"settings": replace(SMALL, target_share=0.5)}, "target_share was 0.95 and is 0.5"),
    ],
)
def test_the_folder_of_another_study_is_refused_and_left_alone(
    study: Callable[..., StudyReport], tmp_path: Path, changes: dict[str, Any], told: str
):
    study(Counted())
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(EvaluationError, match=f"holds a study of something else.*{told}"):
        study(Counted(), **changes)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_folder_with_other_files_is_refused(study: Callable[..., StudyReport], tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(EvaluationError, match="holds files and no study"):
        study(Counted())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    (tmp_path / "out" / "thesis.tex").unlink()
    (tmp_path / "out" / "setup.json").write_text("{")
    with pytest.raises(EvaluationError, match="can not be read as the setup of a study"):
        study(Counted())
    (tmp_path / "out" / "setup.json").write_text("[]")
    with pytest.raises(EvaluationError, match="can not be read as the setup of a study"):
        study(Counted())


def setup_of(folder: Path) -> StudySetup:
    return StudySetup.from_dict(json.loads((folder / "setup.json").read_text(encoding="utf-8")))


def test_what_is_added_after_results_were_seen_is_told_for_good(study: Callable[..., StudyReport], tmp_path: Path):
    def notes(**changes: Any) -> list[str]:
        report = study(Counted(), settings=replace(SMALL, **changes))
        assert setup_of(tmp_path / "out").notes == report.setup.notes
        return [note for note in report.setup.notes if "after results" in note or "left out of this report" in note]

    seeds = "seeds 3, 4 were added after results were seen"
    budgets = "budgets 3, all were added after results were seen"
    assert notes(seeds=(0,), budgets=(2,)) == []
    assert notes(seeds=(0, 3, 4), budgets=(2,)) == [seeds]
    assert notes(seeds=(0, 3, 4), budgets=(2, 3, None)) == [seeds, budgets]
    # what was run at first is not new when it comes back, and is not hidden in silence when it is dropped
    left = "seed 0 was left out of this report, though run"
    assert notes(seeds=(3, 4), budgets=(2, 3, None)) == [seeds, budgets, left]
    assert notes(seeds=(0, 3, 4), budgets=(2, 3, None)) == [seeds, budgets]


def test_arms_that_are_added_or_left_out_after_results_were_seen_are_told(study: Callable[..., StudyReport]):
    def notes(*codes: str) -> list[str]:
        found = study(*map(Counted, codes)).setup.notes
        return [note for note in found if "after results" in note or "left out of this report" in note]

    assert notes("X1") == []
    added = "arms X2, X3 were added after results were seen"
    assert notes("X1", "X3", "X2") == [added]
    assert notes("X3") == [added, "arms X1, X2 were left out of this report, though run"]
    # nothing is told twice, whatever else is asked for in between
    assert notes("X1", "X2", "X3") == [added]


def test_what_was_planned_and_not_run_in_time_is_no_news_later(study: Callable[..., StudyReport]):
    def notes(*arms: Arm) -> list[str]:
        found = study(*arms).setup.notes
        return [note for note in found if "after results" in note or "left out of this report" in note]

    with pytest.raises(KeyboardInterrupt):
        study(Counted("X1"), Counted("X2", stops_at=0))
    assert notes(Counted("X1")) == []
    assert notes(Counted("X1"), Counted("X2")) == []
    # and what was asked for in vain leaves no trace
    with pytest.raises(KeyboardInterrupt):
        study(Counted("X1"), Counted("X2"), Counted("X3", stops_at=0))
    assert notes(Counted("X1"), Counted("X2")) == []


def test_a_budget_for_which_other_rows_would_be_drawn_is_another_study(study: Callable[..., StudyReport]):
    study(Counted(), settings=replace(SMALL, train_rows=24))
    # six rows a class are drawn, enough for five
    study(Counted(), settings=replace(SMALL, train_rows=24, budgets=(2, 4, 5)))
    rows = labelled_rows(40, seed=1)
    keep = [place for place, name in enumerate(rows["label"]) if name != "food" or place < 24]
    parts = labelled_data()
    parts["train"] = datasets.Dataset.from_dict(rows).select(keep)
    study(Counted(), out="uneven", data=parts, settings=replace(SMALL, train_rows=24))
    with pytest.raises(EvaluationError, match=r"labelled rows was 'sha256:[0-9a-f]{12}' and is 'sha256:"):
        study(Counted(), out="uneven", data=parts, settings=replace(SMALL, train_rows=24, budgets=(2, 4, 6)))


def test_what_is_added_before_there_are_results_is_no_news(study: Callable[..., StudyReport]):
    with pytest.raises(KeyboardInterrupt):
        study(Counted(stops_at=0))
    report = study(Counted(), settings=replace(SMALL, seeds=(0, 1, 2)))
    assert not [note for note in report.setup.notes if "after results" in note]


def test_one_process_at_a_time_works_in_a_folder(study: Callable[..., StudyReport], tmp_path: Path):
    class Nested(Counted):
        def fit(self, task: Task) -> Fitted:
            if not self.asked:
                with pytest.raises(EvaluationError, match=r"Another process works in .*out\. Wait until"):
                    study(Counted())
            assert task.folder.is_dir(), "what the first one needs is still there"
            return super().fit(task)

    nested = Nested()
    assert len(study(nested).cells) == 4
    # nobody has to remove a lock
    assert len(study(nested, Counted("X2")).cells) == 8


def test_what_a_killed_study_left_is_cleared_by_the_next_one(study: Callable[..., StudyReport], tmp_path: Path):
    left: list[Path] = []

    class Killed(Counted):
        def fit(self, task: Task) -> Fitted:
            # copies of what is there while cells and pretrainings are made
            folder = task.folder.parent
            shutil.copytree(task.folder, copy := task.folder.with_name(task.folder.name + "x"))
            (copy / "weights").write_text("half")
            (folder / "pretrained" / ".incomplete-1").mkdir(parents=True, exist_ok=True)
            left.extend((copy, folder / "pretrained" / ".incomplete-1"))
            for name in ("setup.tmp", "cells/X1-2-0.tmp"):
                (folder / name).write_text("half")
                left.append(folder / name)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(Killed())
    assert len(left) == 4
    assert all(path.exists() for path in left)
    # a call that is refused clears nothing
    with pytest.raises(EvaluationError, match="something else"):
        study(Counted(), settings=replace(SMALL, rate=1e-3))
    assert all(path.exists() for path in left)
    study(Counted())
    assert not any(path.exists() for path in left)


def test_a_study_killed_before_it_began_does_not_block_its_folder(study: Callable[..., StudyReport], tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "study.lock").touch()
    (tmp_path / "out" / "setup.tmp").write_text("{")
    assert study(Counted()).cells


def test_a_file_system_without_locks_does_not_stop_a_study(
    study: Callable[..., StudyReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_locks(path: Path, *, seconds: float) -> Any:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("hf_contrastive.study.cells.locked", no_locks)
    study(Counted())
    (others := tmp_path / "out" / ".scratch-of-another").mkdir()
    assert study(Counted()).cells
    assert others.is_dir(), "it may be in use"


def test_time_ends_between_seeds_and_what_was_not_run_is_told(
    study: Callable[..., StudyReport], monkeypatch: pytest.MonkeyPatch
):
    clock = {"now": 0.0}
    monkeypatch.setattr("hf_contrastive.study.run.time.perf_counter", lambda: clock["now"])

    class Slow(Counted):
        def fit(self, task: Task) -> Fitted:
            clock["now"] += 10
            return super().fit(task)

    slow = Slow()
    # a seed takes 20 seconds: the third has not enough
    report = study(slow, settings=replace(SMALL, seeds=(0, 1, 2), time_limit=55.0))
    assert slow.asked == [(8, 0), (16, 0), (8, 1), (16, 1)]
    assert {(item.arm, item.budget, item.seeds) for item in report.skipped} == {("X1", 2, (2,)), ("X1", 4, (2,))}
    assert all("time limit" in item.reason for item in report.skipped)
    assert any("not run" in sentence or "time" in sentence for sentence in report.conclusion)
    study(slow, settings=replace(SMALL, seeds=(0, 1, 2)))
    assert slow.asked[4:] == [(8, 2), (16, 2)]


def test_budgets_beyond_the_data_are_told_and_the_others_are_run(study: Callable[..., StudyReport]):
    report = study(Counted(), settings=replace(SMALL, budgets=(2, 11, None)))
    assert {cell.budget for cell in report.cells} == {2, None}
    (beyond,) = report.skipped
    assert (beyond.arm, beyond.budget, beyond.seeds) == ("X1", 11, (0, 1))
    assert "10 rows to learn from" in beyond.reason


def test_a_model_that_gives_no_numbers_is_an_error_and_no_cell(study: Callable[..., StudyReport], tmp_path: Path):
    class Broken(Counted):
        def fit(self, task: Task) -> Fitted:
            return Fitted(predict=lambda texts: np.full((len(texts), task.classes), np.nan), cost=Cost(seconds=0.0))

    with pytest.raises(EvaluationError):
        study(Broken())
    assert not list((tmp_path / "out" / "cells").iterdir())


def test_a_model_that_can_not_be_read_and_unknown_names_are_clear_errors(tmp_path: Path, tiny_bert: Path):
    with pytest.raises(ModelError):
        run_study(labelled_data(), str(tmp_path / "nothing"), out=tmp_path / "out", settings=SMALL)
    with pytest.raises(ConfigurationError, match="`profile` must be one of standard, quick"):
        run_study(labelled_data(), str(tiny_bert), out=tmp_path / "out", profile="fast")
    with pytest.raises(TypeError, match="unexpected keyword argument 'budget'"):
        run_study(labelled_data(), str(tiny_bert), out=tmp_path / "out", budget=(2,))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arms", "told"),
    [((Counted("x/y"),), "letters, digits and _"), ((Counted("X1"), Counted("x1")), "twice"), ((), "no code")],
)
def test_codes_of_arms_that_name_no_file_of_their_own_are_refused(arms: tuple[Arm, ...], told: str):
    with pytest.raises(ConfigurationError, match=told):
        chosen_arms(arms)


def test_a_cell_of_another_shape_is_none(tmp_path: Path):
    store = CellStore(tmp_path)
    (tmp_path / "cells").mkdir()
    cell = Cell(arm="A0", budget=None, seed=0, labels=4, accuracy=0.5, macro_f1=0.5, nll=1.0, cost=Cost(seconds=1.0))
    store.add(cell, np.full((6, 2), 0.5))
    found = store.get(("A0", None, 0), (6, 2))
    assert found is not None
    assert found[0] == cell
    assert store.get(("A0", None, 0), (7, 2)) is None
    shutil.copy(tmp_path / "cells" / "A0-all-0.npz", tmp_path / "cells" / "A0-all-1.npz")
    assert store.get(("A0", None, 1), (6, 2)) is None


def test_the_command_runs_a_study_and_prints_one_document(run_cli: Cli, tiny_bert: Path, tmp_path: Path):
    data = tmp_path / "rows.jsonl"
    datasets.Dataset.from_dict(labelled_rows(90, seed=1)).to_json(data)
    given = ["--data", str(data), "--model", str(tiny_bert), "--out", str(tmp_path / "out"), "--max-length", "16"]
    code, out, err = run_cli("study", *given, "--arms", "A0,A1", "--budgets", "2,4", "--seeds", "2", "--json")
    assert code == 0, err
    report = StudyReport.from_dict(json.loads(out))
    assert {(cell.arm, cell.budget, cell.seed) for cell in report.cells} == {
        (arm, budget, seed) for arm in ("A0", "A1") for budget in (2, 4) for seed in (0, 1)
    }
    assert "study.html" in err
    code, out, err = run_cli("study", *given, "--arms", "A0,A1", "--budgets", "2,4", "--seeds", "2")
    assert code == 0
    assert out == ""
    assert " ".join(report.conclusion[0].split())[:40] in " ".join(err.split())


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--budgets", "2,many", "whole numbers and all"),
        ("--seeds", "x", "a number of seeds"),
        ("--time-limit", "soon", "an example is 15m"),
        ("--arms", "A99", "known are A0"),
        ("--arms", ",", "`arms` holds no code"),
        ("--budgets", ",", "at least one, got nothing"),
        ("--seeds", "-1,", "at least 0, got -1"),
        ("--seeds", "-1", "at least 1 where it says how many, got -1"),
        ("--seeds", "0", "at least 1 where it says how many, got 0"),
        ("--seeds", "", "at least one, got nothing"),
        ("--max-length", "0", "`max_length` must be a whole number, at least 1"),
        ("--budgets", "1", "at least 2"),
        ("--target-share", "2", "at most 1"),
        ("--text-column", "words", "no column 'words'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_paragraph(
    run_cli: Cli, tiny_bert: Path, tmp_path: Path, option: str, value: str, told: str
):
    data = tmp_path / "rows.jsonl"
    datasets.Dataset.from_dict(labelled_rows(20, seed=1)).to_json(data)
    code, out, err = run_cli(
        "study", "--data", str(data), "--model", str(tiny_bert), "--out", str(tmp_path / "out"), option, value
    )
    assert code == 2
    assert out == ""
    assert told in " ".join(err.split())
    assert "Traceback" not in err


def test_every_arm_of_the_standard_study_is_known():
    assert set(SMALL.arms) <= set(ARMS)


def test_an_arm_that_fails_is_told_and_leaves_the_others(study: Callable[..., StudyReport], tmp_path: Path):
    class Failing(Counted):
        def fit(self, task: Task) -> Fitted:
            if task.seed == 1:
                msg = "no\nluck"
                raise RuntimeError(msg)
            return super().fit(task)

    report = study(Counted("X2"), Failing())
    assert {(cell.arm, cell.seed) for cell in report.cells} == {("X2", 0), ("X2", 1), ("X1", 0)}
    assert {(item.arm, item.seeds, item.reason) for item in report.skipped} == {
        ("X1", (1,), "not computed because RuntimeError: no luck")
    }
    healed = Counted()
    assert not study(Counted("X2"), healed).skipped
    assert healed.asked == [(8, 1), (16, 1)]


def test_a_pretraining_that_can_not_be_is_told_and_leaves_the_others(
    study: Callable[..., StudyReport], monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any, **__: Any) -> None:
        msg = "`loss` holds masked_lm, but the tokenizer has no mask token."
        raise ConfigurationError(msg)

    monkeypatch.setattr("hf_contrastive.study.pretraining.Pretrainings._pretrain", fail)
    report = study(Counted(), "A5P", settings=replace(SMALL, seeds=(0,)))
    assert {cell.arm for cell in report.cells} == {"X1"}
    assert all("no mask token" in item.reason for item in report.skipped)
    assert {item.arm for item in report.skipped} == {"A5P"}


def test_the_model_of_the_caller_stays_as_it_is_and_another_pooling_is_another_study(tiny_bert: Path, tmp_path: Path):
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(tiny_bert, dtype=torch.bfloat16).requires_grad_(False)
    model.config._name_or_path = str(tiny_bert)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run_study(labelled_data(), model, out=tmp_path / "out", settings=SMALL, arms=["A1"])
    assert {value.dtype for value in model.state_dict().values() if value.is_floating_point()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    folder = tmp_path / "cls"
    AutoModel.from_pretrained(tiny_bert).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    shutil.copytree(tiny_bert, folder, dirs_exist_ok=True)
    run_study(labelled_data(), str(folder), out=tmp_path / "two", settings=SMALL, arms=["A1"])
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 9}))
    with pytest.raises(EvaluationError, match="holds a study of something else"):
        run_study(labelled_data(), str(folder), out=tmp_path / "two", settings=SMALL, arms=["A1"])
