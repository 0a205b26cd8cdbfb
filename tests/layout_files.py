"""Small competitions in every layout that is read, each in the nesting in which it is handed out."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

TEXTS = (
    "서울에서 축제가 열렸다. 시민 백 명이 왔다.",
    "부산항 물동량이 늘었다. 값도 올랐다.",
    "대전에 새 다리가 놓였다. 길이 넓다.",
)
SUMMARIES = ("서울 축제에 백 명", "부산항 물동량 증가", "대전에 새 다리")
DIALOGUES = (
    (("SD1", "밥 먹었어?"), ("SD2", "아니,\n아직"), ("SD1", "같이 가자")),
    (("SD7", "비가 오네"), ("SD3", "우산 있어?")),
    (("P02", "영화 볼래?"), ("P01", "좋아"), ("P02", "그래")),
)
TURNS = (
    "#Person1#: 밥 먹었어?\n#Person2#: 아니, 아직\n#Person1#: 같이 가자",
    "#Person1#: 비가 오네\n#Person2#: 우산 있어?",
    "#Person1#: 영화 볼래?\n#Person2#: 좋아\n#Person1#: 그래",
)


@dataclass(frozen=True)
class Competition:
    """Files by name, what `preprocess` calls train, and what stands in it: two documents to train on, one to test.

    `documents` are (id, text, summaries) of train, `test` the id and text of the test document; `submission` is the
    file that the board wants when the summary is "요약 하나".
    """

    files: dict[str, bytes]
    documents: list[tuple[str, str, list[str]]]
    test: tuple[str, str]
    submission: bytes
    train_name: Any
    line: str
    test_name: str
    sample: str = "sample.csv"
    params: dict[str, Any] = field(default_factory=dict)


SAMPLE = b"id,summary\nx1,\n"
SUBMISSION = "id,summary\nx1,요약 하나\n".encode()
PLAIN = [("a1", TEXTS[0], [SUMMARIES[0]]), ("a2", TEXTS[1], [SUMMARIES[1]])]


def build(files, train_name, test_name, line, **others) -> Competition:
    """A competition; what is not named is that of documents a1, a2 and x1 and a sample of id and summary."""
    files = {"sample.csv": SAMPLE} | {
        name: content if isinstance(content, bytes) else content.encode() for name, content in files.items()
    }
    others = {"documents": PLAIN, "test": ("x1", TEXTS[2]), "submission": SUBMISSION} | others
    return Competition(files, train_name=train_name, test_name=test_name, line=line, **others)


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class KoreanName(zipfile.ZipInfo):
    """A member's name as Korean Windows writes it: bytes of CP949, without the mark that would say UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("cp949"), self.flag_bits


def zip_files(files: dict[str, str], kind: type[zipfile.ZipInfo] = zipfile.ZipInfo) -> bytes:
    """A zip of some texts by name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(kind(name), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def build_tables() -> dict[str, Competition]:
    """Of those with a row a document."""
    import pandas as pd

    rows = [(name, text, summary) for name, text, (summary,) in PLAIN]
    train = "id,text,summary\n" + "".join(f"{','.join(row)}\n" for row in rows)
    test = f"id,text\nx1,{TEXTS[2]}\n"
    semicolons = "id;text;summary\n" + "".join(f'{name};"{text}";{summary}\n' for name, text, summary in rows)
    parquet = io.BytesIO()
    table = pd.DataFrame(rows, columns=["id", "text", "summary"])
    table.assign(summary=[[summary] for summary in table["summary"]]).to_parquet(parquet)
    dialogue = "fname,dialogue,summary,topic\n" + "".join(
        f'train_{number},"{turns}",{summary},일상\n'
        for number, (turns, summary) in enumerate(zip(TURNS[:2], SUMMARIES[:2], strict=True))
    )
    news = "news\tsummary\n" + "".join(f"{text}\t{summary}\n" for _, text, summary in rows)
    return {
        "ai_connect": build(
            {"train.csv": train, "test.csv": test},
            "train.csv",
            "test.csv",
            "AI CONNECT csv, 1 file, 2 documents, utf-8",
        ),
        "csv": build(
            {"train.csv": semicolons.encode("cp949"), "test.csv": test.replace(",", ";").encode("utf-16-le")},
            *("train.csv", "test.csv", "csv, 1 file, 2 documents, cp949"),
        ),
        "parquet": build(
            {"train.parquet": parquet.getvalue(), "test.csv": test},
            *("train.parquet", "test.csv", "parquet, 1 file, 2 documents"),
        ),
        "upstage": build(
            {
                "train.csv": dialogue,
                "test.csv": f'fname,dialogue\ntest_0,"{TURNS[2]}"\n',
                "sample.csv": ",fname,summary\n0,test_0,\n",
            },
            *("train.csv", "test.csv", "Upstage dialogue csv, 1 file, 2 documents, utf-8"),
            documents=[(f"train_{i}", TURNS[i], [SUMMARIES[i]]) for i in range(2)],
            test=("test_0", TURNS[2]),
            submission=",fname,summary\n0,test_0,요약 하나\n".encode(),
        ),
        "kobart": build(
            {"train.tsv": news, "test.tsv": f"news\n{TEXTS[2]}\n", "sample.csv": "id,summary\n0,\n"},
            *("train.tsv", "test.tsv", "KoBART tsv, 1 file, 2 documents, utf-8"),
            documents=[(str(i), TEXTS[i], [SUMMARIES[i]]) for i in range(2)],
            test=("0", TEXTS[2]),
            submission="id,summary\n0,요약 하나\n".encode(),
        ),
    }


def build_json() -> dict[str, Competition]:
    """Of those with an object a document."""
    records = [{"id": name, "text": text, "summary": many[0]} for name, text, many in PLAIN]
    test = {"id": "x1", "text": TEXTS[2]}
    sentences = [text.split(". ") for text in TEXTS]
    sentences = [[f"{first}.", second] for first, second in sentences]
    dacon = [
        {"media": "신문", "id": name, "article_original": own, "abstractive": summary, "extractive": [0, 1, 1]}
        for (name, _, (summary,)), own in zip(PLAIN, sentences, strict=False)
    ]
    document = [
        {"id": name, "text": [[{"index": 0, "sentence": one}] for one in own], "abstractive": many, "extractive": [0]}
        for (name, _, many), own in zip(PLAIN, sentences, strict=False)
    ]
    lines = [(name, "\n".join(own), many) for (name, _, many), own in zip(PLAIN, sentences, strict=False)]
    asked = {"id": "x1", "text": [[{"index": 0, "sentence": one} for one in sentences[2]]]}
    head = {"name": "문서요약 프로젝트", "delivery_date": "2020-12-23"}
    return {
        "json": build(
            {"train.json": "\ufeff" + dump(records), "test.json": json.dumps([test])},
            *("train.json", "test.json", "JSON, 1 file, 2 documents, utf-8"),
        ),
        "jsonl": build(
            {"a.jsonl": dump(records[0]), "b.jsonl": dump(records[1]).encode("utf-16"), "test.jsonl": dump(test)},
            *(["b.jsonl", "a.jsonl"], "test.jsonl", "jsonl, 2 files, 2 documents, utf-16 and utf-8"),
            documents=PLAIN[::-1],
        ),
        "dacon": build(
            {
                "train.jsonl": "".join(f"{dump(record)}\n" for record in dacon),
                "test.jsonl": dump({"media": "신문", "id": "x1", "article_original": sentences[2]}),
            },
            *("train.jsonl", "test.jsonl", "Dacon jsonl, 1 file, 2 documents, utf-8"),
        ),
        "dacon list": build(
            {
                "train.json": json.dumps(dacon, ensure_ascii=False, indent=2),
                "test.jsonl": dump({"media": "신문", "id": "x1", "article_original": sentences[2]}),
            },
            *("train.json", "test.jsonl", "Dacon jsonl, 1 file, 2 documents, utf-8"),
        ),
        "aihub_document": build(
            {"train.json": dump({**head, "documents": document}), "test.json": dump({**head, "documents": [asked]})},
            *("train.json", "test.json", "AI-Hub 문서요약, 1 file, 2 documents, utf-8"),
            documents=lines,
        ),
        "aihub_report": build_report(),
    }


def build_report() -> Competition:
    """AI-Hub 582: training documents in a zip of Korean Windows, the test document in a folder."""

    def report(name: str, text: str, summary: str | None) -> str:
        return dump(
            {
                "Meta(Acqusition)": {
                    "doc_id": name,
                    "doc_category": "REPORT",
                    "doc_type": "news_r",
                    "doc_name": "뉴스",
                },
                "Meta(Refine)": {"passage_id": f"{name}-p", "passage": text, "passage_Cnt": str(len(text))},
                "Annotation": {"summary1": summary, "summary2": None, "summary3": summary and f"{summary} 셋"},
            }
        )

    members = {f"01.뉴스/{name}.json": report(name, text, many[0]) for name, text, many in PLAIN}
    return build(
        {"TL1.zip": zip_files(members, KoreanName), "test/02/x1.json": report("x1", TEXTS[2], None)},
        *("TL1.zip", "test", "AI-Hub 요약문 및 레포트, 2 files, 2 documents, utf-8"),
        documents=[(name, text, [many[0], f"{many[0]} 셋"]) for name, text, many in PLAIN],
    )


def build_dialogues() -> dict[str, Competition]:
    """Of those with turns."""

    def nikl(number: int, output: str) -> dict[str, Any]:
        turns = [{"speaker": speaker, "utterance": said} for speaker, said in DIALOGUES[number]]
        return {
            "id": f"nikl-{number}",
            "input": {"conversation": turns, "subject_keyword": ["일상", "약속"]},
            "output": output,
        }

    def hunmin(number: int) -> dict[str, Any]:
        turns = [
            {"utterance": said, "utteranceID": f"U{i}", "participantID": speaker, "turnID": f"T{i}", "date": "2020"}
            for i, (speaker, said) in enumerate(DIALOGUES[number])
        ]
        head = {"dialogueInfo": {"dialogueID": f"h{number}", "numberOfUtterances": len(turns), "topic": "상거래"}}
        return {"header": head, "body": {"dialogue": turns, "summary": SUMMARIES[number]}}

    asked = json.dumps([nikl(2, "")], ensure_ascii=False, indent=4)
    topic = "주제: 일상, 약속\n"
    return {
        "nikl": build(
            {"train.json": dump([nikl(0, SUMMARIES[0]), nikl(1, SUMMARIES[1])]), "test.json": asked},
            *("train.json", "test.json", "NIKL dialogue JSON, 1 file, 2 documents, utf-8"),
            documents=[(f"nikl-{i}", topic + TURNS[i], [SUMMARIES[i]]) for i in range(2)],
            test=("nikl-2", topic + TURNS[2]),
            sample="test.json",
            submission=asked.replace('"output": ""', '"output": "요약 하나"').encode(),
            params={"export.format.suffix": "json"},
        ),
        "hunminjeongeum": build(
            {
                "train.json": dump({"numberOfItems": 2, "data": [hunmin(0), hunmin(1)]}),
                "test.json": dump({"numberOfItems": 1, "data": [hunmin(2)]}),
                "sample.csv": "id,summary\nh2,\n",
            },
            *("train.json", "test.json", "훈민정음 dialogue JSON, 1 file, 2 documents, utf-8"),
            documents=[(f"h{i}", TURNS[i], [SUMMARIES[i]]) for i in range(2)],
            test=("h2", TURNS[2]),
            submission="id,summary\nh2,요약 하나\n".encode(),
        ),
    }


COMPETITIONS = {**build_tables(), **build_json(), **build_dialogues()}
