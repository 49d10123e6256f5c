"""An adapter sits on every layer that training reaches, and on no other."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModel, AutoTokenizer

from hf_contrastive import ContrastiveConfig, ContrastiveTrainer
from hf_contrastive.errors import ConfigurationError, ModelError
from hf_contrastive.training.loading import load_model
from hf_contrastive.training.lora import ALPHA, RANK, adapter_record, add_adapter, reachable_linears

ARCHITECTURES = ("bert", "distilbert", "roberta", "modernbert")
WITH_POOLER = ("bert", "roberta")


def loaded(folder):
    return AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def gradients_after_a_step(model, tokenizer):
    """The names of trainable parameters, by whether a loss on the token vectors reaches them."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # zero at first, which would hide lora_A's gradient
                parameter.normal_()
    encoded = tokenizer(["what is a cat", "the dog"], padding=True, return_tensors="pt")
    hidden = model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).last_hidden_state
    (hidden**2 * torch.arange(hidden.shape[-1])).sum().backward()
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    reached = {name for name, parameter in trainable.items() if parameter.grad is not None and parameter.grad.any()}
    return set(trainable), reached


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_of_the_adapter_gets_a_gradient(tiny_encoder, architecture):
    model, tokenizer = loaded(tiny_encoder(architecture))
    linears, unreached = reachable_linears(model, tokenizer)
    adapted = add_adapter(model, tokenizer, "auto")
    trainable, reached = gradients_after_a_step(adapted, tokenizer)
    assert trainable == reached
    assert all("lora_" in name for name in trainable)
    assert len(trainable) == 2 * len(linears)
    assert unreached == (["pooler.dense"] if architecture in WITH_POOLER else [])
    record = adapter_record(adapted)
    assert (record.rank, record.alpha) == (RANK, ALPHA)
    assert record.trainable_parameters == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_none_trains_all_weights_that_are_reached(tiny_encoder, architecture):
    model, tokenizer = loaded(tiny_encoder(architecture))
    everything = {name for name, _ in model.named_parameters()}
    prepared = add_adapter(model, tokenizer, None)
    assert not isinstance(prepared, PeftModel)
    trainable, reached = gradients_after_a_step(prepared, tokenizer)
    assert trainable == reached
    assert everything - trainable == {name for name in everything if name.startswith("pooler.")}
    assert adapter_record(prepared) is None


@pytest.mark.parametrize("targets", ["all-linear", ["query", "dense"], r".*\.(query|dense)", None])
def test_a_users_configuration_keeps_its_values_and_leaves_the_pooler_out(tiny_bert, targets):
    model, tokenizer = loaded(tiny_bert)
    given = LoraConfig(r=3, lora_alpha=5, lora_dropout=0.25, target_modules=targets)
    before = dict(given.to_dict())
    adapted = add_adapter(model, tokenizer, given)
    record = adapter_record(adapted)
    assert (record.rank, record.alpha, record.dropout) == (3, 5, 0.25)
    assert given.to_dict() == before  # the user's object can serve again
    trainable, reached = gradients_after_a_step(adapted.eval(), tokenizer)
    assert trainable == reached


@pytest.mark.parametrize("excluded", [["query"], "query|.*\\.query"])
def test_a_users_exclusions_stand_beside_ours(tiny_bert, excluded):
    model, tokenizer = loaded(tiny_bert)
    config = LoraConfig(r=2, target_modules="all-linear", exclude_modules=excluded)
    trainable, reached = gradients_after_a_step(add_adapter(model, tokenizer, config), tokenizer)
    assert trainable == reached
    assert not any(".query." in name or "pooler" in name for name in trainable)
    assert any(".key." in name for name in trainable)


def test_probing_leaves_the_model_as_it_was(tiny_bert):
    model, tokenizer = loaded(tiny_bert)
    model.train()
    model.embeddings.word_embeddings.weight.requires_grad_(False)
    before = {name: (p.requires_grad, p.grad, p.clone()) for name, p in model.named_parameters()}
    reachable_linears(model, tokenizer)
    assert model.training
    for name, parameter in model.named_parameters():
        trains, gradient, value = before[name]
        assert parameter.requires_grad == trains
        assert parameter.grad is gradient
        assert torch.equal(parameter, value)


@pytest.mark.parametrize("value", ["lora", 16, True, {"r": 8}])
def test_what_is_no_adapter_configuration_is_named(tiny_bert, value):
    model, tokenizer = loaded(tiny_bert)
    with pytest.raises(ConfigurationError, match="`peft_config` must be 'auto'") as caught:
        add_adapter(model, tokenizer, value)
    assert repr(value) in str(caught.value)


def test_layers_that_do_not_exist_are_named(tiny_bert):
    model, tokenizer = loaded(tiny_bert)
    with pytest.raises(ConfigurationError, match=r"linear layers are called e\.g\. encoder"):
        add_adapter(model, tokenizer, LoraConfig(target_modules=["q_proj"]))


def settings(tmp_path):
    return ContrastiveConfig(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=8,
        max_steps=2,
        learning_rate=1e-2,
        warmup_steps=0,
        logging_steps=1,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
    )


def test_a_peft_model_is_trained_as_it_is(tmp_path, tiny_bert, topic_pairs):
    model, tokenizer = loaded(tiny_bert)
    given = get_peft_model(model, LoraConfig(r=2, target_modules=["query", "value"]))
    trainer = ContrastiveTrainer(
        model=given, args=settings(tmp_path), train_dataset=topic_pairs, processing_class=tokenizer
    )
    assert trainer.model is given
    trainer.train()
    assert trainer.training_record().adapter.rank == 2
    changed = [name for name, p in given.named_parameters() if "lora_B" in name and p.any()]
    assert len(changed) == 4  # query and value of two layers


def test_a_frozen_peft_model_is_refused(tmp_path, tiny_bert, topic_pairs):
    model, tokenizer = loaded(tiny_bert)
    get_peft_model(model, LoraConfig(r=2, target_modules=["query"])).save_pretrained(
        tmp_path / "adapter", save_embedding_layers=False
    )
    frozen = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_bert), tmp_path / "adapter")
    with pytest.raises(ConfigurationError, match="without a trainable parameter; load it with"):
        ContrastiveTrainer(model=frozen, args=settings(tmp_path), train_dataset=topic_pairs, processing_class=tokenizer)


def test_a_folder_with_an_adapter_goes_on_training_it(tmp_path, tiny_bert, topic_pairs):
    model, _ = loaded(tiny_bert)
    get_peft_model(model, LoraConfig(r=2, target_modules=["query"])).save_pretrained(
        tmp_path / "adapter", save_embedding_layers=False
    )
    trainer = ContrastiveTrainer(model=tmp_path / "adapter", args=settings(tmp_path), train_dataset=topic_pairs)
    trainer.train()
    assert trainer.training_record().adapter.target_modules == ("query",)
    assert any(p.any() for name, p in trainer.model.named_parameters() if "lora_B" in name)


def test_a_sentence_transformer_brings_encoder_pooling_and_prompts(tmp_path, tiny_bert, topic_pairs):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    transformer = Transformer(str(tiny_bert), max_seq_length=12)
    given = SentenceTransformer(
        modules=[transformer, Pooling(32, pooling_mode="cls"), Normalize()],
        prompts={"query": "query : ", "document": "document : "},
        device="cpu",
    )
    trainer = ContrastiveTrainer(model=given, args=settings(tmp_path), train_dataset=topic_pairs)
    assert (trainer.spec.pooling, trainer.spec.normalize, trainer.spec.max_length) == ("cls", True, 12)
    assert dict(trainer.spec.prompts) == {"query": "query : ", "document": "document : "}
    trainer.train()
    assert trainer.training_record().adapter.rank == RANK


def test_a_plain_encoder_without_tokenizer_is_told_what_it_lacks():
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    with pytest.raises(ModelError, match="BertModel without a tokenizer; pass the tokenizer as `processing_class`"):
        load_model(model)


@pytest.mark.parametrize("model", [None, 3, torch.nn.Linear(2, 2)])
def test_what_is_no_model_is_named(model):
    with pytest.raises(ModelError, match="allowed are a Hub id, a folder"):
        load_model(model)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="can not be read") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
