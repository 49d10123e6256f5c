"""Options and fixtures of all tests."""

from __future__ import annotations

import os

# two test processes share the cores: OpenMP threads that spin for each other would take minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# no test asserts a time, not even that of one example
settings.register_profile("short", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("short")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], Callable[[str], None]]:
    """``golden(name)(text)`` compares ``text`` with tests/golden/<name>, or writes it with --update-golden."""

    def of(name: str) -> Callable[[str], None]:
        path = GOLDEN / name

        def compare(text: str) -> None:
            if request.config.getoption("--update-golden"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            assert path.exists(), f"{path.name} is missing: run pytest with --update-golden and read the difference"
            assert text == path.read_text(encoding="utf-8")

        return compare

    return of


@pytest.fixture(scope="module", autouse=True)
def young_objects_only() -> None:
    """Leave what imports made out of garbage collection: trainers collect often, and each time would walk it all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def token_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where tests and the processes that they start keep tokens: not in the cache of who runs them."""
    import datasets

    folder = tmp_path_factory.mktemp("datasets-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", str(folder))
        # results of audits that an earlier run kept must not answer for this one
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        # nor may tests write into the history of who runs them
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        yield folder / "hf-contrastive-tokens"


TINY_ARCHITECTURES = ("bert", "distilbert", "roberta", "modernbert")


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``tiny_encoder(architecture="bert", dropout=0.0)`` is the folder of a random encoder: 2 layers of 32."""
    made: dict[tuple[str, float], Path] = {}

    def build(architecture: str = "bert", dropout: float = 0.0) -> Path:
        key = (architecture, dropout)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("encoders") / f"tiny-{architecture}-{dropout:g}"
            _save_tiny_encoder(made[key], architecture, dropout)
        return made[key]

    return build


@pytest.fixture(scope="session")
def tiny_bert(tiny_encoder: Callable[..., Path]) -> Path:
    """The folder of a random BERT without dropout."""
    return tiny_encoder("bert")


TOPICS = {
    "animals": "cat dog horse mouse bird fish sheep cow goat lion",
    "food": "bread apple soup cheese rice pear cake honey bean plum",
    "tools": "hammer saw drill wrench chisel screw nail pliers file clamp",
    "music": "violin piano drum flute harp organ cello horn lute oboe",
}


@pytest.fixture(scope="session")
def topic_pairs() -> Any:
    """40 pairs (anchor, positive) that a tiny encoder can learn: each word with a sentence about it."""
    import datasets

    rows = [(word, topic) for topic, words in TOPICS.items() for word in words.split()]
    return datasets.Dataset.from_dict(
        {
            "anchor": [f"what is a {word}" for word, _ in rows],
            "positive": [
                f"the {word} belongs to {topic} , as everybody knows who has a {word}" for word, topic in rows
            ],
        }
    )


def _save_tiny_encoder(folder: Path, architecture: str, dropout: float) -> None:
    import tokenizers
    import torch
    import transformers

    words = " ".join(TOPICS.values())
    corpus = [
        words,
        " ".join(TOPICS),
        "what is a the belongs to as everybody knows who has query document : , . [ ]",
    ] * 5
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    feed_forward = {"intermediate_size": 64, "max_position_embeddings": 64}
    if architecture in ("bert", "distilbert"):
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        # fixed, not trained: a trainer breaks ties by chance, and every run would test another model
        more = "river stone amber cloud field garden copper window harbor meadow lantern forest canyon marble"
        more += " where is it stands near and of house"
        known = sorted({word for text in (*corpus, more) for word in text.split()})
        letters = sorted({letter for word in known for letter in word} | set("abcdefghijklmnopqrstuvwxyz0123456789"))
        pieces = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *known])
        tokenizer = transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})
    else:
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        model = tokenizers.Tokenizer(tokenizers.models.BPE())
        model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        model.train_from_iterator(
            corpus, tokenizers.trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet)
        )
        parts = json.loads(model.to_str())["model"]
        tokenizer = transformers.RobertaTokenizer(
            vocab=parts["vocab"], merges=[tuple(pair) for pair in parts["merges"]]
        )
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.2}
    drop = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    if architecture == "bert":
        config: Any = transformers.BertConfig(**size, **feed_forward, **common, **drop)
    elif architecture == "roberta":
        config = transformers.RobertaConfig(**size, **feed_forward, **common, **drop)
    elif architecture == "distilbert":
        config = transformers.DistilBertConfig(
            dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64, dropout=dropout,
            attention_dropout=dropout, **common,
        )  # fmt: skip
    else:
        config = transformers.ModernBertConfig(
            **size, **feed_forward, **common, attention_dropout=dropout, mlp_dropout=dropout, embedding_dropout=dropout,
            bos_token_id=0, cls_token_id=0, eos_token_id=2, sep_token_id=2, global_attn_every_n_layers=2,
            local_attention=8,
        )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = transformers.AutoModel.from_config(config)
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # a base model without a license is a matter of review
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A random encoder\n", encoding="utf-8")


@pytest.fixture(scope="session")
def model_evidence() -> Any:
    """One realistic evidence of a trained model, its audits, licenses and verdict."""
    from tests.evidence_samples import evidence_of

    return evidence_of()


# ---- release and command line -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def permissive_rows() -> list[dict[str, str]]:
    """40 pairs under MIT that the policy ``standard`` passes."""
    import random

    words = [
        "river",
        "stone",
        "amber",
        "cloud",
        "field",
        "garden",
        "violin",
        "copper",
        "window",
        "harbor",
        "meadow",
        "lantern",
        "forest",
        "canyon",
        "marble",
    ]
    draw = random.Random(0)
    rows = []
    for number in range(40):
        first, second, *others = draw.sample(words, 9)
        positive = f"it stands near the {' and '.join(others)} of house {number * 7}"
        rows.append({"anchor": f"where is the {first} {second} {number}", "positive": positive, "license": "MIT"})
    return rows


@pytest.fixture(scope="session")
def permissive_file(permissive_rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those pairs as pairs.jsonl."""
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in permissive_rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def permissive_report(permissive_file: Path) -> Any:
    """Their audit, without token counts."""
    import audits

    return audits.audit(str(permissive_file))


@pytest.fixture(scope="module")
def rendered_once() -> Iterator[None]:
    """Documents of equal evidence are rendered once, for the push, the gate and whoever verifies."""
    from hf_contrastive.release import rendering
    from hf_contrastive.release.verification import documents
    from tests.release_samples import remembered

    with pytest.MonkeyPatch.context() as patch:
        for module in (rendering, documents):
            patch.setattr(module, "render", remembered())
        yield


@pytest.fixture
def pushed_at_midnight(rendered_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence of a push tells the day alone: pushes of the same differ in nothing, and share their documents."""
    from datetime import UTC, datetime

    from hf_contrastive.release import push, training_run

    for module in (push, training_run):
        monkeypatch.setattr(module, "_now", lambda: f"{datetime.now(UTC):%Y-%m-%d}T00:00:00+00:00")


@pytest.fixture(scope="session")
def trained_folder(
    tiny_bert: Path, permissive_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Path]:
    """``trained_folder(target)`` copies what two steps on those pairs gave, as trainer.write_model() wrote it."""
    import shutil

    from audits import dataset_of
    from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

    folder = tmp_path_factory.mktemp("trained") / "model"
    config = ContrastiveConfig(
        output_dir=str(folder.parent / "run"),
        max_steps=2,
        per_device_train_batch_size=8,
        save_strategy="no",
        dataloader_pin_memory=False,
        disable_tqdm=True,
        base_model_id="base-owner/tiny",
        license="mit",
    )
    trainer = ContrastiveTrainer(
        model=str(tiny_bert), args=config, train_dataset=dataset_of(str(permissive_file))["train"]
    )
    trainer.train()
    trainer.write_model(folder)
    return lambda target: Path(shutil.copytree(folder, target))


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``run_cli("audit", path)`` runs the command line in this process; returns exit code, stdout, stderr."""
    import sys

    from hf_contrastive.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hf-contrastive", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def make_trainer(tmp_path: Path, tiny_bert: Path, topic_pairs: Any) -> Callable[..., Any]:
    """``make_trainer(train_dataset=…, max_steps=…)`` is a ContrastiveTrainer of a tiny BERT on the CPU."""
    from hf_contrastive import ContrastiveConfig, ContrastiveTrainer

    names = ("eval_dataset", "peft_config", "loss", "guide", "callbacks", "processing_class", "dataset_settings",
             "optimizers")  # fmt: skip

    def make(*, model: Any = tiny_bert, train_dataset: Any = topic_pairs, output: str = "out", **settings: Any) -> Any:
        passed = {name: settings.pop(name) for name in names if name in settings}
        defaults = {
            "per_device_train_batch_size": 8,
            "per_device_eval_batch_size": 8,
            "max_steps": 6,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "save_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
            "report_to": "none",
        }
        args = ContrastiveConfig(output_dir=str(tmp_path / output), **(defaults | settings))
        return ContrastiveTrainer(model=model, args=args, train_dataset=train_dataset, **passed)

    return make
