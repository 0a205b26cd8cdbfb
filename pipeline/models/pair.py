"""A pair of BERT-type models, warm-started as an encoder-decoder (Rothe et al. 2020, arXiv 1907.12461).

The decoder's cross-attention is new and random; training, not this module, fills it.
"""

from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.models.config import get_context_length, load_config
from pipeline.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import EncoderDecoderModel, PreTrainedTokenizerBase

    from pipeline.params.model_sections import ModelParams

PAIR = "pair"


def load_pair_tokenizer(params: "ModelParams") -> "PreTrainedTokenizerBase":
    """The tokenizer that encoder and decoder share.

    Raises:
        InputError: if they have different ones: a summary's tokens must mean the same to both.
    """
    encoder, decoder = (load_tokenizer(str(name), None, params.trust_remote_code) for name in _names(params))
    if encoder.get_vocab() != decoder.get_vocab():
        raise InputError(f"model.decoder: {params.decoder}: its tokenizer differs from that of {params.encoder}")
    return encoder


def get_pair_lengths(params: "ModelParams") -> tuple[int, int]:
    """Tokens that the encoder and the decoder can attend to."""
    first, second = (load_config(str(name), None, params.trust_remote_code) for name in _names(params))
    return get_context_length(first), get_context_length(second)


def build_empty_pair(params: "ModelParams") -> "EncoderDecoderModel":
    """The pair without weights, on torch's meta device."""
    import torch
    from transformers import EncoderDecoderConfig, EncoderDecoderModel

    encoder, decoder = (load_config(str(name), None, params.trust_remote_code) for name in _names(params))
    with torch.device("meta"):
        return EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder))


def build_pair(params: "ModelParams", tokenizer: "PreTrainedTokenizerBase", seed: int) -> "EncoderDecoderModel":
    """The encoder-decoder, fp32. Raises InputError when a part cannot be loaded."""
    from transformers import EncoderDecoderModel, set_seed

    set_seed(seed)
    try:
        model = EncoderDecoderModel.from_encoder_decoder_pretrained(*map(str, _names(params)))
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"model.encoder, model.decoder: cannot be joined: {reason}") from error
    # a summary begins with [CLS] and ends with [SEP], as BERT's texts do
    model.config.decoder_start_token_id = tokenizer.bos_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.vocab_size = model.config.decoder.vocab_size
    return model


def _names(params: "ModelParams") -> tuple[str | None, str | None]:
    return params.encoder, params.decoder
