"""How likely a model finds several continuations of one prompt, with gradients; the prompt is read once.

A causal model reads the prompt and all continuations as one row (`pipeline.models.branch_attention`); an
encoder-decoder reads the prompt in its encoder once and the continuations as rows of its decoder. What can do neither
reads the prompt anew for each.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutput

from pipeline.models.attentions import find_attention_obstacle, find_difference, get_bare_model
from pipeline.models.branch_attention import branched, build_tree

# logits whose softmax is taken at once: in fp32 they fit a CPU's cache
CHUNK = 2**22
# how continuations are read
BRANCHES, ENCODED_ONCE, ROWS = "branches", "encoded once", "rows"


def select_way(model: Any) -> str:
    """How a model reads several continuations of one prompt: `BRANCHES`, `ENCODED_ONCE` or `ROWS`."""
    config = getattr(model, "active_peft_config", None)
    # soft prompts stand in front of what a model is given, by peft's own hand
    if config is not None and config.is_prompt_learning:
        return ROWS
    if model.config.is_encoder_decoder:
        return ENCODED_ONCE
    return ROWS if find_attention_obstacle(get_bare_model(model)) or _find_by_running(model) else BRANCHES


@torch.no_grad()
def _find_by_running(model: Any) -> str | None:
    """Compares branches with rows of their own."""
    size, training = len(model.get_input_embeddings().weight), model.training
    prompt, *branches = [[(7 * i + k) % size for i in range(1, n)] for k, n in enumerate((9, 6, 4))]
    try:
        model.eval()
        ours, theirs = (compute_log_probabilities(model, prompt, branches, way) for way in (BRANCHES, ROWS))
    except Exception as error:
        return f"it cannot read branches ({type(error).__name__}: {str(error).splitlines()[0]})"
    finally:
        model.train(training)
    return find_difference(ours[None], theirs[None], model.dtype)


def compute_log_probabilities(
    model: Any,
    prompt: list[int],
    continuations: Sequence[list[int]],
    way: str | None = None,
    held: ExitStack | None = None,
) -> Tensor:
    """The log-probability of every token of every continuation, given the prompt and the tokens before it.

    Args:
        model: on one device; adapted or not. Its mode says whether it drops out.
        prompt: token ids; of an encoder-decoder, its source.
        continuations: token ids, one or more each.
        way: as `select_way` says; None to ask it.
        held: keeps the model reading branches until it closes. Where activations are computed again (gradient
            checkpointing), that must be behind the backward pass.

    Returns:
        (tokens of all continuations,), in nats, fp32; `continuations` end to end.
    """
    with ExitStack() as own:
        logits, rows = compute_logits(model, prompt, continuations, way or select_way(model), held or own)
    labels = torch.tensor([token for tokens in continuations for token in tokens], device=logits.device)
    return _LogProbabilities.apply(logits, rows, labels)


def compute_logits(
    model: Any, prompt: list[int], continuations: Sequence[list[int]], way: str, held: ExitStack
) -> tuple[Tensor, Tensor]:
    """Logits (rows, vocabulary), and for every token of every continuation the row of them that predicts it."""
    if way == BRANCHES:
        return _read_branches(model, prompt, continuations, held)
    return (_read_encoded if way == ENCODED_ONCE else _read_rows)(model, prompt, continuations)


def _read_branches(
    model: Any, prompt: list[int], continuations: Sequence[list[int]], held: ExitStack
) -> tuple[Tensor, Tensor]:
    """The prompt's last token predicts every first."""
    # the last token of a continuation predicts nothing
    given = [tokens[:-1] for tokens in continuations if len(tokens) > 1]
    tree = build_tree(len(prompt), [len(tokens) for tokens in given], model.device) if given else None
    positions = [*range(len(prompt)), *(len(prompt) + i for tokens in given for i in range(len(tokens)))]
    inputs = [*prompt, *(token for tokens in given for token in tokens)]
    rows, start = [], 1
    for tokens in continuations:
        rows += [0, *range(start, start + len(tokens) - 1)]
        start += len(tokens) - 1
    held.enter_context(branched(model, tree))
    logits = model(
        input_ids=torch.tensor([inputs], device=model.device),
        position_ids=torch.tensor([positions], device=model.device),
        # of four axes it is taken as it is, so that none is computed; nothing reads it
        attention_mask=torch.zeros(1, 1, 1, 1, dtype=torch.long, device=model.device) if tree else None,
        logits_to_keep=torch.arange(len(prompt) - 1, len(inputs), device=model.device),
        use_cache=False,
    ).logits[0]
    return logits, torch.tensor(rows, device=logits.device)


def _read_encoded(model: Any, prompt: list[int], continuations: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([prompt], device=model.device)
    mask = torch.ones_like(ids)
    hidden = model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    count = len(continuations)
    outputs = BaseModelOutput(last_hidden_state=hidden.expand(count, -1, -1))
    return _read_decoder(model, continuations, encoder_outputs=outputs, attention_mask=mask.expand(count, -1))


def _read_decoder(model: Any, continuations: Sequence[list[int]], **given: Any) -> tuple[Tensor, Tensor]:
    """Continuations as rows of a decoder, padded on the right, where what is before does not look."""
    start = model.config.decoder_start_token_id
    start = model.generation_config.decoder_start_token_id if start is None else start
    rows = [torch.tensor([start, *tokens[:-1]]) for tokens in continuations]
    inputs = pad_sequence(rows, batch_first=True).to(model.device)
    logits = model(decoder_input_ids=inputs, use_cache=False, **given).logits
    longest = inputs.shape[1]
    kept = [n * longest + i for n, tokens in enumerate(continuations) for i in range(len(tokens))]
    return logits.flatten(0, 1), torch.tensor(kept, device=logits.device)


def _read_rows(model: Any, prompt: list[int], continuations: Sequence[list[int]]) -> tuple[Tensor, Tensor]:
    count, given = len(continuations), torch.tensor([prompt], device=model.device)
    if model.config.is_encoder_decoder:
        ids = given.expand(count, -1)
        return _read_decoder(model, continuations, input_ids=ids, attention_mask=torch.ones_like(ids))
    rows = [torch.tensor([*prompt, *tokens[:-1]]) for tokens in continuations]
    inputs = pad_sequence(rows, batch_first=True).to(model.device)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(model.device)
    # soft prompts put positions in front
    logits = model(input_ids=inputs, attention_mask=mask, use_cache=False).logits[:, -inputs.shape[1] :]
    longest = inputs.shape[1]
    kept = [n * longest + len(prompt) - 1 + i for n, ids in enumerate(continuations) for i in range(len(ids))]
    return logits.flatten(0, 1), torch.tensor(kept, device=logits.device)


class _LogProbabilities(torch.autograd.Function):
    """log softmax at chosen places, chunk by chunk, without a copy of all logits in fp32."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
        size, fine = max(1, CHUNK // logits.shape[1]), torch.promote_types(logits.dtype, torch.float32)
        normalizers = torch.cat([chunk.to(fine).logsumexp(1) for chunk in logits.split(size)])
        ctx.save_for_backward(logits, normalizers, rows, labels)
        return logits[rows, labels].to(fine) - normalizers[rows]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        logits, normalizers, rows, labels = ctx.saved_tensors
        size, totals = max(1, CHUNK // logits.shape[1]), torch.zeros_like(normalizers)
        totals.index_add_(0, rows, gradients[0])
        gradient = torch.empty_like(logits)
        for start in range(0, len(logits), size):
            part = slice(start, start + size)
            shares = (logits[part].to(normalizers.dtype) - normalizers[part, None]).exp_().mul_(-totals[part, None])
            inside = (rows >= start) & (rows < start + size)
            shares.index_put_((rows[inside] - start, labels[inside]), gradients[0][inside], accumulate=True)
            gradient[part] = shares
        return gradient, None, None
