"""Every reader withstands every file: it is read, or refused in one line a mistake; never a traceback, never a hang.

Three files a reader here; ten thousand each with `make fuzz`.
"""

import io
import json
from contextlib import suppress

import pandas as pd
import pytest
from builders import ROOT, build_rows
from hostile import LONG, count_examples, hostile, withstand, withstand_drawn
from hypothesis import strategies as st
from layout_files import COMPETITIONS, zip_files

from pipeline.competition.external import parse_external
from pipeline.competition.formats import Columns, parse_answers, parse_predictions, parse_submission_format
from pipeline.competition.layouts.frames import read_frame
from pipeline.competition.layouts.reading import LAYOUTS, Reading
from pipeline.competition.layouts.sources import build_file, list_files
from pipeline.errors import InputError

COLUMNS = Columns("id", "text", "summary")
FILES = [content for competition in COMPETITIONS.values() for content in competition.files.values()]
SUBMISSIONS = [competition.submission for competition in COMPETITIONS.values()]


def fuzz(read, *valid):
    """Reads hostile forms of valid files."""
    withstand_drawn(read, hostile(*valid))
    for content in LONG if count_examples() else ():
        with withstand():
            read(content)


def read_documents(files, layout, encoding="auto"):
    read_frame(files, Reading(layout, encoding, COLUMNS), "train", drop_invalid=True)


@pytest.mark.parametrize("name", COMPETITIONS)
def test_competition_files(name):
    files = [content for content in COMPETITIONS[name].files.values() if not content.startswith(b"PK")]
    layouts, encodings = [name.split()[0], *LAYOUTS], ("auto", "utf-8", "cp949", "utf-16")

    def read(content):
        with suppress(InputError):
            read_documents([build_file("f", content)], "auto")
        # as params may say, though the file is of another kind
        read_documents([build_file("f", content)], layouts[len(content) % len(layouts)], encodings[len(content) % 4])

    fuzz(read, *files)


def test_zips(tmp_path):
    members = {"가.json": '[{"id": "a", "text": "본문", "summary": "요약"}]', "b/../나.csv": "id,text,summary\na,b,c\n"}

    def read(content):
        (tmp_path / "f.zip").write_bytes(content)
        read_documents(list_files(str(tmp_path), "f.zip"), "auto")

    fuzz(read, zip_files(members), zip_files({"a.jsonl": "{}\n" * 999}), COMPETITIONS["aihub_report"].files["TL1.zip"])


def test_sample_submissions():
    from pipeline.stages.export import build_submission

    def read(content):
        form = parse_submission_format(content, "s", COLUMNS, "auto")
        summaries = pd.DataFrame({"id": form.ids, "summary": ["요약 =1"] * len(form.ids)})
        build_submission(summaries, form, {})

    fuzz(read, *SUBMISSIONS, *(competition.files[competition.sample] for competition in COMPETITIONS.values()))


def test_answers_and_submissions():
    def read(content):
        for encoding in (None, "utf-8", "cp949"):
            for parse in (parse_answers, parse_predictions):
                with suppress(InputError):
                    parse(content, "s", COLUMNS, encoding)

    fuzz(read, *SUBMISSIONS)


def test_summaries_made_elsewhere():
    fuzz(
        lambda content: parse_external(content, "e"),
        *("id,summary,split\na,하나,valid\na,둘,test\n".encode(), *SUBMISSIONS),
    )


def test_params():
    from pipeline.params.reading import parse_params

    def read(content):
        parse_params(content.decode("utf-8", "replace"))

    values = (ROOT / "params.yaml").read_text().splitlines(keepends=True)
    fuzz(read, "".join(line for line in values if not line.strip().startswith("#")).encode())


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["auto", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def test_values_of_params(shipped):
    from pipeline.params.reading import check_params

    keys = [(section, key) for section, inner in shipped.items() if isinstance(inner, dict) for key in inner]

    def read(changes, is_whole):
        values = {name: dict(inner) if isinstance(inner, dict) else inner for name, inner in shipped.items()}
        for (section, key), value in changes:
            if is_whole or not isinstance(values[section], dict):
                values[section] = value
            else:
                values[section][key] = value
        check_params(values, "params.yaml")

    withstand_drawn(read, st.lists(st.tuples(st.sampled_from(keys), odd), min_size=1, max_size=3), st.booleans())


def test_grids():
    from pipeline.params.grid import KNOWN_SETTINGS, build_configurations, find_grid_mistakes

    names = st.sampled_from([*KNOWN_SETTINGS, "num_beam_groups", ""])
    numbers = st.integers(-1, 4) | st.floats(0, 1) | st.booleans()

    def read(grid):
        if not find_grid_mistakes(grid, 8):
            build_configurations(grid, 8)

    settings = st.dictionaries(names, numbers | st.lists(numbers, max_size=3) | odd, max_size=5)
    withstand_drawn(read, st.dictionaries(st.text(max_size=4), settings))


def test_ledgers():
    from pipeline.history.agreement import describe_ledger
    from pipeline.history.ledger import merge_ledgers, parse_ledger, render_ledger, render_table

    def read(content):
        rows = parse_ledger(content, "ledger.csv")
        render_table(rows)
        describe_ledger(rows)
        assert parse_ledger(render_ledger(rows), "ledger.csv") == rows
        merge_ledgers(rows, rows)

    ledger = render_ledger(
        [row | {"tokenizer": "mecab", "time": "2026-01-01"} for row in build_rows((0.5, 0.4), (0.6, 0.5))]
    )
    fuzz(read, ledger, ledger.replace(b",", b";"), ledger.decode().encode("utf-16"))


@pytest.mark.parametrize("name", ["LABELLED", "CANDIDATES", "EXPLORED", "SCORES", "LIKELIHOODS"])
def test_tables(name):
    from pipeline import tables

    columns = getattr(tables, name)
    samples = {"list<string>": ["하나"], "string": "둘", "int64": 1, "bool": True, "double": 0.5, "list<int64>": [1, 2]}
    content = io.BytesIO()
    frame = pd.DataFrame([{key: samples[kind] for key, kind in columns.items()}] * 20)
    frame.to_parquet(content)
    fuzz(lambda content: tables.parse_table(content, "t", columns), content.getvalue())


def test_remembered_candidates(tmp_path, monkeypatch):
    from pipeline.decoding.beam import Candidate
    from pipeline.decoding.cache import CandidateCache

    monkeypatch.setenv("YOYAK_SCRATCH", str(tmp_path))
    kept = [Candidate([1, 2, 3], -0.5)]
    with CandidateCache("model", 0) as cache:
        for key in map(str, range(20)):
            cache.save(key, kept)
    (path,) = (tmp_path / "candidates").iterdir()

    def read(content):
        path.write_bytes(content)
        with CandidateCache("model", 0) as cache:
            assert [cache.load(key) for key in "abc"] == [None] * 3
            assert all(cache.load(str(number)) in (None, kept) for number in range(20))
            cache.save("1", kept)

    fuzz(read, path.read_bytes())


def test_dvc_lock():
    from pipeline.history.dvc_lock import parse_lock
    from pipeline.paths import VALID_SCORES

    lock = f"""schema: '2.0'
stages:
  decode:
    cmd: x
    deps: [{{path: a, md5: "111"}}]
    params: {{params.yaml: {{decode: {{a: 1}}}}}}
    outs: [{{path: p, md5: "222"}}]
  score:
    cmd: x
    deps: [{{path: p, md5: "222"}}]
    params: {{params.yaml: {{score: 1}}}}
    outs: [{{path: {VALID_SCORES}, md5: "333"}}]
"""

    def read(content):
        parsed = parse_lock(content, "exp-a")
        parsed.find_hash(VALID_SCORES)
        parsed.find_params(VALID_SCORES)
        parsed.check_made(VALID_SCORES, b"")

    assert parse_lock(lock.encode(), "exp-a").find_hash(VALID_SCORES) == "333"
    fuzz(read, lock.encode())


def test_presets():
    from pipeline.preflight.preset import apply_preset, parse_preset

    params = (ROOT / "params.yaml").read_text()

    def read(content):
        apply_preset(params, parse_preset("p", content.decode("utf-8", "replace")))

    fuzz(read, *(path.read_bytes() for path in (ROOT / "presets").glob("kogpt2.yaml")))


MODEL_FILES = {
    "base.json": {"name": "skt/kogpt2", "revision": "abc", "fingerprint": "abc"},
    "pinned.json": {"model.encoder": {"name": "a", "revision": None, "fingerprint": "b"}},
    "adapter.json": {"adapter": "models/adapter", "fingerprint": "abc"},
    "adapter_config.json": {"base_model_name_or_path": "models/base", "num_virtual_tokens": 8, "peft_type": "LORA"},
    "yoyak_special_tokens.json": ["#Person1#", "#Person2#"],
    "method.json": {"method": "none"},
    "truncation.json": {"truncation": "salient", "idf": {"documents": 2, "frequencies": {"축제": 1}}},
}


@pytest.mark.parametrize("name", MODEL_FILES)
def test_files_of_models(name, tmp_path):
    from pipeline.models.adapter import load_method, resolve_adapter
    from pipeline.models.base import load_base, load_pins
    from pipeline.models.pins import get_adapter_base
    from pipeline.models.special_tokens import load_special_tokens
    from pipeline.models.truncation import load_truncation

    readers = {
        "base.json": [load_base],
        "pinned.json": [load_pins, load_base],
        "adapter.json": [resolve_adapter],
        "adapter_config.json": [load_method, get_adapter_base],
        "yoyak_special_tokens.json": [load_special_tokens],
        "method.json": [load_method],
        "truncation.json": [lambda folder: load_truncation(folder / name)],
    }
    (tmp_path / "config.json").write_text("{}")

    def read(content):
        (tmp_path / name).write_bytes(content)
        for load in readers[name]:
            with suppress(InputError):
                load(tmp_path)

    fuzz(read, json.dumps(MODEL_FILES[name], indent=2).encode(), b"null", b"[]", b"{}", b'"a"', b"1")


def test_texts_are_cleaned_and_cut():
    from pipeline.competition.cleaning.texts import TEXT_RULES, clean_texts
    from pipeline.competition.text.sentences import split_pieces, split_sentences
    from pipeline.models.truncation import Idf, rank_by_centrality
    from pipeline.stages.export import clean_summary

    def read(content):
        text = content.decode("utf-8", "replace")
        for rule in TEXT_RULES:
            with suppress(InputError):
                clean_texts([text], [rule])
        clean_summary(text)
        split_pieces(text)
        rank_by_centrality(split_sentences(text)[:200], Idf(0, {}))

    article = "<p>[서울=뉴시스] 홍길동 기자 = 축제가 &lt;열렸다&gt;. a@b.co.kr\n무단 전재 및 재배포 금지 ⓒ 한국</p>"
    fuzz(read, article.encode(), "<!-- 하나 --> 둘 &#44032; 홍길동 기자 abc@def.com".encode())
