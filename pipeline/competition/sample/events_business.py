"""Kinds of business news, as templates."""

from pipeline.competition.sample.article import Event, Form

_QUARTERS = ("1분기", "2분기", "3분기", "4분기", "상반기", "하반기")

FACTORY = Event(
    kind="공장 준공",
    topic="business",
    lead="{company:은} {day} [직원과 주민이 참석한 가운데 |]새 공장의 [준공식을 열었다|문을 열었다고 밝혔다|준공 행사를 치렀다].",
    facts=("[공장은|새 공장은|이번 공장은] {place}에 들어섰으며 앞으로 {goods:을} [만든다|생산한다].",),
    details=(
        "{company} {person} [대표는|사장은] “지역 경제에 [힘이|도움이] 되겠다”고 [말했다|강조했다].",
        "[공사는|공장 건설은] [시작한 지 |]{months} 만에 [끝났다|마무리됐다].",
        "{place} 주민들은 [공장이 들어선 것을 반겼다|교통이 복잡해질까 걱정하기도 했다|지역이 살아날 것으로 기대했다].",
    ),
    forms=(
        Form(
            "{company:이} {place}에 {money:을} 들여 {goods} 공장을 세웠다.",
            (
                "[{company:은} 공장을 짓는 데 {money:을} 투자했다|공장 건설에는 모두 {money:이} 들었다|전체 공사비는 {money:이다}].",
            ),
        ),
        Form(
            "{company:이} {place}에 {goods} 공장을 세우고 {people:을} 새로 뽑는다.",
            (
                "[{company:은} 공장에서 일할 직원 {people:을} 새로 뽑는다|공장이 돌아가면 일자리 {people}분이 새로 생긴다|회사는 공장 직원으로 {people:을} 채용할 계획이다].",
            ),
        ),
    ),
    bundles=(
        {"company": "{brand}전자", "goods": "반도체"},
        {"company": "{brand}전자", "goods": "냉장고"},
        {"company": "{brand}화학", "goods": "배터리"},
        {"company": "{brand}화학", "goods": "페인트"},
        {"company": "{brand}식품", "goods": "라면"},
        {"company": "{brand}식품", "goods": "만두"},
        {"company": "{brand}제약", "goods": "백신"},
        {"company": "{brand}중공업", "goods": "엔진"},
        {"company": "{brand}모터스", "goods": "전기차"},
    ),
)

PRODUCT = Event(
    kind="신제품 출시",
    topic="business",
    lead="{company:은} {day} [{place}에서 |기자들을 불러 ]발표회를 열고 [새 {goods:을} 공개했다|새 {goods:을} 소개했다|새 {goods:을} 선보였다].",
    facts=(
        "[새 {goods}의 이름은|이번 제품의 이름은|이날 발표된 제품의 이름은] {name:으로}, [개발에 |만드는 데 ]{months:이} 걸렸다.",
    ),
    details=(
        "{company:은} 올해 매출이 {pct} [늘 것으로 기대했다|늘 것으로 보고 있다|늘어나기를 바라고 있다].",
        "[개발을 맡은|개발팀을 이끈] {person} 팀장은 “[쓰기 편하게|오래 쓸 수 있게|누구나 쓰기 쉽게] 만들었다”고 말했다.",
    ),
    forms=(
        Form(
            "{company:이} {goods} {name:을} {price}에 내놓는다.",
            (
                "[{name}의 가격은 {price:으로} 정해졌다|{company:은} {name} 가격을 {price:으로} 정했다|{name:은} 매장에서 {price}에 팔린다].",
            ),
        ),
        Form(
            "{company:이} {goods} {name:을} {country}에서 먼저 판다.",
            (
                "[{name:은} 국내보다 {country}에서 먼저 판매된다|{company:은} {name:을} {country} 시장에 먼저 내놓기로 했다|{name:이} 처음 팔리는 곳은 {country:이다}].",
            ),
        ),
    ),
    pools={
        "name": ("‘하루’", "‘구름’", "‘나무’", "‘바람’", "‘온별’", "‘새길’", "‘물결’", "‘햇살’", "‘이슬’", "‘봄날’"),
        "price": (
            "29만 원",
            "35만 원",
            "42만 원",
            "49만 원",
            "55만 원",
            "68만 원",
            "79만 원",
            "88만 원",
            "95만 원",
            "120만 원",
        ),
    },
    bundles=(
        {"company": "{brand}전자", "goods": "청소기"},
        {"company": "{brand}전자", "goods": "노트북"},
        {"company": "{brand}전자", "goods": "세탁기"},
        {"company": "{brand}통신", "goods": "휴대전화"},
        {"company": "{brand}통신", "goods": "스피커"},
        {"company": "{brand}모터스", "goods": "전기자전거"},
    ),
)

AGREEMENT = Event(
    kind="업무협약",
    topic="business",
    lead="{company:은} {day} {place}에 있는 본사에서 {tech} [개발을 위한 업무협약을 맺었다|분야의 업무협약을 맺었다고 밝혔다|분야의 업무협약식을 열었다].",
    facts=(
        "[협약 상대는 {company2:으로}, 두 회사는|{company:과} {company2:은} 앞으로|{company2:과} 손잡은 {company:은}] {tech} 개발을 [함께 한다|같이 맡는다].",
    ),
    details=(
        "[협약 기간은|협약이 이어지는 기간은|함께 일하는 기간은] {months:이다}.",
        "{company} {person} [대표는|사장은] “[좋은 결과를 내겠다|서로에게 도움이 될 것이다]”라고 말했다.",
    ),
    forms=(
        Form(
            "{company:과} {company2:이} {tech} 개발에 {money:을} 투자한다.",
            (
                "[두 회사가 투자할 금액은 {money:이다}|두 회사는 개발비로 {money:을} 쓴다|개발에는 {money:이} 투자된다].",
            ),
        ),
        Form(
            "{company:과} {company2:이} {place2}에 {tech} 연구소를 세운다.",
            (
                "[두 회사가 함께 쓸 연구소는 {place2}에 세운다|두 회사는 {place2}에 연구소를 세우기로 했다|공동 연구소가 들어설 곳은 {place2:이다}].",
            ),
        ),
    ),
    pools={"tech": ("인공지능", "로봇", "자율주행", "수소 연료", "무인기", "친환경 포장재", "태양전지", "음성 인식")},
)

MERGER = Event(
    kind="인수합병",
    topic="business",
    lead="{company:은} {day} 이사회를 열고 [기업을 인수하기로 했다|다른 회사를 사들이기로 했다|인수 계획을 확정했다].",
    facts=(
        "[인수 대상은 {place}에 본사를 둔 {company2:이다}|인수되는 회사는 {place}에 있는 {company2:이다}|사들이기로 한 회사는 {place}의 {company2:이다}].",
    ),
    details=(
        "{company:은} [직원을 줄이지 않겠다고|공장을 그대로 두겠다고|이름을 바꾸지 않겠다고] [밝혔다|약속했다].",
        "[인수 절차는|계약은] {date}에 [끝날 예정이다|마무리된다].",
        "{company:은} {company2} {person} 대표가 [자리에서 물러난다고|고문을 맡는다고|회사에 남는다고] 설명했다.",
    ),
    forms=(
        Form(
            "{company:이} {company2:을} {money}에 인수한다.",
            (
                "[인수 금액은 {money:으로} 정해졌다|인수에 드는 돈은 {money:이다}|{company:은} 인수 대금으로 {money:을} 낸다].",
            ),
        ),
        Form(
            "{company:이} {company2} 지분 {stake:을} 사들인다.",
            (
                "[{company:이} 갖게 되는 지분은 {stake:이다}|회사는 먼저 지분 {stake:을} 사기로 했다|이번 계약으로 넘어가는 지분은 {stake:이다}].",
            ),
        ),
    ),
    pools={"stake": ("35%", "40%", "45%", "51%", "55%", "60%", "65%", "70%", "75%", "80%", "90%")},
)

EARNINGS = Event(
    kind="실적 발표",
    topic="business",
    lead="{company:은} {day} [투자자 설명회를 열고 |공시를 통해 ]{quarter} 실적을 [발표했다|공개했다].",
    facts=(
        "[{company}의 영업이익은 {money:이었다}|{company:은} 영업이익으로 {money:을} 기록했다|이 기간 {company}의 영업이익은 {money:으로} 나타났다].",
    ),
    details=(
        "[해외 매출이|국내 매출이|온라인 판매가] [전체 매출의|회사 매출의] {pct2:을} 차지했다.",
        "{company:은} 다음 실적을 {date}에 [발표한다|공개할 예정이다|내놓을 계획이다].",
        "[증권사는|시장에서는] 회사의 목표 주가를 [그대로 두었다|다시 살펴보기로 했다].",
    ),
    forms=(
        Form(
            "{company}의 {quarter} 영업이익이 {money:으로} {pct} 늘었다.",
            (
                "[지난해 같은 기간보다 이익이 {pct} 늘었다|이익은 1년 전보다 {pct} 많아졌다|수출이 잘돼 이익이 {pct} 증가했다].",
            ),
        ),
        Form(
            "{company}의 {quarter} 영업이익이 {money:으로} {pct} 줄었다.",
            (
                "[지난해 같은 기간보다 이익이 {pct} 줄었다|이익은 1년 전보다 {pct} 적어졌다|원료 값이 올라 이익이 {pct} 감소했다].",
            ),
        ),
    ),
    pools={"quarter": _QUARTERS},
)

OVERSEAS = Event(
    kind="해외 수주",
    topic="business",
    lead="{company:은} {day} 해외에서 [큰 공사를 따냈다고 밝혔다|새 계약을 맺었다고 공시했다|대형 사업을 수주했다고 발표했다].",
    facts=("[{company:이} 맡은 일은|이번 사업은|{company:이} 따낸 사업은] {country}에 {work:을} 짓는 것이다.",),
    details=(
        "[{company:은} 이 나라에서|{company:은} 같은 지역에서] 이미 [도로를|학교를|병원을] 지은 적이 있다.",
        "[현장에는|공사에는] 국내 기술자 {people:이} [파견된다|나간다].",
        "{company} {person} 사장은 “[안전하게 공사를 마치겠다|품질로 답하겠다|약속한 날짜를 지키겠다]”고 말했다.",
    ),
    forms=(
        Form(
            "{company:이} {country}에서 {money} 규모의 {work} 공사를 따냈다.",
            ("[계약 금액은 {money:이다}|공사비는 {money:으로} 정해졌다|회사가 받을 돈은 {money:이다}].",),
        ),
        Form(
            "{company:이} {country}에 {months} 안에 {work:을} 짓기로 했다.",
            (
                "[공사 기간은 {months:이다}|회사는 {months} 안에 공사를 끝내야 한다|공사는 {months} 안에 마치기로 했다].",
            ),
        ),
    ),
    pools={"work": ("발전소", "고속철도", "항만", "정유공장", "병원", "교량", "댐", "공항")},
    bundles=({"company": "{brand}건설"}, {"company": "{brand}중공업"}),
)

EVENTS = (FACTORY, PRODUCT, AGREEMENT, MERGER, EARNINGS, OVERSEAS)
DISTRACTORS = (
    "[같은 날|이날] {company9:은} {place9}에 [물류 창고를|기숙사를] 짓겠다고 [밝혔다|발표했다].",
    "[한편|이와 별도로] {company9:은} {money9} 규모의 [투자 계획을|신규 사업을] 내놓았다.",
    "[이날 주식시장에서|거래소에서] {company9} 주가는 {pct9} [올랐다|내렸다].",
    "[코스피는|이날 코스닥은] {company9} 주가가 {pct9} 오르면서 [강세를 보였다|오름세로 끝났다].",
    "[지난주|지난달] {company9:은} {place9} 사업장의 직원 {people9:을} [줄이기로|다른 곳으로 옮기기로] 했다.",
    "[증권사 연구원|시장 전문가] {person9} 씨는 “[올해는 경기가 좋아지고 있다|당분간 환율을 지켜봐야 한다|기업들의 투자가 늘고 있다]”고 [말했다|내다봤다].",
    "[지난달|지난주]에는 {company9:이} {country9}에 [지사를 냈다|제품을 수출했다].",
)
