"""dvc.lock: what made a file. Bytes in, values out.

params.yaml says what the next run will do; dvc.lock says, stage by stage, what the last one did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.paths import DVC_LOCK


@dataclass(frozen=True)
class Lock:
    """A parsed dvc.lock of an experiment, whose name is for messages."""

    name: str
    stages: Mapping[str, Mapping[str, Any]]

    def check_made(self, path: Path, content: bytes) -> None:
        """Raises InputError if a file is not the one that a stage made."""
        recorded = {entry.get("md5") for stage in self.stages.values() for entry in _find(stage, "outs", str(path))}
        if md5(content, usedforsecurity=False).hexdigest() not in recorded:
            raise InputError(f"{self.name}: {path} is not what {DVC_LOCK} records; dvc repro")

    def find_hash(self, path: Path) -> str | None:
        """The MD5 of a file that a stage made; None if none did."""
        found = (entry.get("md5") for stage in self.stages.values() for entry in _find(stage, "outs", str(path)))
        return next(found, None)

    def find_params(self, path: Path) -> dict[str, Any]:
        """The params that made a file: of the stages before it, and of the nearest where several read the same.

        Raises:
            InputError: if a stage before has run again since, so that the params that made its part are gone.
        """
        found: dict[str, Any] = {}
        for name in self._list_stages(path):
            for values in self.stages[name].get("params", {}).values():
                found = {**values, **found}
        return found

    def _list_stages(self, path: Path) -> list[str]:
        """The stage that made a file and those before it, nearest first."""
        waiting = [name for name, stage in self.stages.items() if _find(stage, "outs", str(path))]
        listed: list[str] = []
        while waiting:
            name = waiting.pop(0)
            if name in listed:
                continue
            listed.append(name)
            for dep in self.stages[name].get("deps", []):
                for other, stage in self.stages.items():
                    for out in _find(stage, "outs", dep["path"]):
                        if out.get("md5") != dep.get("md5"):
                            raise InputError(
                                f"{self.name}: {other} has run since {name}, and {DVC_LOCK} knows only its last "
                                "params; dvc repro"
                            )
                        waiting.append(other)
        return listed


def parse_lock(content: bytes, name: str) -> Lock:
    """The dvc.lock of an experiment.

    Raises:
        InputError: if DVC would not read it, as where it was killed while it wrote it, or where a merge left its marks.
    """
    from dvc.exceptions import DvcException

    try:
        return Lock(name, _parse_stages(content))
    except (InputError, UnicodeDecodeError, DvcException) as error:
        raise InputError(f"{name}: {DVC_LOCK} cannot be read; remove it, and dvc repro makes it anew") from error


@lru_cache(maxsize=4)
def _parse_stages(content: bytes) -> Mapping[str, Mapping[str, Any]]:
    """The stages in a dvc.lock; a tenth of a second of YAML, and asked for once for each file of an experiment."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.strictyaml import validate

    from pipeline.params.reading import read_yaml

    return validate(read_yaml(content.decode(), str(DVC_LOCK)), COMPILED_LOCKFILE_SCHEMA).get("stages", {})


def _find(stage: Mapping[str, Any], kind: str, path: str) -> list[Mapping[str, Any]]:
    return [entry for entry in stage.get(kind, []) if entry["path"] == path]
