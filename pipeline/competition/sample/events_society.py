"""Kinds of news on culture, sport and education, as templates."""

from pipeline.competition.sample.article import Event, Form

FESTIVAL = Event(
    kind="축제 개최",
    topic="society",
    lead="{place:은} {day} [관계자 회의를 열고 |주민 설명회에서 ]올해 {festival} 계획을 [발표했다|공개했다].",
    facts=(
        "[{place}의 대표 행사인 {festival:은}|{place} {festival:은}|{place:이} 여는 {festival:은}] 해마다 {people:이} [준비한다|손을 보태는 행사다].",
    ),
    details=(
        "[행사를 맡은|축제를 준비하는] {person} 과장은 “[주민의 의견을 들었다|안전을 먼저 생각했다]”고 [말했다|설명했다].",
        "[지난해에는|작년에는] 축제가 {place} [공원|강변|시장]에서 열렸다.",
    ),
    forms=(
        Form(
            "{place} {festival:이} {date}부터 {days} 동안 열린다.",
            ("[올해 행사는|이번 행사는|축제는] {date}에 [시작해|막을 올려] {days} 동안 이어진다.",),
        ),
        Form(
            "{place} {festival:이} {reason} 때문에 취소됐다.",
            (
                "[하지만 올해 행사는 {reason} 때문에 열지 않기로 했다|그러나 이번에는 {reason} 때문에 행사를 취소했다|올해는 {reason:을} 이유로 축제를 쉬기로 했다].",
            ),
        ),
    ),
    pools={
        "days": ("사흘", "나흘", "닷새", "엿새", "이레", "열흘", "보름"),
        "reason": ("가축 전염병", "예산 부족", "산불", "폭우", "가뭄", "감염병"),
    },
)

GAME = Event(
    kind="스포츠 경기",
    topic="society",
    lead="{team:은} {day} [{place} 경기장에서|안방에서|관중 {crowd} 앞에서] {team2:과} {sport} 경기를 [치렀다|벌였다].",
    facts=(
        "[상대인 {team2:은} 지난해 우승한|{team2:은} 올해 순위가 높은|상대로 나선 {team2:은} 최근 흐름이 좋은] 팀이다.",
    ),
    details=(
        "[{team} 감독|{team:을} 이끄는] {person2} 씨는 “[다음 경기도 준비하겠다|선수들이 잘 뛰었다|응원에 감사한다]”고 말했다.",
        "[두 팀은|양 팀은] {date}에 다시 [맞붙는다|만난다].",
    ),
    forms=(
        Form(
            "{team:이} {person}의 활약으로 {team2:을} {win:으로} 이겼다.",
            (
                "[{person:이} 맹활약해 {win:으로} 이겼다|{person}의 활약이 빛나 경기는 {win} 승리로 끝났다|경기는 {person} 덕분에 {win} 승리로 끝났다].",
            ),
        ),
        Form(
            "{team:이} {team2}에 {loss:으로} 져 {streak}에 빠졌다.",
            (
                "[경기는 {loss} 패배로 끝나 {streak:이} 됐다|{loss:으로} 지면서 {streak:을} 당했다|{loss:으로} 무릎을 꿇어 {streak}에 빠졌다].",
            ),
        ),
    ),
    pools={
        "crowd": ("1,200명", "1,500명", "2,000명", "2,400명", "3,000명", "5,000명", "8,000명", "1만 명"),
        "streak": ("2연패", "3연패", "4연패", "5연패", "6연패"),
    },
    bundles=(
        *(
            {"sport": "프로축구", "win": f"{a}대 {b}", "loss": f"{b}대 {a}"}
            for a, b in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1))
        ),
        *(
            {"sport": "프로야구", "win": f"{a}대 {b}", "loss": f"{b}대 {a}"}
            for a, b in ((4, 2), (5, 3), (6, 1), (7, 5), (8, 4))
        ),
        *({"sport": "프로배구", "win": f"3대 {b}", "loss": f"{b}대 3"} for b in (0, 1, 2)),
    ),
)

EXHIBITION = Event(
    kind="박물관 전시",
    topic="society",
    lead="{museum:은} {day} [기자 간담회를 열고 |누리집을 통해 ]올해 특별전 [일정을 공개했다|계획을 밝혔다].",
    facts=("[전시되는 유물은|{museum:이} 보여 줄 유물은|관람객이 볼 유물은] {theme} {items:이다}.",),
    details=(
        "{museum} {person} 관장은 “[가족이 함께 오면 좋겠다|오래 준비한 전시다|옛사람의 멋을 느낄 수 있다]”고 말했다.",
        "[관람 시간은|박물관은] 평일 [오후 5시|오후 6시|저녁 7시]까지다.",
        "[전시장은|특별전은] 박물관 [1층|2층|3층]에 [마련됐다|차려졌다].",
    ),
    forms=(
        Form(
            "{museum:이} {theme} {items:을} {date}까지 무료로 전시한다.",
            (
                "[입장료는 없으며 전시는 {date}까지다|{date}까지 누구나 돈을 내지 않고 볼 수 있다|전시는 {date}까지 무료로 열린다].",
            ),
        ),
        Form(
            "{museum:이} {country}에서 돌려받은 {theme} {items:을} 공개한다.",
            (
                "[유물은 모두 {country}에서 돌려받았다|이 유물은 {country}에 있다가 지난해 돌아왔다|{country}에 있던 유물을 돌려받아 꾸민 전시다].",
            ),
        ),
    ),
    pools={
        "country": ("미국", "프랑스", "독일", "일본", "영국", "캐나다", "스위스", "네덜란드"),
        "theme": (
            "조선 백자",
            "고려 청자",
            "신라 금관",
            "백제 기와",
            "옛 지도",
            "민화",
            "불상",
            "서예 작품",
            "전통 가구",
        ),
        "items": ("12점", "15점", "20점", "25점", "30점", "40점", "50점", "60점", "75점", "80점", "100점", "120점"),
    },
)

RESEARCH = Event(
    kind="연구 성과",
    topic="society",
    lead="{univ} {person} 교수팀은 {day} [국제 학술지에 |학회에서 ][연구 결과를 발표했다|새로운 연구 성과를 내놓았다].",
    facts=(
        "[{univ} 연구팀은|{person} 교수팀은|{univ} 연구진은] {field}에 쓰이는 기술을 [{months} 동안 연구했다|{months}에 걸쳐 개발했다].",
    ),
    details=(
        "{person} 교수는 “[곧 현장에서 쓸 수 있다|실험을 더 하겠다|제품으로 만들겠다]”고 [말했다|밝혔다].",
        "[연구에는|이번 연구에는] 정부 지원금 {gift:이} [들어갔다|쓰였다].",
    ),
    forms=(
        Form(
            "{univ} 연구팀이 {field} {gain:을} {pct} 높이는 기술을 개발했다.",
            ("[이 기술을 쓰자|새 기술을 쓰자|실험에서는] {gain:이} {pct} [높아졌다|올라갔다].",),
        ),
        Form(
            "{univ} 연구팀이 {field} {loss:을} {pct} 줄이는 기술을 개발했다.",
            ("[이 기술을 쓰자|새 기술을 쓰자|실험에서는] {loss:이} {pct} [줄었다|감소했다].",),
        ),
    ),
    pools={
        "field": ("배터리", "태양전지", "반도체", "전기차", "로봇", "공장 설비", "냉난방기"),
        "gain": ("효율", "내구성", "안전성", "성능"),
        "loss": ("무게", "제조 비용", "소음", "불량률"),
    },
)

EVENTS = (FESTIVAL, GAME, EXHIBITION, RESEARCH)
DISTRACTORS = (
    "[한편|같은 날] {place9}에서는 {festival9:이} 열려 {people9:이} [모였다|다녀갔다].",
    "[시민|주민|대학생] {person9} 씨는 “[이런 소식이 자주 들리면 좋겠다|신문을 보고 소식을 알았다|주위에도 널리 알리겠다]”고 말했다.",
    "[이날|같은 날] {univ9:은} {place9}에 학생 {people9:이} 쓸 [기숙사를|강의실을] 짓기로 했다.",
    "[지난달|지난주]에는 {museum9:이} 관람객 {people9:을} [맞았다|초대했다].",
    "[이날|같은 날] {assoc9:은} {date9}에 [행사를 열겠다고|대회를 열겠다고] 알렸다.",
    "[지난해|올봄] {place9}에서는 {people9:이} 참가한 [바자회가|마라톤 대회가|음악회가] 열렸다.",
    "[한편|이와 별도로] {company9:은} {place9}에 {gift9:을} [기부했다|전달했다].",
)
