"""The text zoo's architectures, each as transformers' own configuration in a small size, and the tokenizer they share.

About 33 thousand parameters: two layers of width 32 on byte pairs, of which a text of the zoo has some twenty.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from raysel.zoo.architectures import Architecture

if TYPE_CHECKING:
    from raysel.models import TextTransform

VOCABULARY, WIDTH, LENGTH = 400, 32, 64
_PAD, _START = 0, 2
_SPREAD = 0.12  # of initial weights: transformers' own 0.02 is for wide layers, and learns nothing here


def _architecture(model_type: str, **arguments: Any) -> Architecture:
    given = {"vocab_size": VOCABULARY, "pad_token_id": _PAD, "initializer_range": _SPREAD, "num_labels": 12}
    return Architecture(model_type, "transformers", {"model_type": model_type, **given, **arguments}, inputs="texts")


_ENCODER = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 2 * WIDTH,
    "max_position_embeddings": LENGTH,
    "type_vocab_size": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}

TEXT_ARCHITECTURES = {
    "bert": _architecture("bert", **_ENCODER),
    "electra": _architecture("electra", **_ENCODER, embedding_size=WIDTH),
    "gpt2": _architecture(
        "gpt2",
        n_embd=WIDTH,
        n_layer=2,
        n_head=4,
        n_inner=2 * WIDTH,
        n_positions=LENGTH,
        bos_token_id=_START,
        eos_token_id=_START,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        attn_pdrop=0.0,
    ),
}


@lru_cache(maxsize=1)
def tokenizer() -> "TextTransform":
    """Byte pairs of the lines that sources are made of."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from raysel.models import TextTransform
    from raysel.zoo.text_tasks import source_lines

    pairs = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106  (no password)
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    special = ["[PAD]", "[UNK]", "[CLS]"]
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    pairs.train_from_iterator(source_lines(), trainer)
    pairs.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", _START)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=pairs,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
    )
    return TextTransform(fast, LENGTH)
