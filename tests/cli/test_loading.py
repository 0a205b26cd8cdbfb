"""What commands read: summaries made elsewhere, whose ids may be those of two documents."""

import pandas as pd
import pytest

from pipeline.cli.loading import load_externals
from pipeline.errors import InputError
from pipeline.paths import PROCESSED
from pipeline.tables import UNLABELLED, save_table


@pytest.fixture
def chat(tmp_path, monkeypatch):
    """Test documents 1 and 2, and a file of summaries to be written."""
    monkeypatch.chdir(tmp_path)
    save_table(pd.DataFrame({"id": ["1", "2"], "text": "본문"}), PROCESSED / "test.parquet", UNLABELLED)
    return tmp_path / "chat.csv"


def test_external_summary_of_a_shared_id_is_refused_until_its_split_is_told(chat):
    valid = pd.DataFrame({"id": ["2", "3"]})
    chat.write_text("id,summary\n1,하나\n2,둘\n3,셋\n")
    with pytest.raises(InputError, match=r"^chat\.csv: '2' is a validation and a test document; where validation and"):
        load_externals(["chat.csv"], valid)
    chat.write_text("id,summary,split\n1,하나,test\n2,시험,test\n2,둘,valid\n3,셋,valid\n")
    (external,) = load_externals(["chat.csv"], valid)
    assert external.pick_summaries(["2", "3"], "validation") == ["둘", "셋"]
    assert external.pick_summaries(["1", "2"], "test") == ["하나", "시험"]


def test_file_without_a_split_serves_both_where_no_id_is_shared(chat):
    chat.write_text("id,summary\n1,하나\n2,둘\n3,셋\n")
    (external,) = load_externals(["chat.csv"], pd.DataFrame({"id": ["3"]}))
    assert external.pick_summaries(["3"], "validation") == ["셋"]
    assert external.pick_summaries(["1", "2"], "test") == ["하나", "둘"]
