"""The embedded sample competition: made-up Korean news with one-line summaries, the same bytes for the same seed."""

import random
from typing import TYPE_CHECKING

from pipeline.competition.sample import events_business, events_incident, events_people, events_society, events_town
from pipeline.competition.sample.article import Article, Event, draw_article, with_other_aside, with_other_number

if TYPE_CHECKING:
    import pandas

TRAIN_SIZE = 2000
TEST_SIZE = 300
NEAR_DUPLICATES = 8
EVENTS: tuple[Event, ...] = (
    *events_business.EVENTS,
    *events_people.EVENTS,
    *events_society.EVENTS,
    *events_town.EVENTS,
    *events_incident.EVENTS,
)
DISTRACTORS = {
    "business": events_business.DISTRACTORS,
    "society": events_society.DISTRACTORS,
    "incident": events_incident.DISTRACTORS,
}
_EVENT_OF = {event.kind: event for event in EVENTS}


def draw_sample(seed: int = 2023) -> tuple[list[Article], list[Article]]:
    """The training (2,000) and test (300) articles; 8 of the test are near-duplicates of training articles."""
    rng = random.Random(seed)
    seen: set[str] = set()
    train = _draw_unique(TRAIN_SIZE, rng, seen)
    test = _draw_unique(TEST_SIZE - NEAR_DUPLICATES, rng, seen)
    for index in range(NEAR_DUPLICATES):
        twin = _near_duplicate(train, index, rng, seen)
        test.insert(rng.randrange(len(test) + 1), twin)
    return train, test


def _draw_unique(count: int, rng: random.Random, seen: set[str]) -> list[Article]:
    """`count` articles, evenly over the kinds and in random order, with texts not in `seen` (which they join)."""
    events = [EVENTS[index % len(EVENTS)] for index in range(count)]
    rng.shuffle(events)
    articles = []
    for event in events:
        article = draw_article(event, DISTRACTORS[event.topic], rng)
        while article.text in seen:
            article = draw_article(event, DISTRACTORS[event.topic], rng)
        seen.add(article.text)
        articles.append(article)
    return articles


def _near_duplicate(train: list[Article], index: int, rng: random.Random, seen: set[str]) -> Article:
    """A variation, not in `seen`, of a training article: another aside for an even `index`, else another number."""
    while True:
        article = rng.choice(train)
        event = _EVENT_OF[article.kind]
        if index % 2 == 0:
            twin = with_other_aside(article, DISTRACTORS[event.topic], rng)
        else:
            twin = with_other_number(article, event.pools, rng)
        if twin and twin.text not in seen:
            seen.add(twin.text)
            return twin


def build_sample(seed: int = 2023) -> "dict[str, pandas.DataFrame]":
    """The four tables: train (id, text, summary), test (id, text), sample_submission and answers (id, summary)."""
    import pandas  # only here: the rest of the package runs without it

    train, test = draw_sample(seed)
    train_rows = [(f"train-{i:04d}", article.text, article.summary) for i, article in enumerate(train, 1)]
    test_rows = [(f"test-{i:04d}", article.text, article.summary) for i, article in enumerate(test, 1)]
    answers = [(row_id, summary) for row_id, _, summary in test_rows]
    return {
        "train": pandas.DataFrame(train_rows, columns=["id", "text", "summary"]),
        "test": pandas.DataFrame([row[:2] for row in test_rows], columns=["id", "text"]),
        "sample_submission": pandas.DataFrame([(row_id, "") for row_id, _ in answers], columns=["id", "summary"]),
        "answers": pandas.DataFrame(answers, columns=["id", "summary"]),
    }
