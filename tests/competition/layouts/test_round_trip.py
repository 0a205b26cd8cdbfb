"""Every layout, from the files that are handed out to the file that a board takes, in the nesting that each has."""

import pandas as pd
import pytest
from layout_files import COMPETITIONS

from pipeline.cli.competition import list_role, load_splits, load_submission_form, load_test_documents
from pipeline.competition.formats import Columns, parse_predictions
from pipeline.competition.layouts.reading import LAYOUTS
from pipeline.stages.export import build_submission


@pytest.fixture
def write(make_params, tmp_path):
    """Writes a competition's files and gives the params that name them."""

    def write(competition, **changes):
        for name, content in competition.files.items():
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).write_bytes(content)
        files = {"data.folder": str(tmp_path / "data"), "data.train": competition.train_name}
        files |= {"data.test": competition.test_name, "data.sample_submission": competition.sample}
        return make_params(**{**files, "preprocess.valid_fraction": 0.5, **competition.params, **changes})

    return write


def read_all(params):
    competition = load_splits(params)
    splits, lines = competition.splits, competition.lines
    assert len(competition.cleaned.removed) == 0
    train = pd.concat([splits["train"], splits["valid"]])
    rows = [(name, text, list(many)) for name, text, many in train.itertuples(index=False)]
    return sorted(rows), splits["test"], lines


def test_every_layout_has_a_competition():
    assert {name.split()[0] for name in COMPETITIONS} == set(LAYOUTS)


@pytest.mark.parametrize("name", COMPETITIONS)
@pytest.mark.parametrize("is_told", [False, True])
def test_files_become_documents_and_predictions_a_submission(write, name, is_told):
    competition = COMPETITIONS[name]
    told = {"data.layout": name.split()[0]} if is_told and name not in ("parquet", "csv") else {}
    params = write(competition, **told)
    documents, test, lines = read_all(params)
    assert documents == sorted(competition.documents)
    assert test.to_numpy().tolist() == [list(competition.test)]
    assert lines[0] == f"train: {competition.line}"
    assert lines[1].startswith("test: ")
    form, texts = load_submission_form(params), load_test_documents(params)
    assert texts == dict([competition.test])
    written = build_submission(pd.DataFrame({"id": [competition.test[0]], "summary": ["요약 하나"]}), form, texts)
    assert written == competition.submission
    # as grade reads it, without being told the layout
    back = parse_predictions(written, "submission", Columns("id", "text", "summary"), None)
    assert back.to_numpy().tolist() == [[competition.test[0], "요약 하나"]]


def test_names_in_zips_of_korean_windows_are_read_and_shown(write):
    names = [file.name for file in list_role(write(COMPETITIONS["aihub_report"]).data, "train")]
    assert [name.split("zip: ")[1] for name in names] == ["01.뉴스/a1.json", "01.뉴스/a2.json"]


def test_keys_that_params_name_win(write):
    params = write(COMPETITIONS["aihub_report"], **{"data.id_column": "passage_id", "data.summary_column": "summary1"})
    params = params.model_copy(update={"data": params.data.model_copy(update={"test": "TL1.zip"})})
    files = list_role(params.data, "train")
    from pipeline.cli.competition import get_columns
    from pipeline.competition.layouts.frames import read_frame
    from pipeline.competition.layouts.reading import Reading

    frame = read_frame(files, Reading("auto", "auto", get_columns(params.data)[0]), "train").frame
    assert frame["id"].tolist() == ["a1-p", "a2-p"]
    assert [list(many) for many in frame["summaries"]] == [["서울 축제에 백 명"], ["부산항 물동량 증가"]]
