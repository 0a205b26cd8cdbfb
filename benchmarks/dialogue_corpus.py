"""A made-up dialogue summarization competition, in the form of Upstage's: `fname,dialogue,summary,topic`, turns that
begin with `#Person1#:`, summaries that say `#Person1#`. For measuring what special tokens bring; by hand:

    python benchmarks/dialogue_corpus.py FOLDER --train 1500 --test 200

Writes train.csv, test.csv, sample_submission.csv and answers.csv (the summaries of test). The sentences are this
project's own, written for it. Each dialogue is one of ten scenes with one of its endings; who speaks first, who is
called by name, which small talk stands between, and all facts are drawn by seed. A summary needs what was agreed in the
end and who wanted it, which is not always what was said first. Real dialogues are freer: what is measured here says how
well a model copes with the marks, not how well it understands people.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.competition.sample.particles import fill
from pipeline.tables import save_csv

# how a speaker's mark is read aloud, by which its particles are chosen
READ_ALOUD = {"#Person1#": "Person원", "#Person2#": "Person투"}
NAMES = [
    "김민수",
    "이서연",
    "박지훈",
    "최은지",
    "정태영",
    "한미경",
    "오현우",
    "장보라",
    "윤성호",
    "서나영",
    "임재현",
    "권수진",
]
POOLS = {
    "day": ["월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"],
    "time": [f"{half} {hour}시" for half in ("오전", "오후") for hour in (1, 2, 3, 4, 5, 7, 9, 10, 11)],
    "place": ["시청역", "도서관", "중앙공원", "학교 정문", "버스 터미널", "미술관", "우체국", "동네 서점", "강변 카페"],
    "subject": ["수학 과제", "영어 발표", "역사 보고서", "과학 실험", "미술 숙제", "졸업 논문"],
    "food": ["김치찌개", "비빔밥", "칼국수", "냉면", "순두부", "만둣국", "돈가스", "볶음밥", "떡볶이", "파전"],
    "item": ["운동화", "외투", "가방", "전자시계", "이어폰", "모자", "우산", "청바지", "셔츠", "자전거"],
    "price": [f"{n}만 {m}천 원" for n in (1, 2, 3, 5, 7, 9) for m in (2, 4, 5, 8)],
    "ache": ["머리가", "목이", "배가", "허리가", "무릎이", "어깨가"],
    "days": ["이틀", "사흘", "나흘", "일주일", "열흘"],
    "city": ["부산", "강릉", "전주", "경주", "여수", "제주", "속초", "통영", "안동", "춘천"],
    "sport": ["수영", "테니스", "배드민턴", "등산", "요가", "탁구", "농구", "달리기"],
    "reason": ["버스가 늦게 와서", "늦잠을 자서", "길이 막혀서", "지갑을 두고 와서", "전화를 받느라", "비가 많이 와서"],
    "job": ["편집자", "회계사", "개발자", "조리사", "간호사", "디자이너", "통역사", "판매원"],
    "pet": ["고양이", "강아지", "앵무새", "햄스터", "토끼", "거북이"],
}
SMALL_TALK = [
    (("b", "요즘 어떻게 지내세요?"), ("a", "그럭저럭 잘 지내요.")),
    (("a", "오늘 날씨가 참 좋네요."), ("b", "네, 바람도 시원하고요.")),
    (("b", "잠깐 시간 괜찮으세요?"), ("a", "네, 괜찮아요.")),
    (("a", "오랜만이에요."), ("b", "그러게요, 반가워요.")),
]
Turn = tuple[str, str]


@dataclass(frozen=True)
class Ending:
    """Turns of speakers `a` and `b`, and the summary of a dialogue that ends so."""

    turns: tuple[Turn, ...]
    summaries: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """How a dialogue of a topic begins, and the ways in which it may end."""

    topic: str
    turns: tuple[Turn, ...]
    endings: tuple[Ending, ...]


SCENES = (
    Scene(
        "약속",
        (("a", "{day}에 {place}에서 만날까요?"), ("b", "좋아요. 몇 시가 편하세요?"), ("a", "{time}는 어때요?")),
        (
            Ending(
                (("b", "그때는 일이 있어요. {time2}는요?"), ("a", "좋아요, 그때 봐요.")),
                (
                    "{a:과} {b:은} {day} {time2}에 {place}에서 만나기로 한다.",
                    "{a:과} {b:이} {day} {time2}에 {place}에서 만난다.",
                ),
            ),
            Ending(
                (("b", "딱 좋네요. 거기서 봐요."),),
                ("{a:과} {b:은} {day} {time}에 {place}에서 만나기로 한다.",),
            ),
            Ending(
                (("b", "미안해요, {day}에는 {city}에 가야 해요."), ("a", "그럼 다음에 봐요.")),
                ("{a:은} {b:과} {day}에 만나려 하지만 {b:은} {city}에 가야 해서 만나지 못한다.",),
            ),
        ),
    ),
    Scene(
        "쇼핑",
        (("b", "어서 오세요. 무엇을 찾으세요?"), ("a", "{item:을} 보고 싶어요."), ("b", "이건 {price}입니다.")),
        (
            Ending(
                (("a", "조금 비싸네요. 깎아 주실 수 있어요?"), ("b", "{price2}에 드릴게요."), ("a", "그럼 살게요.")),
                ("{a:은} {item:을} {price2}에 산다.", "{b:이} 값을 깎아 주어 {a:은} {item:을} {price2}에 산다."),
            ),
            Ending(
                (("a", "생각보다 비싸네요. 다음에 올게요."),),
                ("{a:은} {item:을} 보지만 비싸서 사지 않는다.",),
            ),
            Ending(
                (("a", "좋아요. 이걸로 주세요."), ("b", "연락처를 적어 주세요."), ("a", "#PhoneNumber#입니다.")),
                ("{a:은} {item:을} {price}에 사고 {b}에게 연락처를 남긴다.",),
            ),
        ),
    ),
    Scene(
        "식당",
        (("a", "점심으로 {food:을} 먹을까요?"),),
        (
            Ending(
                (("b", "어제 먹었어요. {food2:은} 어때요?"), ("a", "좋아요, 가요.")),
                ("{a:과} {b:은} 점심으로 {food2:을} 먹기로 한다.", "{b:이} 권해서 두 사람은 {food2:을} 먹으러 간다."),
            ),
            Ending(
                (("b", "저는 배가 안 고파요."), ("a", "그럼 혼자 다녀올게요.")),
                ("{a:은} {food:을} 먹으러 혼자 간다. {b:은} 배가 고프지 않다.",),
            ),
        ),
    ),
    Scene(
        "학교",
        (("a", "{subject} 다 했어요?"),),
        (
            Ending(
                (("b", "아직요. {day}까지 맞죠?"), ("a", "네, 제가 도와줄게요."), ("b", "고마워요.")),
                ("{a:은} {day}까지 내야 하는 {b}의 {subject:을} 도와주기로 한다.",),
            ),
            Ending(
                (
                    ("b", "네, 어제 끝냈어요. 왜요?"),
                    ("a", "{reason} 아직 못 했어요. 좀 보여 주세요."),
                    ("b", "그건 안 돼요."),
                ),
                ("{a:은} {subject:을} 못 해서 보여 달라고 하지만 {b:은} 거절한다.",),
            ),
        ),
    ),
    Scene(
        "병원",
        (("b", "어디가 불편하세요?"), ("a", "{ache} 아파요."), ("b", "언제부터 그랬어요?"), ("a", "{days} 됐어요.")),
        (
            Ending(
                (("b", "약을 드릴게요. {days2} 드시고 다시 오세요."), ("a", "네, 고맙습니다.")),
                ("{a:은} {days} 동안 {ache} 아파서 {b}에게 약을 {days2}치 받는다.",),
            ),
            Ending(
                (("b", "큰 병원에서 검사를 받으세요."), ("a", "{day}에 가 볼게요.")),
                ("{b:은} {ache} 아픈 {a}에게 검사를 권하고 {a:은} {day}에 가기로 한다.",),
            ),
        ),
    ),
    Scene(
        "여행",
        (("a", "{city:으로} 여행 갈 건데 같이 갈래요?"), ("b", "언제 가요?"), ("a", "{day}에 떠나요.")),
        (
            Ending(
                (("b", "좋아요. 표는 제가 살게요."),),
                ("{a:과} {b:은} {day}에 {city:으로} 여행을 가고 표는 {b:이} 산다.",),
            ),
            Ending(
                (("b", "저는 {city2}에 가고 싶어요."), ("a", "그럼 {city2:으로} 가요.")),
                ("{b:이} 원해서 두 사람은 {city} 대신 {city2:으로} 여행을 간다.",),
            ),
        ),
    ),
    Scene(
        "운동",
        (("a", "{sport:을} 배우고 싶어요."), ("b", "수업은 {day} {time}에 있어요.")),
        (
            Ending(
                (("a", "얼마예요?"), ("b", "한 달에 {price}입니다."), ("a", "등록할게요.")),
                ("{a:은} 한 달에 {price}인 {sport} 수업에 등록한다.",),
            ),
            Ending(
                (
                    ("a", "그때는 일해요. 다른 수업은 없어요?"),
                    ("b", "{day2} {time2}도 있어요."),
                    ("a", "그걸로 할게요."),
                ),
                ("{a:은} {day2} {time2}에 하는 {sport} 수업을 듣기로 한다.",),
            ),
        ),
    ),
    Scene(
        "지각",
        (("b", "왜 이렇게 늦었어요?"), ("a", "{reason} 늦었어요. 미안해요.")),
        (
            Ending(
                (("b", "다음부터는 일찍 오세요."), ("a", "꼭 그럴게요.")),
                ("{a:은} {reason} 늦고 {b:은} 다음부터 일찍 오라고 한다.",),
            ),
            Ending(
                (("b", "벌써 세 번째예요. 보고서를 {day}까지 내세요."),),
                ("{a:이} {reason} 또 늦자 {b:은} {day}까지 보고서를 내라고 한다.",),
            ),
        ),
    ),
    Scene(
        "면접",
        (("b", "왜 {job:이} 되고 싶으세요?"), ("a", "어릴 때부터 꿈이었어요."), ("b", "경력이 있나요?")),
        (
            Ending(
                (("a", "{city}에서 일했어요."), ("b", "좋네요. {day}에 연락드릴게요."), ("a", "#Email#로 주세요.")),
                ("{a:은} {job} 면접을 보고 {b:은} {day}에 이메일로 연락하기로 한다.",),
            ),
            Ending(
                (("a", "아니요, 처음이에요."), ("b", "아쉽지만 경력이 필요해요.")),
                ("{b:은} 경력이 없는 {a:을} {job:으로} 뽑지 않는다.",),
            ),
        ),
    ),
    Scene(
        "동물",
        (("a", "{days} 동안 {pet:을} 맡아 줄 수 있어요?"), ("b", "무슨 일 있어요?"), ("a", "{city}에 가야 해요.")),
        (
            Ending(
                (("b", "그럼요. #Address#로 데려오세요."),),
                ("{b:은} {a:이} {city}에 가는 {days} 동안 {pet:을} 맡아 준다.",),
            ),
            Ending(
                (("b", "미안해요, 저는 {pet:이} 무서워요."), ("a", "다른 사람에게 물어볼게요.")),
                ("{b:은} {pet:이} 무서워서 {a}의 부탁을 거절한다.",),
            ),
        ),
    ),
)


def build_dialogues(rows: int, seed: int) -> pd.DataFrame:
    """So many dialogues, no two alike: `fname`, `dialogue`, `summary` and `topic`, all of text."""
    rng = random.Random(seed)
    found: dict[str, tuple[str, str]] = {}
    while len(found) < rows:
        scene = rng.choice(SCENES)
        dialogue, summary = _build_dialogue(scene, rng)
        found.setdefault(dialogue, (summary, scene.topic))
    columns = ["fname", "dialogue", "summary", "topic"]
    return pd.DataFrame([(f"train_{i}", d, *rest) for i, (d, rest) in enumerate(found.items())], columns=columns)


def _build_dialogue(scene: Scene, rng: random.Random) -> tuple[str, str]:
    ending = rng.choice(scene.endings)
    turns = [*scene.turns, *ending.turns]
    if rng.random() < 0.5:
        turns = [*rng.choice(SMALL_TALK), *turns]
    marks = dict(zip(dict.fromkeys(speaker for speaker, _ in turns), READ_ALOUD, strict=False))
    facts = {
        pool + number: value
        for pool in POOLS
        for number, value in zip(("", "2"), rng.sample(POOLS[pool], 2), strict=True)
    }
    # a price is asked before it is lowered
    facts["price2"], facts["price"] = sorted((facts["price"], facts["price2"]))
    called = {speaker: READ_ALOUD[mark] for speaker, mark in marks.items()}
    lines = [f"{marks[speaker]}: {fill(text, facts)}" for speaker, text in turns]
    if rng.random() < 0.4:
        # whom the other one calls by name is so called in the summary
        named = rng.choice("ab")
        called[named] = name = rng.choice(NAMES)
        other = next(i for i, (speaker, _) in enumerate(turns) if speaker != named)
        lines[other] = lines[other].replace(": ", f": {name} 씨, ", 1)
    summary = fill(rng.choice(ending.summaries), {**facts, **called})
    for mark, spoken in READ_ALOUD.items():
        summary = summary.replace(spoken, mark)
    return "\n".join(lines), summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=1500)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    every = build_dialogues(arguments.train + arguments.test, arguments.seed)
    train, test = every[: arguments.train], every[arguments.train :]
    test = test.assign(fname=[f"test_{i}" for i in range(len(test))])
    save_csv(train, arguments.folder / "train.csv")
    save_csv(test[["fname", "dialogue"]], arguments.folder / "test.csv")
    save_csv(test[["fname", "summary"]], arguments.folder / "answers.csv")
    save_csv(test[["fname"]].assign(summary=""), arguments.folder / "sample_submission.csv")


if __name__ == "__main__":
    main()
