"""Further data sets at ratios."""

import pandas as pd
import pytest

from pipeline.competition.mixing import Source, describe_sources, draw_sources, mix


@pytest.fixture
def news():
    rows = [(f"n{i}", f"뉴스 {i}", [f"요약 {i}"] if i % 2 else []) for i in range(10)]
    return pd.DataFrame(rows, columns=["id", "text", "summaries"])


@pytest.mark.parametrize(("weight", "expected"), [(0.25, 2), (0.5, 4), (1.25, 10), (2.9, 23), (0.01, 0)])
def test_as_many_rows_as_the_weight_says_and_each_equally_often(news, five_rows, weight, expected):
    own = pd.concat([five_rows, five_rows.head(3)])
    drawn, (count,) = draw_sources([Source("news.csv", news, weight)], len(own), 1)
    assert len(drawn) == count["drawn"] == expected
    assert drawn["id"].is_unique
    times = drawn["text"].value_counts()
    assert len(times) == min(expected, 10)
    assert times.max() - times.min() <= 1 if expected else True
    assert count["labelled"] == sum(map(bool, drawn["summaries"]))
    mixed = mix(five_rows, drawn)
    assert len(mixed) == 5 + count["labelled"]
    assert list(mixed["id"][:5]) == list(five_rows["id"])
    assert all(mixed["summaries"].map(len))
    (line,) = describe_sources([count], 8)
    assert line.startswith(f"extra: news.csv: {expected} of 10 rows drawn (weight {weight:g} of 8 own rows)")
    assert ("up to 3 times" in line) == (expected == 23)


def test_draw_is_the_seed_s_and_one_weight_leaves_the_other_source_alone(news):
    both = [Source("a", news, 0.5), Source("b", news, 0.5)]
    drawn = draw_sources(both, 10, 1)[0]
    assert drawn.equals(draw_sources(both, 10, 1)[0])
    assert not drawn.equals(draw_sources(both, 10, 2)[0])
    other = draw_sources([Source("a", news, 0.9), both[1]], 10, 1)[0]
    assert list(other["id"][-5:]) == list(drawn["id"][-5:])
    assert drawn["id"][0].startswith("a#n")


def test_empty_source_and_no_source_give_nothing(news, five_rows):
    for sources in ([], [Source("a", news.head(0), 2.0)]):
        drawn, _ = draw_sources(sources, 10, 1)
        assert len(drawn) == 0
        assert mix(five_rows, drawn).equals(five_rows)
