"""The scratch model: a small GPT-J (Wang & Komatsuzaki 2021) and its tokenizer, of the competition's own text."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.models.tokenizer import build_bpe_tokenizer

if TYPE_CHECKING:
    from transformers import GPTJForCausalLM, PreTrainedTokenizerBase

    from pipeline.params.model_sections import PretrainParams

SCRATCH = "scratch"
# characters that the tokenizer is learnt from, some 50 MB of Korean: its pairs are counted in memory, which would grow
# with the text, and the most frequent of them are the same in a part
LEARNT_CHARACTERS = 2**24


def build_scratch_tokenizer(texts: Sequence[str], params: "PretrainParams") -> "PreTrainedTokenizerBase":
    """The tokenizer of the scratch model; preprocess builds the same one to count tokens before the model exists.

    Of more text than `LEARNT_CHARACTERS` it learns from every so many texts.

    Raises:
        InputError: if there is no text.
    """
    if not len(texts):
        raise InputError("pretrain.text: holds no text to make the scratch model of")
    step = -(-sum(map(len, texts)) // LEARNT_CHARACTERS)
    learnt = texts if step <= 1 else list(islice(texts, 0, None, step))
    return build_bpe_tokenizer(learnt, params.vocab_size, params.n_positions, params.rebalance)


def build_scratch_model(tokenizer: "PreTrainedTokenizerBase", params: "PretrainParams", seed: int) -> "GPTJForCausalLM":
    """A randomly initialised GPT-J of the sizes in `params`."""
    from transformers import GPTJConfig, GPTJForCausalLM, set_seed

    set_seed(seed)
    return GPTJForCausalLM(
        GPTJConfig(
            vocab_size=len(tokenizer),
            n_positions=params.n_positions,
            n_embd=params.n_embd,
            n_layer=params.n_layer,
            n_head=params.n_head,
            rotary_dim=params.n_embd // params.n_head,
            # GPT-J's gelu_new approximates it by a tanh, which on a CPU takes four times as long
            activation_function="gelu",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
