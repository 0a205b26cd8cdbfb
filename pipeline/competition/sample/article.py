"""The engine that turns declarative events into articles with a one-line summary."""

import random
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.competition.sample.lexicon import POOLS
from pipeline.competition.sample.particles import fill, slots_of

_CHOICE = re.compile(r"\[([^\]]*)\]")
_STRANGER = "9"  # slot number that marks the entities of sentences beside the point


@dataclass(frozen=True)
class Form:
    """One way in which an event can turn out: the fact sentences that state it, and the summary they call for."""

    summary: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """One kind of news as sentence templates: `[a|b]` is a choice of wording, `{slot:은}` a fact with its particle.

    `facts` stand in every article, one to two of `details` are added. A bundle holds facts that must fit one another
    (a maker and its goods), and `pools` lists the facts known to this kind only.
    """

    kind: str
    topic: str
    lead: str
    facts: tuple[str, ...]
    details: tuple[str, ...]
    forms: tuple[Form, ...]
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bundles: tuple[Mapping[str, str], ...] = ({},)


@dataclass(frozen=True)
class Article:
    """Wordings already chosen but not filled in, the place of a sentence beside the point, and the facts."""

    kind: str
    templates: tuple[str, ...]
    summary_template: str
    distractor: int
    facts: Mapping[str, str]

    @property
    def text(self) -> str:
        """The article's sentences, joined by spaces."""
        return " ".join(fill(template, self.facts) for template in self.templates)

    @property
    def summary(self) -> str:
        """The one-sentence summary."""
        return fill(self.summary_template, self.facts)


class Facts(dict[str, str]):
    """Facts drawn when first asked for, all different from one another."""

    def __init__(self, rng: random.Random, pools: Mapping[str, Sequence[str]], bundle: Mapping[str, str]) -> None:
        super().__init__()
        self._rng, self._pools = rng, pools
        for slot, template in bundle.items():
            self[slot] = fill(template, self)

    def __missing__(self, slot: str) -> str:
        pool = self._pools[slot.rstrip(string.digits)]
        taken = set(self.values())
        value = fill(self._rng.choice(pool), self)
        while value in taken:
            value = fill(self._rng.choice(pool), self)
        self[slot] = value
        return value


def wordings(template: str) -> int:
    """Number of wordings which the `[a|b]` choices of `template` allow."""
    count = 1
    for choice in _CHOICE.findall(template):
        count *= len(choice.split("|"))
    return count


def _worded(template: str, rng: random.Random) -> str:
    return _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template)


def draw_article(event: Event, distractors: Sequence[str], rng: random.Random) -> Article:
    """A random article of 4-7 sentences about `event`: the lead first, everything else in random order."""
    form = rng.choice(event.forms)
    facts = Facts(rng, {**POOLS, **event.pools}, rng.choice(event.bundles))
    asides = _draw_asides(distractors, rng)
    details = rng.sample(event.details, rng.choice((0, 1, 1, 1, 2)))
    own = [_worded(sentence, rng) for sentence in (*event.facts, *form.facts)]
    body = own + [_worded(sentence, rng) for sentence in details] + asides
    rng.shuffle(body)
    # The outcome of an event may refer to what its first fact names, so the facts keep their order among themselves.
    ordered = iter(own)
    templates = (_worded(event.lead, rng), *(next(ordered) if sentence in own else sentence for sentence in body))
    for template in (form.summary, *templates):
        for slot in slots_of(template):
            facts[slot]  # drawn here, in a fixed order, so that the article owns all of its facts
    return Article(event.kind, templates, form.summary, templates.index(asides[0]), dict(facts))


def _draw_asides(distractors: Sequence[str], rng: random.Random) -> list[str]:
    """One or two sentences beside the point, each with names and numbers of its own."""
    chosen = rng.sample(distractors, rng.choice((1, 1, 2)))
    return [_worded(sentence, rng).replace(_STRANGER, str(9 - index)) for index, sentence in enumerate(chosen)]


def with_other_aside(article: Article, distractors: Sequence[str], rng: random.Random) -> Article:
    """`article` with one sentence beside the point exchanged for another: a near-duplicate with the same summary."""
    spare = "7"  # a slot number no article uses, so that the new sentence brings new names
    template = _worded(rng.choice(distractors), rng).replace(_STRANGER, spare)
    facts = Facts(rng, POOLS, {})
    facts.update(article.facts)
    for slot in slots_of(template):
        facts[slot]
    templates = list(article.templates)
    templates[article.distractor] = template
    return replace(article, templates=tuple(templates), facts=dict(facts))


def with_other_number(article: Article, pools: Mapping[str, Sequence[str]], rng: random.Random) -> Article | None:
    """`article` with one number of its summary changed everywhere; None when the summary has no number to change."""
    for slot in slots_of(article.summary_template):
        pool = {**POOLS, **pools}.get(slot.rstrip(string.digits), ())
        if any(digit in article.facts[slot] for digit in string.digits) and pool:
            others = [value for value in pool if value not in article.facts.values()]
            return replace(article, facts={**article.facts, slot: rng.choice(others)})
    return None
