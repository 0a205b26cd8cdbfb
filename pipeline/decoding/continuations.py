"""From the logits of distinct rows to the next tokens of every search that follows them.

Searches that follow the same row with the same `Processing` share one processed distribution, so the work over the
vocabulary grows with what is distinct, not with the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.decoding.processors import Processing, process
from pipeline.decoding.sampling import pick_tokens

# scores over the vocabulary that are worked on at a time: small enough for a CPU's cache
CHUNK = {"cpu": 1 << 22}
DEVICE_CHUNK = 1 << 26


@dataclass(frozen=True)
class Request:
    """What searches of one kind want to know.

    Args:
        rows: (sequences,) the row that each sequence follows.
        rules: one `Processing` a sequence.
        best: most likely tokens wanted of each.
        draws: (sequences,) uniform numbers, for those that sample; None for beams.
    """

    rows: np.ndarray
    rules: Sequence[Processing]
    best: int
    draws: Tensor | None


@dataclass(frozen=True)
class History:
    """Tokens so far, for processors that read them.

    Args:
        tokens: (rows, tokens) prompt and own tokens, `NO_TOKEN` on either side.
        ends: (rows,) position past each row's last token.
    """

    tokens: Tensor
    ends: Tensor


def compute_continuations(
    logits: Tensor, history: History | None, generated: Tensor, eos: Sequence[int], requests: Sequence[Request]
) -> list[tuple[Tensor, Tensor]]:
    """The best continuations of every sequence.

    Args:
        logits: (rows, vocabulary)
        generated: (rows,) tokens after the prompt.
        eos: tokens that end a sequence.

    Returns:
        For each request scores and tokens on the CPU, (sequences, best): one token and no meaningful score for greedy
        and sampled sequences, log-probabilities in descending order for beams.
    """
    count, vocabulary = logits.shape
    index, pairs, inverse = _find_distinct(requests, count)
    best = min(max(request.best for request in requests), vocabulary)
    scores, tokens = torch.zeros(len(pairs), best), torch.zeros(len(pairs), best, dtype=torch.long)
    sampled = torch.zeros(len(inverse), dtype=torch.long)
    size = max(1, CHUNK.get(logits.device.type, DEVICE_CHUNK) // vocabulary)
    for start in range(0, count, size):
        base = logits[start : start + size].float()
        log_probabilities = base.log_softmax(-1) if any(rule.is_beam for rule in index) else base
        for rule, number in index.items():
            first, last = np.searchsorted(pairs, [number * count + start, number * count + min(start + size, count)])
            if first == last:
                continue
            source = log_probabilities if rule.is_beam else base
            rows = torch.from_numpy(pairs[first:last] - number * count).to(logits.device)
            processed = _process(source[rows - start], history, generated, rows, eos, rule)
            if rule.is_beam:
                scores[first:last], tokens[first:last] = (t.cpu() for t in torch.topk(processed, best))
            elif rule.do_sample:
                wanted = np.flatnonzero((inverse >= first) & (inverse < last))
                sampled[wanted] = _draw(processed, inverse[wanted] - first, requests, wanted)
            else:
                tokens[first:last, 0] = processed.argmax(-1).cpu()
    return _hand_out(requests, scores, tokens, inverse, sampled)


def _find_distinct(requests: Sequence[Request], count: int) -> tuple[dict[Processing, int], np.ndarray, np.ndarray]:
    """The rules by number; the distinct pairs of a rule and a row, as number x `count` + row, sorted; and the place of
    each sequence's pair among them."""
    index: dict[Processing, int] = {}
    owners = [index.setdefault(rule, len(index)) for request in requests for rule in request.rules]
    followed = np.concatenate([request.rows for request in requests])
    pairs, inverse = np.unique(np.array(owners, dtype=np.int64) * count + followed, return_inverse=True)
    return index, pairs, inverse


def _draw(processed: Tensor, places: np.ndarray, requests: Sequence[Request], wanted: np.ndarray) -> Tensor:
    """Tokens drawn by the numbers of the wanted sequences, from the distributions at `places`."""
    draws = torch.cat([torch.zeros(len(r.rows), dtype=torch.double) if r.draws is None else r.draws for r in requests])
    device = processed.device
    return pick_tokens(processed, torch.from_numpy(places).to(device), draws[wanted].to(device)).cpu()


def _process(
    own: Tensor, history: History | None, generated: Tensor, rows: Tensor, eos: Sequence[int], rule: Processing
) -> Tensor:
    past = history.tokens[rows] if history is not None and rule.reads_history else None
    ends = history.ends[rows] if history is not None else generated[rows]
    return process(own, past, torch.stack([ends, generated[rows]], 1), eos, rule)


def _hand_out(
    requests: Sequence[Request], scores: Tensor, tokens: Tensor, inverse: np.ndarray, sampled: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Each request's part."""
    answers, start = [], 0
    for request in requests:
        stop = start + len(request.rows)
        own = torch.from_numpy(inverse[start:stop])
        part_scores, part_tokens = scores[own, : request.best], tokens[own, : request.best]
        samples = torch.tensor([rule.do_sample and not rule.is_beam for rule in request.rules], dtype=torch.bool)
        part_tokens[samples, 0] = sampled[start:stop][samples]
        answers.append((part_scores, part_tokens))
        start = stop
    return answers
