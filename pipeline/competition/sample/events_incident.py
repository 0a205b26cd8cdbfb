"""Kinds of news on accidents, disasters and safety, as templates."""

from pipeline.competition.sample.article import Event, Form

TRAFFIC = Event(
    kind="교통사고",
    topic="incident",
    lead="{day} {time} {place}의 한 [도로|사거리|터널]에서 [차량이 부딪쳐 구급차가 출동했다|차가 서로 부딪치는 사고가 났다].",
    facts=("[경찰은|{place} 경찰은] {cars:이} 낸 사고이며 {cause:이} [원인이라고 밝혔다|원인으로 보인다고 설명했다].",),
    details=(
        "[사고로|이 사고로] {place} 일대가 {hours} 동안 [막혔다|혼잡했다].",
        "[운전자|사고를 낸] {person} 씨는 [경찰 조사를 받고 있다|크게 다치지 않았다|잘못을 인정했다].",
    ),
    forms=(
        Form(
            "{place}에서 {cause:으로} {cars:이} 부딪쳐 {few:이} 다쳤다.",
            (
                "[다친 사람은 {few:이며} 병원으로 옮겨졌다|{few:이} 다쳐 병원에서 치료를 받고 있다|구급차가 다친 {few:을} 병원으로 옮겼다].",
            ),
        ),
        Form(
            "{place}에서 {cause:으로} {cars:이} 부딪쳐 {few:이} 숨졌다.",
            ("[병원으로 옮겨진 {few:은} 끝내 숨졌다|숨진 사람은 {few:으로} 확인됐다|차에 타고 있던 {few:이} 숨졌다].",),
        ),
    ),
    pools={"cause": ("졸음운전", "신호 위반", "과속", "음주운전", "차로 위반", "운전 부주의", "안전거리 위반")},
    bundles=tuple(
        {"cars": cars} for cars in ("버스와 승용차", "화물차와 택시", "승용차와 트럭", "택시와 버스", "승합차와 화물차")
    ),
)

FIRE = Event(
    kind="화재",
    topic="incident",
    lead="{day} {time} {place}에서 불이 나 [소방대가 출동했다|소방차가 여러 대 출동했다|긴급 신고가 잇따랐다].",
    facts=("[{place} 소방서는|소방 당국은] {building}에서 시작된 불을 {hours} 만에 [껐다|모두 잡았다].",),
    details=(
        "[불은|이번 불은] {cause} 때문에 난 것으로 [보인다|알려졌다].",
        "[{place} 경찰은|경찰은] 정확한 원인을 [조사하고 있다|찾고 있다].",
        "[처음 신고한|불을 처음 본] {person} 씨는 “[연기가 심했다|큰 소리가 났다]”고 말했다.",
    ),
    forms=(
        Form(
            "{place} {building}에서 불이 나 {few:이} 다치고 {people:이} 대피했다.",
            (
                "[{few:이} 연기를 마셔 다쳤고 {people:이} 급히 대피했다|다친 사람은 {few:이며} {people:은} 밖으로 대피했다|대피한 사람은 {people:이고} {few:이} 다쳤다].",
            ),
        ),
        Form(
            "{place} {building}에서 불이 나 {gift}의 재산 피해가 났다.",
            (
                "[재산 피해는 {gift:으로} 집계됐으나 다친 사람은 없다|다친 사람은 없지만 {gift}의 피해가 났다|피해액은 {gift:이며} 다친 사람은 없다].",
            ),
        ),
    ),
    pools={
        "building": ("아파트", "창고", "시장", "음식점", "공장", "상가", "주택", "병원", "학교", "호텔"),
        "cause": ("전기", "담뱃불", "난로", "가스", "용접 불꽃"),
    },
)

TYPHOON = Event(
    kind="태풍 피해",
    topic="incident",
    lead="{day} {time} 태풍 {name:이} {place} [일대를 지나갔다|지역을 덮쳤다|일대를 휩쓸었다].",
    facts=(
        "[태풍 {name:은} 강한 비바람을 몰고 왔다|이름이 {name}인 태풍은 느리게 움직였다|태풍 {name:은} 밤새 많은 비를 뿌렸다].",
    ),
    details=(
        "{place:은} [공무원 {people2:을} 보내|군인과 함께|장비를 빌려] [복구를 하고 있다|복구를 서두르고 있다].",
        "[기상청은|당국은] 바람이 {hours} 뒤에 [잦아들겠다고|약해지겠다고] [내다봤다|밝혔다].",
    ),
    forms=(
        Form(
            "태풍 {name:으로} {place}에서 {homes:이} 물에 잠기고 {people:이} 대피했다.",
            (
                "[{place}에서는 {homes:이} 물에 잠겼고 {people:이} 대피했다|집 {homes:이} 침수돼 {people:이} 몸을 피했다|{people:이} 학교로 대피했고 {homes:이} 침수됐다].",
            ),
        ),
        Form(
            "태풍 {name:으로} {place} 농가가 {money}의 피해를 봤다.",
            (
                "[{place} 농가의 피해는 {money:으로} 집계됐다|논과 밭이 망가져 농가가 {money}의 손해를 봤다|농가가 입은 피해는 {money}에 이른다].",
            ),
        ),
    ),
    pools={
        "name": ("‘노을’", "‘나리’", "‘개미’", "‘버들’", "‘고니’", "‘수달’", "‘제비’", "‘장미’", "‘독수리’", "‘무지개’")
    },
)

RESCUE = Event(
    kind="구조",
    topic="incident",
    lead="{day} {time} {agency}에 {victim:을} [구조해 달라는 신고가|찾아 달라는 신고가] [들어왔다|접수됐다].",
    facts=(
        "[신고한 곳은 {site:으로}|사고가 난 곳은 {site:으로}|{agency:이} 찾아간 곳은 {site:으로}], [날이 어두워|바람이 강해] [어려움이 컸다|접근이 힘들었다].",
    ),
    details=(
        "{agency:은} [사람 {people:을}|장비와 사람 {people:을}] [현장에 보냈다|동원했다].",
        "[구조를 맡은|현장을 이끈] {person} 대원은 “[무사해서 다행이다|시간과의 싸움이었다]”라고 말했다.",
    ),
    forms=(
        Form(
            "{site}에서 {victim} {few:이} {hours} 만에 구조됐다.",
            (
                "[{victim} {few:은} {hours} 만에 모두 구조됐다|{agency:은} {hours} 만에 {victim} {few:을} 구했다|{victim} {few:이} 무사히 나오기까지 {hours:이} 걸렸다].",
            ),
        ),
        Form(
            "{site}에서 {victim} {few:이} 구조되고 {few2:이} 실종됐다.",
            (
                "[{victim} {few:은} 구조됐지만 {few2:은} 찾지 못했다|{agency:은} {victim} {few:을} 구했으나 {few2:은} 실종됐다|{victim} 가운데 {few:이} 구조됐고 {few2:은} 실종 상태다].",
            ),
        ),
    ),
    bundles=(
        {"site": "{coast} 앞바다", "victim": "선원", "agency": "해경"},
        {"site": "{coast} 갯바위", "victim": "낚시꾼", "agency": "해경"},
        {"site": "{place} 야산", "victim": "등산객", "agency": "소방대"},
        {"site": "{place} 계곡", "victim": "야영객", "agency": "소방대"},
    ),
)

ARREST = Event(
    kind="범죄 검거",
    topic="incident",
    lead="{city}경찰서는 {day} [오랜 수사 끝에 |]일당을 [붙잡았다고 밝혔다|잡아 조사하고 있다고 발표했다].",
    facts=(
        "[{city}경찰서에 따르면 이들은|경찰이 밝힌 혐의를 보면 이들은|일당은] {crime:으로} {gift:을} [챙겼다|빼돌렸다].",
    ),
    details=(
        "[피해를 본 사람은|피해자는] {people:으로} [알려졌다|조사됐다].",
        "[수사를 맡은|사건을 맡은] {person} 팀장은 “[비슷한 범죄를 막겠다|끝까지 쫓겠다]”고 말했다.",
        "{city}경찰서는 [휴대전화와 통장을|컴퓨터와 현금을] [찾아냈다|거둬들였다].",
    ),
    forms=(
        Form(
            "{city}경찰서가 {crime:으로} {gift:을} 챙긴 일당 {few:을} 붙잡았다.",
            ("[붙잡힌 사람은 모두 {few:이다}|일당은 모두 {few:으로} 확인됐다|경찰은 {few:을} 검찰에 넘겼다].",),
        ),
        Form(
            "{crime:으로} {gift:을} 챙긴 일당이 {country}에서 붙잡혔다.",
            (
                "[이들이 붙잡힌 곳은 {country:이다}|일당은 {country}에 숨어 있다가 붙잡혔다|경찰은 {country} 경찰과 함께 일당을 붙잡았다].",
            ),
        ),
    ),
    pools={"crime": ("보험사기", "전화사기", "중고거래 사기", "불법 도박", "가짜 상품권", "투자 사기", "취업 사기")},
)

OUTAGE = Event(
    kind="정전",
    topic="incident",
    lead="{day} {time} {place}에서 [정전이 일어나 주민이 불편을 겪었다|갑자기 정전이 됐다|정전 사고가 일어났다].",
    facts=("[전기가 나간 집은|불이 꺼진 집은|피해를 본 집은] {homes:으로}, {cause:이} [원인이다|원인으로 꼽힌다].",),
    details=(
        "{place} 식당에서는 [손님이 돌아갔다|음식이 상했다|계산을 하지 못했다].",
        "[승강기에 갇힌|신호등이 꺼져 다친] 사람은 {few:으로} [조사됐다|확인됐다].",
    ),
    forms=(
        Form(
            "{place}에서 {cause:으로} {homes:이} {hours} 동안 정전됐다.",
            (
                "[전기는 {hours} 만에 다시 들어왔다|복구에는 {hours:이} 걸렸다|{place} 주민들은 {hours} 동안 어둠 속에 있었다].",
            ),
        ),
        Form(
            "{place}에서 {cause:으로} {homes:이} 정전됐으나 복구가 늦어지고 있다.",
            ("[부품이 없어|비가 내려|장비가 모자라] 복구가 [늦어지고 있다|계속 미뤄지고 있다].",),
        ),
    ),
    pools={"cause": ("변압기 고장", "낙뢰", "전봇대 사고", "설비 노후", "강풍", "공사 실수")},
)

RECALL = Event(
    kind="리콜",
    topic="incident",
    lead="{company:은} {day} [소비자에게 사과하고 |누리집을 통해 ]{goods} [안전 대책을 발표했다|제품의 문제를 알렸다].",
    facts=("[조사 결과|시험 결과|{company}의 조사 결과] {goods}에서 {fault:이} [드러났다|발견됐다].",),
    details=(
        "[소비자 단체는|정부는] {company}에 [재발 방지를|빠른 조치를] [요구했다|주문했다].",
        "[문의 전화는|상담 신청은] {date}까지 [받는다|받기로 했다].",
        "[제품을 쓰던|같은 제품을 산] {person} 씨는 “[많이 놀랐다|빨리 해결되면 좋겠다]”고 말했다.",
    ),
    forms=(
        Form(
            "{company:이} {fault:이} 드러난 {goods} {units:을} 회수한다.",
            (
                "[{company:은} {units:을} 거둬들이고 돈을 돌려준다|회사는 {units:을} 회수하고 환불도 해 준다|모두 {units:을} 회수하기로 했다].",
            ),
        ),
        Form(
            "{company:이} {fault:이} 드러난 {goods} {units:을} 무상 수리한다.",
            (
                "[{company:은} {units:을} 무상으로 고쳐 준다|무상 수리 대상은 {units:이다}|모두 {units:을} 무상으로 수리하기로 했다].",
            ),
        ),
    ),
    pools={
        "fault": ("부품 결함", "과열 위험", "누전 위험", "소음 문제", "설계 오류"),
        "units": (
            "500대",
            "800대",
            "1,200대",
            "1,500대",
            "2,000대",
            "2,400대",
            "3,000대",
            "5,000대",
            "8,000대",
            "1만 대",
        ),
    },
    bundles=(
        *({"company": "{brand}전자", "goods": goods} for goods in ("밥솥", "세탁기", "냉장고", "청소기")),
        *({"company": "{brand}모터스", "goods": goods} for goods in ("승용차", "전기차", "화물차", "승합차")),
    ),
)

EVENTS = (TRAFFIC, FIRE, TYPHOON, RESCUE, ARREST, OUTAGE, RECALL)
DISTRACTORS = (
    "[이날|같은 날] {place9}의 낮 기온은 {degree9}까지 [올랐다|올라갔다].",
    "[기상청은|기상 당국은] {place9}에 [오후부터|밤부터] 비가 [내리겠다고 밝혔다|내릴 것으로 내다봤다].",
    "[지난달|지난주] {place9}에서는 [공사장|놀이공원|체육관] 사고로 {few9:이} 다쳤다.",
    "[주민|시민] {person9} 씨는 “[요즘 걱정이 많았다|소식을 듣고 많이 놀랐다|뉴스를 보고 소식을 알았다]”고 말했다.",
    "[한편|이와 별도로] {place9:은} [안전 점검에|도로 정비에] {budget9:을} 쓰기로 했다.",
    "[이날|같은 시간] {place9}에서는 [안전 교육에|재난 훈련에] {people9:이} [참여했다|참가했다].",
    "[올해|지난해] {company9:은} {place9}에 [안전 장비를|구호 물품을] [보냈다|기부했다].",
)
