"""What a configuration does to next-token scores, as transformers' logits processors do it, for rows of many documents.

Each function repeats the arithmetic of its namesake in `transformers.generation.logits_process`, operation by
operation, so that fp32 results are equal; tests/test_processors.py holds them against the originals. The difference is
the history: rows belong to documents of different lengths, so positions without a token hold `NO_TOKEN`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

NO_TOKEN = -1


@dataclass(frozen=True)
class Processing:
    """How scores become a distribution. Rows with the same tokens and the same `Processing` are computed once.

    Args:
        is_beam: beam search works on log-probabilities, everything else on logits: a repetition penalty differs.
        min_tokens_to_keep: what top_k, top_p and min_p leave in any case.
    """

    is_beam: bool = False
    do_sample: bool = False
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    min_new_tokens: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    min_tokens_to_keep: int = 1

    @property
    def reads_history(self) -> bool:
        """Whether the tokens so far change the scores."""
        return self.repetition_penalty != 1.0 or self.no_repeat_ngram_size > 0


def build_processing(settings: dict[str, Any], eos_tokens: int) -> Processing:
    """The `Processing` of a configuration's settings, for a model with so many end-of-text tokens."""
    is_beam, do_sample = settings.get("num_beams", 1) > 1, bool(settings.get("do_sample"))
    named = {f.name for f in fields(Processing)} - {"is_beam", "do_sample", "min_tokens_to_keep"}
    if not do_sample:
        named -= {"temperature", "top_k", "top_p", "min_p"}
    chosen = {name: settings[name] for name in named if name in settings}
    # a beam needs one token besides the ends of text to go on with
    keep = max(2, eos_tokens + 1) if is_beam and do_sample else 1
    return Processing(is_beam, do_sample, min_tokens_to_keep=keep, **chosen)


def process(
    scores: Tensor, history: Tensor | None, lengths: Tensor, eos_token_ids: Sequence[int], rule: Processing
) -> Tensor:
    """Processes scores in place, as far as that goes.

    Args:
        scores: (rows, vocabulary) logits, or log-probabilities for beams; fp32.
        history: (rows, tokens) prompt and generated tokens, `NO_TOKEN` on either side; needed if the rule reads it.
        lengths: (rows, 2) the position in `history` past the last token, and the number of generated tokens.

    Returns:
        (rows, vocabulary)
    """
    if rule.repetition_penalty != 1.0:
        scores = _penalise_repetition(scores, history, rule.repetition_penalty)
    if rule.no_repeat_ngram_size:
        scores = _block_ngrams(scores, history, lengths[:, 0], rule.no_repeat_ngram_size)
    if rule.min_new_tokens and eos_token_ids:
        ends = torch.tensor(eos_token_ids, device=scores.device)
        early = (lengths[:, 1] < rule.min_new_tokens).nonzero()
        scores[early, ends] = -torch.inf
    return _warp(scores, rule) if rule.do_sample else scores


def _penalise_repetition(scores: Tensor, history: Tensor, penalty: float) -> Tensor:
    # an empty position stands for the row's largest token, which is there anyway
    history = torch.where(history == NO_TOKEN, history.amax(1, keepdim=True), history)
    score = torch.gather(scores, 1, history)
    return scores.scatter_(1, history, torch.where(score < 0, score * penalty, score / penalty))


def _block_ngrams(scores: Tensor, history: Tensor, ends: Tensor, size: int) -> Tensor:
    """No n-gram twice. `ends`: (rows,) the position past each row's last token."""
    if history.shape[1] < size:
        return scores
    last = ends[:, None] - torch.arange(size - 1, 0, -1, device=history.device)
    windows = history.unfold(1, size, 1)
    # a row with fewer tokens than size - 1 reads NO_TOKEN before its first, where no window has a token after it
    context = history.gather(1, last.clamp(min=0))
    matches = (windows[..., :-1] == context[:, None]).all(-1) & (windows[..., -1] != NO_TOKEN)
    matches &= windows[..., 0] != NO_TOKEN
    rows, places = matches.nonzero(as_tuple=True)
    scores[rows, windows[rows, places, -1]] = -torch.inf
    return scores


def _warp(scores: Tensor, rule: Processing) -> Tensor:
    """Temperature, top-k, top-p and min-p, in transformers' order."""
    if rule.temperature != 1.0:
        scores = scores / rule.temperature
    if rule.top_k:
        top_k = min(max(rule.top_k, rule.min_tokens_to_keep), scores.shape[-1])
        scores = scores.masked_fill(scores < torch.topk(scores, top_k)[0][..., -1, None], -torch.inf)
    if rule.top_p < 1.0:
        ordered, order = torch.sort(scores, descending=False)
        removed = ordered.softmax(-1).cumsum(-1) <= (1 - rule.top_p)
        removed[..., -rule.min_tokens_to_keep :] = False
        scores = scores.masked_fill(removed.scatter(1, order, removed), -torch.inf)
    if rule.min_p:
        probabilities = scores.softmax(-1)
        removed = probabilities < rule.min_p * probabilities.amax(-1, keepdim=True)
        kept = torch.topk(probabilities, min(rule.min_tokens_to_keep, scores.shape[-1]), dim=-1).indices
        scores = scores.masked_fill(removed.scatter(-1, kept, False), -torch.inf)
    return scores
