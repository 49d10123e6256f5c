"""The local Hub as the libraries see it that push to the real one and load from it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hf_contrastive.release.local_hub import hub_environment, serve

# in a process of its own, because the libraries read HF_ENDPOINT when they are imported
SCRIPT = """
import sys
from pathlib import Path

import torch
from datasets import Dataset, load_dataset
from huggingface_hub import HfApi, constants
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

work, with_xet = Path(sys.argv[1]), sys.argv[2] == "xet"
assert constants.HF_HUB_DISABLE_XET != with_xet
torch.manual_seed(0)
special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
words = [*special.values(), "alpha", "beta", "gamma"]
inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
inner.pre_tokenizer = Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **special)
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
model = BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=32, **sizes)).eval()
inputs = tokenizer(["alpha beta", "gamma"], padding=True, return_tensors="pt")


def output(loaded):
    with torch.no_grad():
        return loaded.eval()(**inputs).last_hidden_state


assert load_dataset("local/csv")["train"]["text"][:] == ["one", "two"]
assert load_dataset("local/csv", revision="v1", split="train").num_rows == 2
if not with_xet:
    # with Xet, `datasets` deletes the files that this Hub would ask for
    rows = Dataset.from_dict({"anchor": ["a", "b", "c"], "positive": ["x", "y", "z"]})
    rows.push_to_hub("local/pairs")
    assert load_dataset("local/pairs", split="train").to_dict() == rows.to_dict()
    assert next(iter(load_dataset("local/pairs", split="train", streaming=True))) == rows[0]

model.push_to_hub("local/bert")
tokenizer.push_to_hub("local/bert")
assert torch.equal(output(AutoModel.from_pretrained("local/bert")), output(model))
assert AutoTokenizer.from_pretrained("local/bert")("alpha").input_ids == tokenizer("alpha").input_ids

plain = output(model)
adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["query"], init_lora_weights=False))
adapted.save_pretrained(work / "peft" / "adapter")
HfApi().upload_folder(repo_id="local/bert", folder_path=work / "peft")
base = AutoModel.from_pretrained("local/bert")
assert torch.equal(output(base), plain)
again = PeftModel.from_pretrained(base, "local/bert", subfolder="adapter")
assert torch.equal(output(again), output(adapted)) and not torch.allclose(output(again), plain)

modules = [Transformer("local/bert", max_seq_length=16), Pooling(16)]
sentences = SentenceTransformer(modules=modules, device="cpu")
sentences.push_to_hub("local/sentences")
loaded = SentenceTransformer("local/sentences", device="cpu")
assert (loaded.encode(["alpha beta"]) == sentences.encode(["alpha beta"])).all()
"""


@pytest.mark.parametrize("transfer", ["lfs", "xet"])
@pytest.mark.slow
def test_models_and_datasets_are_pushed_and_loaded(tmp_path: Path, transfer: str):
    """With the environment that is made for it, and with a client that has hf_xet and would use it."""
    source = tmp_path / "csv"
    source.mkdir()
    (source / "train.csv").write_text("text\none\ntwo\n")
    with serve(tmp_path / "hub") as hub:
        hub.seed("local/csv", source, repo_type="dataset")
        api = HfApi(endpoint=hub.endpoint, token=hub.token)
        api.create_tag("local/csv", tag="v1", repo_type="dataset")
        environment = {**os.environ, **hub_environment(hub), "HF_HOME": str(tmp_path / "home")}
        if transfer == "xet":
            del environment["HF_HUB_DISABLE_XET"], environment["HF_HUB_USER_AGENT_ORIGIN"]
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), transfer]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert result.returncode == 0, result.stderr[-4000:]
        info = api.model_info("local/sentences", files_metadata=True)
        assert (info.library_name, info.pipeline_tag) == ("sentence-transformers", "sentence-similarity")
        weights = {file.rfilename for file in info.siblings if file.lfs}
        assert weights == {"model.safetensors"}
