"""Which part of a document that does not fit is kept, and into which parts it can be cut.

`salient` keeps the sentences that are most central to their document, as many as fit, in the document's order. A
sentence's centrality is its degree in the graph whose edges are the sentences' TF-IDF cosines (Erkan & Radev 2004,
"LexRank: Graph-based Lexical Centrality as Salience in Text Summarization", section 3.1, without a threshold). The sum
of cosines is one product with the sum of all vectors, so its cost grows with the document and not with its square.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from pipeline.competition.text.sentences import split_pieces
from pipeline.competition.text.terms import list_terms
from pipeline.errors import InputError
from pipeline.tables import load_json, save_json

SALIENT = "salient"
# the simplest first, by which ties are decided
TRUNCATIONS = ("head", "tail", "head_tail", SALIENT)
# terms of which document frequencies are kept; all others count as rare
VOCABULARY = 2**13


@dataclass(frozen=True)
class Idf:
    """In how many of so many training documents a term stands; a term that is not listed stands in none."""

    documents: int
    frequencies: dict[str, int]

    def weigh(self, term: str) -> float:
        """Smoothed inverse document frequency, above 0."""
        return math.log((self.documents + 1) / (self.frequencies.get(term, 0) + 1)) + 1


@dataclass(frozen=True)
class Truncation:
    """What preprocess decided for all stages: one of `TRUNCATIONS`, and what `salient` needs to know of terms."""

    name: str
    idf: Idf | None = None


def fit_idf(texts: Iterable[str]) -> Idf:
    """Document frequencies of the commonest terms of training documents."""
    counts: Counter[str] = Counter()
    documents = 0
    for text in texts:
        counts.update(set(list_terms(text)))
        documents += 1
    common = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:VOCABULARY]
    return Idf(documents, dict(common))


def save_truncation(truncation: Truncation, path: Path) -> None:
    """Writes the decision and nothing else: what depends on the file runs again only if the decision changed."""
    idf = truncation.idf
    known = {"idf": {"documents": idf.documents, "frequencies": idf.frequencies}} if idf else {}
    save_json({"truncation": truncation.name, **known}, path)


def load_truncation(path: Path) -> Truncation:
    """Raises InputError if the file is missing or holds no such decision."""
    content: Any = load_json(path)
    try:
        idf = content.get("idf")
        return Truncation(content["truncation"], Idf(idf["documents"], idf["frequencies"]) if idf else None)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is not what preprocess writes; run the preprocess stage again") from error


def truncate(ids: list[int], limit: int, truncation: str) -> list[int]:
    """At most `limit` tokens: the first (`head`), the last (`tail`), or half of each (`head_tail`).

    >>> truncate([1, 2, 3, 4, 5], 3, "head_tail")
    [1, 2, 5]
    """
    if len(ids) <= limit:
        return ids
    if truncation == "head":
        return ids[:limit]
    if truncation == "tail":
        return ids[len(ids) - limit :]
    if truncation != "head_tail":
        raise ValueError(f"{truncation} says nothing of which tokens are kept")
    last = limit // 2
    return ids[: limit - last] + ids[len(ids) - last :]


def keep_salient(text: str, room: int, tokenize: Callable[[Sequence[str]], list[list[int]]], idf: Idf) -> list[int]:
    """Token ids of the most central sentences that fit together, in the document's order.

    A sentence that does not fit is passed over for the next one. If none fits, the most central one is cut.

    Args:
        room: most tokens.
        tokenize: texts -> token ids of each.
    """
    pieces = split_pieces(text)
    if not pieces:
        return tokenize([text])[0][:room]
    tokens, order = tokenize(pieces), rank_by_centrality(pieces, idf)
    free, chosen = room, []
    for place in order:
        if len(tokens[place]) <= free:
            chosen.append(place)
            free -= len(tokens[place])
    while chosen:
        # read as one text, for a word behind a space may be another token than alone; that is seldom a token more
        ids = tokenize(["".join(pieces[place] for place in sorted(chosen)).rstrip()])[0]
        if len(ids) <= room:
            return ids
        chosen.pop()
    return tokens[order[0]][:room]


def rank_by_centrality(sentences: Sequence[str], idf: Idf) -> list[int]:
    """Places of the sentences, the most central first; of equals the first in the document."""
    vectors = [_weigh_terms(sentence, idf) for sentence in sentences]
    total: Counter[str] = Counter()
    for vector in vectors:
        for term, weight in vector.items():
            total[term] += weight
    degrees = [sum(weight * total[term] for term, weight in vector.items()) for vector in vectors]
    return sorted(range(len(sentences)), key=lambda place: (-round(degrees[place], 9), place))


def _weigh_terms(sentence: str, idf: Idf) -> dict[str, float]:
    """A sentence's TF-IDF vector of length 1."""
    weights = {term: count * idf.weigh(term) for term, count in Counter(list_terms(sentence)).items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {term: weight / length for term, weight in weights.items()}


def split_to_fit(text: str, room: int, count: Callable[[str], int]) -> list[str]:
    """Parts of a text, of like length and at most `room` tokens each; cut at sentences' ends where there are any.

    Args:
        count: tokens of a text.
    """
    tokens = count(text)
    # a single character that does not fit is left as it is
    if tokens <= room or len(text) < 2:
        return [text]
    if (stripped := text.strip()) != text:
        return split_to_fit(stripped, room, count)
    parts = math.ceil(tokens / room)
    wanted = max(len(text) * (parts // 2) // parts, 1)
    ends = list(accumulate(map(len, split_pieces(text))))[:-1] or [wanted]
    middle = min(ends, key=lambda end: abs(end - wanted))
    halves = text[:middle].rstrip(), text[middle:].lstrip()
    return [part for half in halves for part in split_to_fit(half, room, count)]
