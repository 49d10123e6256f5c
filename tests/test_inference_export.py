"""ONNX exports: the same function, proved and recorded; used without torch; nothing is left of a failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from hf_contrastive.encoder import TextEncoder
from hf_contrastive.errors import MissingExtraError, ModelError
from hf_contrastive.inference import parity
from hf_contrastive.inference.export import export_onnx
from hf_contrastive.inference.onnx_model import OnnxEncoder
from hf_contrastive.inference.records import ExportRecord
from hf_contrastive.inference.sources import load_encoder
from hf_contrastive.training.encoding import EncodingSpec

TEXTS = ["the cat belongs to animals", "", "hammer", "what is a violin , as everybody knows who has a drum " * 12]


@pytest.fixture(scope="module")
def exported(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "tiny"
    export_onnx(tiny_bert, folder, int8=True, pooling="mean")
    return folder


@pytest.fixture
def exported_before(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's exporter takes seconds: what it wrote once is taken again."""
    from hf_contrastive.inference import graph

    def write(encoder: TextEncoder, path: Path) -> None:
        shutil.copyfile(exported / "model.onnx", path)

    monkeypatch.setattr(graph, "write_graph", write)


def encoder_of(folder: Path, **settings: Any) -> TextEncoder:
    loaded = TextEncoder.load(str(folder))
    return TextEncoder(loaded.model, loaded.tokenizer, replace(loaded.spec, **settings), name="tiny")


def mpnet(folder: Path, tiny_bert: Path) -> Path:
    import transformers

    shutil.copytree(tiny_bert, folder, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    config = transformers.MPNetConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66, pad_token_id=tokenizer.pad_token_id, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.MPNetModel(config).save_pretrained(folder)
    return folder


@pytest.mark.slow  # PyTorch's exporter takes seconds each time
@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "modernbert", "mpnet"])
def test_every_architecture_gives_the_same_vectors(
    tiny_encoder: Callable[..., Path], tmp_path: Path, architecture: str
):
    folder = mpnet(tmp_path / "mpnet", tiny_encoder("bert")) if architecture == "mpnet" else tiny_encoder(architecture)
    encoder = encoder_of(folder, max_length=48)
    record = export_onnx(encoder, tmp_path / "out")
    assert record.worst_difference <= 1e-5
    found = OnnxEncoder(tmp_path / "out").encode(TEXTS)
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-5)


POOLINGS: list[Any] = [
    {"pooling": "lasttoken", "prompts": {"query": "query :"}, "pool_prompt": False, "max_length": 9},
    *(
        pytest.param(settings, marks=pytest.mark.slow)
        for settings in (
            {"pooling": "cls"},
            {"pooling": "lasttoken", "normalize": False},
            {"pooling": "weightedmean"},
            {"pooling": "cls", "prompts": {"query": "query :"}},
            {"pooling": "mean", "prompts": {"query": "query :", "document": "document : "}, "pool_prompt": False},
        )
    ),
]


@pytest.mark.parametrize("settings", POOLINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_every_pooling_and_prompt_is_in_the_graph(tiny_bert: Path, tmp_path: Path, settings: dict[str, Any]):
    encoder = encoder_of(tiny_bert, **settings)
    export_onnx(encoder, tmp_path)
    found = OnnxEncoder(tmp_path)
    for prompt in (None, "query", "document"):
        expected = encoder.encode(TEXTS, prompt=prompt)
        np.testing.assert_allclose(found.encode(TEXTS, prompt=prompt), expected, atol=2e-5)
    asked, plain = found.encode(TEXTS, prompt="query"), found.encode(TEXTS)
    assert (np.abs(asked - plain).max() > 1e-3) == bool(settings.get("prompts"))


def test_an_adapter_is_merged(tiny_bert: Path, tmp_path: Path):
    from peft import LoraConfig, get_peft_model

    loaded = TextEncoder.load(str(tiny_bert))
    torch.manual_seed(1)
    adapted = get_peft_model(loaded.model, LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False))
    encoder = TextEncoder(adapted, loaded.tokenizer, loaded.spec)
    record = export_onnx(encoder, tmp_path)
    assert record.worst_difference <= 1e-5
    assert record.weights_sha256 == encoder.weights_digest()
    found = OnnxEncoder(tmp_path).encode(TEXTS)
    np.testing.assert_allclose(found, encoder.encode(TEXTS), atol=1e-5)
    with adapted.disable_adapter():
        assert np.abs(found - encoder.encode(TEXTS)).max() > 1e-2


def test_the_record_says_what_was_compared(exported: Path):
    import hashlib

    record = ExportRecord.from_dict(json.loads((exported / "export.json").read_text()))
    cells = {(cell.length, cell.batch_size) for cell in record.parity}
    assert cells == {(length, size) for length in (1, 2, 7, 64) for size in (1, 2, 17)}
    assert record.worst_difference == max(cell.worst_difference for cell in record.parity)
    assert record.int8[-1].kept
    assert record.int8[-1].lowest_cosine >= 0.995
    assert {"onnxruntime", "torch", "onnxscript"} <= set(record.versions)
    written = {path.name: path for path in exported.iterdir() if path.name != "export.json"}
    assert set(record.files) == set(written) == {"model.onnx", "model_int8.onnx", "tokenizer.json"}
    for name, digest in record.files.items():
        assert digest == "sha256:" + hashlib.sha256(written[name].read_bytes()).hexdigest()


def test_int8_is_smaller_and_close(exported: Path):
    whole, small = OnnxEncoder(exported).encode(TEXTS), OnnxEncoder(exported, int8=True).encode(TEXTS)
    assert (whole * small).sum(axis=1).min() >= 0.995
    assert np.abs(whole - small).max() > 0


def test_it_runs_without_torch_and_transformers(exported: Path, tiny_bert: Path, tmp_path: Path):
    script = f"""
        import json, sys
        from hf_contrastive.inference.onnx_model import OnnxEncoder
        vectors = OnnxEncoder({str(exported)!r}).encode(json.loads(sys.argv[1]))
        heavy = {{"torch", "transformers", "datasets", "peft", "onnx", "sklearn"}} & set(sys.modules)
        print(json.dumps([sorted(heavy), vectors.tolist()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    heavy, vectors = json.loads(done.stdout)
    assert heavy == []
    np.testing.assert_allclose(vectors, TextEncoder.load(str(tiny_bert)).encode(TEXTS), atol=1e-5)


def test_batches_do_not_change_vectors_nor_their_order(exported: Path):
    encoder = OnnxEncoder(exported)
    texts = [
        f"the {word} belongs to tools , " * (1 + place % 5)
        for place, word in enumerate(["cat", "dog", "saw", "nail"] * 20)
    ]
    done: list[tuple[int, int]] = []
    together = encoder.encode(texts, on_progress=lambda *told: done.append(told))
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert done[-1] == (80, 80)
    assert encoder.encode([]).shape == (0, 32)


def test_max_length_overrides_and_is_not_kept(exported: Path, tiny_bert: Path):
    encoder, original = OnnxEncoder(exported), TextEncoder.load(str(tiny_bert))
    np.testing.assert_allclose(encoder.encode(TEXTS, max_length=5), original.encode(TEXTS, max_length=5), atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS), original.encode(TEXTS), atol=1e-5)


@pytest.mark.usefixtures("exported_before")
def test_a_graph_that_differs_is_refused_and_nothing_is_left(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.onnx").write_text("what stood here before")
    true = OnnxEncoder.vectors

    def wrong(self: OnnxEncoder, rows: Any, *, skipped: int = 0) -> Any:
        vectors = true(self, rows, skipped=skipped).copy()
        if len(rows) == 17 and max(map(len, rows)) == 7:
            vectors[3, 0] += 1e-3
        return vectors

    monkeypatch.setattr(OnnxEncoder, "vectors", wrong)
    with pytest.raises(ModelError, match=r"in 1 of 12 batches \(17 × 7 tokens: 0\.00"):
        export_onnx(tiny_bert, out, pooling="mean")
    assert [path.name for path in out.iterdir()] == ["model.onnx"]
    assert (out / "model.onnx").read_text() == "what stood here before"


def test_a_nan_is_a_difference():
    cell = parity.ParityCell(batch_size=1, length=1, worst_difference=float("nan"))
    with pytest.raises(ModelError, match="not the same function"):
        parity.check_parity([cell], 0.0, bound=1e-5)
    with pytest.raises(ModelError, match=r"tokenizer\.json splits them otherwise"):
        parity.check_parity([], float("nan"), bound=1e-5)


@pytest.mark.usefixtures("exported_before")
def test_int8_that_loses_too_much_is_refused_with_all_that_was_tried(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parity, "INT8_BOUND", 1.1)
    with pytest.raises(ModelError) as caught:
        export_onnx(tiny_bert, tmp_path / "out", int8=True, pooling="mean")
    assert all(
        part in str(caught.value) for part in ("at least 1.1", "by column", "in blocks of 32", "activations in fp32")
    )
    assert list(tmp_path.iterdir()) == []
    record = export_onnx(tiny_bert, tmp_path / "out", int8="if exact", pooling="mean")
    assert [item.kept for item in record.int8] == [False] * 3
    assert set(record.files) == {"model.onnx", "tokenizer.json"}


@pytest.mark.usefixtures("exported_before")
def test_a_second_export_removes_the_weights_of_the_first(exported: Path, tiny_bert: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(exported, out)
    (out / "notes.txt").write_text("kept")
    export_onnx(tiny_bert, out, pooling="mean")
    assert sorted(path.name for path in out.iterdir()) == ["export.json", "model.onnx", "notes.txt", "tokenizer.json"]
    assert OnnxEncoder(out).record.int8 == ()
    with pytest.raises(ModelError, match="--int8"):
        OnnxEncoder(out, int8=True)


def test_logging_is_as_it_was(exported: Path, tmp_path: Path):
    # in a new process: one of the quantisers sets logging up when it is imported first, and only where nobody has
    code = """
        import logging, sys
        from pathlib import Path
        from hf_contrastive.inference.int8 import METHODS
        root = logging.getLogger()
        for write in METHODS.values():
            write(Path(sys.argv[1]), Path(sys.argv[2]))
            print(root.handlers, root.level, root.manager.disable)
        assert "onnxruntime.quantization.matmul_nbits_quantizer" in sys.modules
    """
    arguments = [sys.executable, "-c", textwrap.dedent(code), exported / "model.onnx", tmp_path / "int8.onnx"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["[] 30 0"] * 3


@pytest.mark.usefixtures("exported_before")
def test_licenses_go_along(tiny_bert: Path, tmp_path: Path):
    model = tmp_path / "model"
    shutil.copytree(tiny_bert, model)
    (model / "LICENSE").write_text("terms")
    record = export_onnx(model, tmp_path / "out", pooling="mean")
    assert (tmp_path / "out" / "LICENSE").read_text() == "terms"
    assert "LICENSE" in record.files


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: None, ["no pooling configuration", "--pooling mean"]),
        (
            lambda folder: edit(folder, architectures=["BertForSequenceClassification"]),
            ["BertForSequenceClassification", "cross-encoder", "no embeddings"],
        ),
    ],
    ids=["no pooling", "cross-encoder"],
)
def test_what_is_no_encoder_is_said(tiny_bert: Path, tmp_path: Path, change: Any, told: list[str]):
    model = tmp_path / "model"
    shutil.copytree(tiny_bert, model)
    change(model)
    with pytest.raises(ModelError) as caught:
        load_encoder(model)
    assert all(part in str(caught.value) for part in told)


def test_an_unknown_pooling_is_told(tiny_bert: Path):
    with pytest.raises(ModelError, match="'max'"):
        load_encoder(tiny_bert, pooling="max")
    assert load_encoder(tiny_bert, pooling="cls").encoder.spec == EncodingSpec(pooling="cls", max_length=64)


def test_weights_that_were_stored_in_less_are_compared_in_fp32(tiny_bert: Path, tmp_path: Path):
    model = tmp_path / "half"
    shutil.copytree(tiny_bert, model)
    loaded = TextEncoder.load(str(tiny_bert))
    loaded.model.to(torch.bfloat16).save_pretrained(model)
    source = load_encoder(model, pooling="mean")
    assert {item.dtype for item in source.encoder.model.parameters()} == {torch.float32}
    assert source.weights_sha256 == TextEncoder.load(str(model)).weights_digest()
    assert (source.encoder.name, source.folder) == ("half", model)
    np.testing.assert_array_equal(
        source.encoder.model.embeddings.word_embeddings.weight.detach().numpy(),
        loaded.model.embeddings.word_embeddings.weight.detach().float().numpy(),
    )


def test_a_missing_extra_names_its_command(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import importlib.util

    true = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else true(name))
    with pytest.raises(MissingExtraError, match=r'onnxscript.*pip install "hf-contrastive\[onnx\]"'):
        export_onnx(tiny_bert, tmp_path / "out", pooling="mean")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("texts", "told"), [("one text", "put a single text into a list"), ([None], "list of texts")], ids=["str", "null"]
)
def test_texts_must_be_a_list_of_texts(exported: Path, texts: Any, told: str):
    with pytest.raises(ModelError, match=told):
        OnnxEncoder(exported).encode(texts)


@pytest.mark.parametrize("content", [None, "{", '{"schema_version": 1}'], ids=["none", "no JSON", "other keys"])
def test_a_folder_that_is_no_export(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "export.json").write_text(content)
    with pytest.raises(ModelError, match=r"export\.json|Export the model again"):
        OnnxEncoder(tmp_path)


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_tables_are_int8_with_a_step_a_row(tmp_path: Path):
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    from hf_contrastive.inference.int8 import quantise_tables

    table = np.random.default_rng(0).normal(size=(9, 8)).astype(np.float32)
    table[3] *= 1000  # an outlier, which would set the step of a whole table
    table[4] = 0
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["one"]),
            helper.make_node("Gather", ["table", "ids"], ["two"]),
            helper.make_node("Gather", ["table", "ids"], ["columns"], axis=1),
        ],
        "tables",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in ("one", "two", "columns")],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    quantise_tables(model)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([3, 0, 4, 7])
    one, two, columns = session.run(None, {"ids": ids})
    assert (one == two).all()
    assert (np.abs(one - table[ids]) <= np.abs(table[ids]).max(axis=1, keepdims=True) / 254 * 1.001).all()
    # a lookup of columns still needs the table
    assert (columns == table[:, ids]).all()
    assert {item.name for item in model.graph.initializer} == {"table", "table.codes", "table.steps"}
