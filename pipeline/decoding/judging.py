"""task: generation: what people wrote on, and how likely a model finds continuations, people's and its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from pipeline.decoding.shards import share_out
from pipeline.models.continuations import encode_continuations, read_continuation
from pipeline.params.grid import HUMAN

if TYPE_CHECKING:
    import pandas as pd
    from transformers import PreTrainedTokenizerBase

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder

# prompt and continuation, token ids
Pair = tuple[list[int], list[int]]
# logits that are held at once, in the model's precision and again in fp32
LOGITS = 2**25


def collect_human(
    openings: "pd.DataFrame", tokenizer: "PreTrainedTokenizerBase", max_new_tokens: int
) -> "pd.DataFrame":
    """What people wrote on as candidates (`pipeline.tables.CANDIDATES`) of a configuration of their own.

    Of a longer one as many tokens as a configuration may write, for how much a text repeats depends on its length.
    """
    import pandas as pd

    texts, rests = list(openings["text"]), [many[0] for many in openings["summaries"]]
    given = encode_continuations(tokenizer, [""] * len(texts), texts)
    rows = []
    for name, rest, opening, ids in zip(
        openings["id"], rests, given, encode_continuations(tokenizer, texts, rests), strict=True
    ):
        # with an end-of-text, which has to fit too
        is_cut = len(ids) + 1 > max_new_tokens
        text = read_continuation(opening, ids[:max_new_tokens], tokenizer)[0] if is_cut else rest
        rows.append((name, HUMAN, 0, text, min(len(ids) + 1, max_new_tokens), not is_cut))
    return pd.DataFrame(rows, columns=["id", "configuration", "candidate", "text", "tokens", "finished"])


def judge(
    decoder: "Decoder", builder: "PromptBuilder", openings: "pd.DataFrame", candidates: "pd.DataFrame"
) -> "pd.DataFrame":
    """The candidates with `nats`: minus the log-likelihood of each, which the model finds behind its opening.

    All are read as text, whoever wrote them. `tokens` become those that were judged, the end-of-text among them where
    it was reached.
    """
    texts = openings.set_index("id")["text"]
    prompts = dict(zip(texts.index, (p.input_ids for p in builder.build_prompts(list(texts))), strict=True))
    ids = list(candidates["id"])
    written = encode_continuations(builder.tokenizer, list(texts.loc[ids]), list(candidates["text"]))
    end = builder.tokenizer.eos_token_id
    pairs = []
    for name, own, ended in zip(ids, written, candidates["finished"], strict=True):
        # read as text it may have more tokens than were written
        room = builder.context_length - len(prompts[name])
        pairs.append((prompts[name], ([*own, end] if ended else own)[:room]))
    return candidates.assign(nats=compute_nats(decoder.model, pairs), tokens=[len(own) for _, own in pairs])


def compute_nats(model: Any, pairs: Sequence[Pair]) -> list[float]:
    """Minus the log-likelihood of each continuation given its prompt, in nats, summed over the continuation's tokens.

    Processes that `pipeline.models.processes.join_processes` connected share the pairs, and each gets all figures.
    """
    rows = [prompt + tokens for prompt, tokens in pairs]
    return share_out(rows, lambda own: _compute_nats(model, [pairs[n] for n in own]))


@torch.inference_mode()
def _compute_nats(model: Any, pairs: Sequence[Pair]) -> list[float]:
    order = sorted(range(len(pairs)), key=lambda n: (-sum(map(len, pairs[n])), n))
    most = LOGITS // model.get_input_embeddings().num_embeddings
    found, start = [0.0] * len(pairs), 0
    while start < len(order):
        longest = sum(map(len, pairs[order[start]]))
        batch = order[start : start + max(1, most // longest)]
        for number, nats in zip(batch, _compute_batch(model, [pairs[n] for n in batch]), strict=True):
            found[number] = nats
        start += len(batch)
    return found


def _compute_batch(model: Any, pairs: Sequence[Pair]) -> list[float]:
    rows = [torch.tensor(prompt + tokens) for prompt, tokens in pairs]
    # the padding stands behind, where a causal model does not look
    ids = pad_sequence(rows, batch_first=True).to(model.device)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True).to(model.device)
    # soft prompts put positions in front
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, -ids.shape[1] :]
    spans = [(len(prompt), len(prompt) + len(tokens)) for prompt, tokens in pairs]
    losses = [
        cross_entropy(logits[n, start - 1 : end - 1].float(), ids[n, start:end], reduction="sum")
        for n, (start, end) in enumerate(spans)
    ]
    return [float(loss) for loss in losses]
