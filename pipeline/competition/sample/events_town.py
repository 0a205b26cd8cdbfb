"""Kinds of news from town halls, as templates."""

from pipeline.competition.sample.article import Event, Form

_NEIGHBOURS = (
    "아산시 천안시|군산시 익산시|익산시 전주시|여수시 순천시|순천시 광양시|포항시 경주시|김천시 구미시|안동시 영주시|창원시 김해시|"
    "김해시 양산시|밀양시 창원시|진주시 하동군|통영시 거제시|강릉시 동해시|동해시 삼척시|원주시 제천시|제천시 단양군|충주시 제천시|"
    "공주시 논산시|부여군 논산시|수원시 용인시|용인시 이천시|안산시 수원시|평창군 정선군|강릉시 평창군|상주시 김천시|목포시 나주시"
)
# Roads join neighbouring towns, named in either order.
_ROADS = tuple(pair.split()[::step] for pair in _NEIGHBOURS.split("|") for step in (1, -1))


FARE = Event(
    kind="요금 조정",
    topic="incident",
    lead="{place:은} {day} [위원회를 열고 |의회와 협의해 ]{fare} 요금을 [바꾸기로 했다|조정하기로 했다].",
    facts=("[새 요금은|{place}의 새 요금은|바뀐 요금은] {date}부터 [적용된다|시행된다].",),
    details=(
        "[청소년|노인|어린이] 요금은 [그대로 둔다|따로 정한다].",
        "{place} {person} 과장은 “[시민의 부담을 살폈다|여러 의견을 들었다]”고 [말했다|설명했다].",
    ),
    forms=(
        Form(
            "{place} {fare} 요금이 {date}부터 {high:으로} 오른다.",
            (
                "[현재 {low}인 요금은 {high:으로} 오른다|요금은 {low}에서 {high:으로} 오른다|{low}이던 요금을 {high:으로} 올린다].",
            ),
        ),
        Form(
            "{place} {fare} 요금이 {date}부터 {low:으로} 내린다.",
            (
                "[현재 {high}인 요금은 {low:으로} 내린다|요금은 {high}에서 {low:으로} 내린다|{high}이던 요금을 {low:으로} 낮춘다].",
            ),
        ),
    ),
    bundles=tuple(
        {"fare": fare, "low": low, "high": high}
        for fare, low, high in (
            ("시내버스", "1,200원", "1,400원"),
            ("시내버스", "1,300원", "1,500원"),
            ("마을버스", "900원", "1,100원"),
            ("택시", "3,800원", "4,500원"),
            ("택시", "4,000원", "4,800원"),
            ("공영주차장", "500원", "800원"),
            ("공영주차장", "1,000원", "1,600원"),
            ("수영장", "2,500원", "3,500원"),
        )
    ),
)

ROAD = Event(
    kind="도로 개통",
    topic="incident",
    lead="{day} {place}에서 [주민이 모인 가운데 |]새 도로의 [개통식이 열렸다|개통 행사가 열렸다].",
    facts=("[도로는|이 길은|이번에 뚫린 길은] {place:과} {place2:을} 잇고 [차로는 4개다|길이는 {km:이다}].",),
    details=(
        "[공사는|길을 내는 공사는] {months} 만에 [끝났다|마무리됐다].",
        "{place2} 주민 {person} 씨는 “[병원에 가기 편해졌다|장 보러 가기 좋아졌다|오래 기다렸다]”고 말했다.",
    ),
    forms=(
        Form(
            "{place:과} {place2:을} 잇는 도로가 뚫려 이동 시간이 {minutes} 줄었다.",
            (
                "[두 지역을 오가는 시간이 {minutes} 줄었다|이동 시간은 전보다 {minutes} 짧아졌다|차로 가면 전보다 {minutes} 빨라졌다].",
            ),
        ),
        Form(
            "{place:과} {place2:을} 잇는 도로가 {money:을} 들여 개통됐다.",
            ("[공사에는 {money:이} 들었다|정부가 낸 공사비는 {money:이다}|길을 내는 데 {money:을} 썼다].",),
        ),
    ),
    pools={
        "km": ("4km", "6km", "8km", "10km", "12km", "15km", "18km", "20km"),
        "minutes": ("10분", "12분", "15분", "20분", "25분", "30분", "35분", "40분"),
    },
    bundles=tuple({"place": start, "place2": end} for start, end in _ROADS),
)

LIBRARY = Event(
    kind="도서관 개관",
    topic="society",
    lead="{place:은} {day} [주민 {people:이} 모인 가운데 |]새 도서관의 [개관식을 열었다|문을 열었다].",
    facts=(
        "[새로 생긴 {library:은}|{place} {library:은}|{library:이라고} 이름 붙인 이곳은] [지하 1층, 지상 3층|지상 4층] [건물이다|규모다].",
    ),
    details=(
        "[건물을 짓는 데는|공사에는] {budget:이} [들었다|쓰였다].",
        "{library} {person} 관장은 “[누구나 편하게 오면 좋겠다|책과 친해지는 곳으로 만들겠다|쉼터가 되겠다]”고 말했다.",
    ),
    forms=(
        Form(
            "{place}에 책 {books:을} 갖춘 {library:이} 문을 열었다.",
            ("[{library}에는 책 {books:이} 있다|서가에는 책 {books:이} 꽂혔다|시민은 책 {books:을} 빌려 볼 수 있다].",),
        ),
        Form(
            "{place} {library:이} 문을 열고 {until}까지 운영한다.",
            (
                "[{library:은} 평일 {until}까지 운영한다|이용 시간은 {until}까지다|직장인을 위해 {until}까지 문을 연다].",
            ),
        ),
    ),
    pools={
        "books": (
            "1만 권",
            "1만 5천 권",
            "2만 권",
            "2만 5천 권",
            "3만 권",
            "4만 권",
            "5만 권",
            "6만 권",
            "8만 권",
            "10만 권",
        ),
        "until": ("밤 8시", "밤 9시", "밤 10시", "밤 11시", "자정"),
    },
)

EVENTS = (FARE, ROAD, LIBRARY)
