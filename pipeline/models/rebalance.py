"""Rebalanced encoding: pairs of tokens that follow one another too surely become one token.

Where many tokens lead to the same next one with a high probability, a chain comes back to it easily and a model repeats
itself; merging such pairs lowers the bound on that (Fu et al. 2021, "A Theoretical Analysis of the Repetition Problem
in Text Generation", 2012.14660, section "Rebalanced Encoding").
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# merged pairs make new pairs; the authors' code looks so many times too
ROUNDS = 10


def rebalance(bpe: "Tokenizer", texts: Sequence[str], threshold: float) -> "Tokenizer":
    """A byte-level BPE tokenizer with a merge for each pair whose second token follows the first too surely.

    The merges stand behind all others, so that a text is split as before (nearly: a merge that was learnt in a word may
    now join two) and then joined, over the borders of words too, but for digits, which stay alone. The vocabulary grows
    by a token a merge. Where no pair is so sure, the tokenizer is left as it is.

    Args:
        bpe: trained on the texts.
        threshold: pairs are merged whose smoothed probability (count of the pair + 1) / (count of the first + size of
            the vocabulary) is above.
    """
    from tokenizers import Tokenizer

    description = _open_words(json.loads(bpe.to_str()))
    opened = Tokenizer.from_str(json.dumps(description))
    for number in range(ROUNDS):
        pairs = find_high_inflow([e.ids for e in opened.encode_batch(list(texts))], opened.get_vocab_size(), threshold)
        if not _add_merges(description, [(opened.id_to_token(a), opened.id_to_token(b)) for a, b in pairs]):
            return opened if number else bpe
        opened = Tokenizer.from_str(json.dumps(description))
    return opened


def find_high_inflow(sequences: Sequence[Sequence[int]], size: int, threshold: float) -> list[tuple[int, int]]:
    """Pairs of neighbours whose transition probability is above a threshold, surest first.

    Args:
        sequences: token ids of each text.
        size: of the vocabulary.
    """
    codes = [np.asarray(ids[:-1], np.int64) * size + np.asarray(ids[1:], np.int64) for ids in sequences]
    pairs, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *codes]), return_counts=True)
    leaving = np.bincount(pairs // size, counts, minlength=size)
    # the authors count every transition once more than it occurs
    probability = (counts + 1) / (leaving[pairs // size] + size)
    high = np.flatnonzero(probability > threshold)
    order = high[np.lexsort((pairs[high], -probability[high]))]
    return [(int(pair) // size, int(pair) % size) for pair in pairs[order]]


def _open_words(description: dict[str, Any]) -> dict[str, Any]:
    """Nothing but digits parts a text before its bytes are merged, so that merges may cross the borders of words."""
    for step in description["pre_tokenizer"]["pretokenizers"]:
        if step["type"] == "ByteLevel":
            step["use_regex"] = False
    return description


def _add_merges(description: dict[str, Any], pairs: Sequence[tuple[str, str]]) -> int:
    """Appends merges to a tokenizer's JSON; how many are new."""
    model = description["model"]
    known = set(map(tuple, model["merges"]))
    wanted = [pair for pair in pairs if pair not in known and not any(part.isdecimal() for part in pair)]
    for pair in wanted:
        model["merges"].append(list(pair))
        model["vocab"].setdefault("".join(pair), len(model["vocab"]))
    return len(wanted)
