"""What the report shows: all that the graph left, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Submission:
    """The file to upload: its path, its SHA-256 and its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Ledger:
    """The submissions so far (`pipeline.history.ledger`), and what they say of validation and the board."""

    rows: Sequence[Mapping[str, str]] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Results:
    """What a run left.

    Args:
        board: metrics/leaderboard.csv, best first; rows of any kind.
        scores: `pipeline.tables.SCORES`, a row a name and validation document.
        examples: `pipeline.tables.LABELLED` of validation.
        selection: predictions/selection.json.
        details: the files of details/ by name; a stage that has nothing to tell may be missing.
        history: plots/train.csv: `step`, `loss`, `learning_rate`; empty where nothing was trained.
        removed: data/processed/removed.csv.
        submission: None where none was written.
        environment: what the report says of the machine and its packages, by what it is.
    """

    board: "pd.DataFrame"
    scores: "pd.DataFrame"
    examples: "pd.DataFrame"
    selection: Mapping[str, Any]
    details: Mapping[str, Mapping[str, Any]]
    history: "pd.DataFrame"
    removed: "pd.DataFrame"
    submission: Submission | None = None
    ledger: Ledger = field(default_factory=Ledger)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> str:
        """The name of the row that predicts the test set."""
        return str(self.selection["name"])
