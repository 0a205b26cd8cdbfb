"""Kinds of news on posts and gifts, as templates."""

from pipeline.competition.sample.article import Event, Form

HIRING = Event(
    kind="채용",
    topic="business",
    lead="{company:은} {day} 올해 {quarter} [신입사원 |]채용 [계획을 발표했다|일정을 공개했다|계획을 내놓았다].",
    facts=(
        "[{company:이} 뽑을 신입사원은 모두 {people:이다}|이번에 {company}에 들어갈 신입사원은 {people:이다}|{company:은} 신입사원 {people:을} 뽑기로 했다].",
    ),
    details=(
        "[지원서는|서류는] {date}까지 회사 누리집에서 [받는다|낼 수 있다].",
        "[합격한 사람은|신입사원은] {place} 연수원에서 [교육을 받는다|교육을 받은 뒤 일을 시작한다].",
        "{company} 인사팀은 [전공을 보지 않겠다고|면접을 두 차례 보겠다고|학력을 묻지 않겠다고] 설명했다.",
    ),
    forms=(
        Form(
            "{company:이} 지난해보다 {pct} 많은 신입사원 {people:을} 뽑는다.",
            (
                "[채용 규모는 지난해보다 {pct} 늘었다|지난해와 비교하면 채용이 {pct} 늘었다|회사는 채용을 작년보다 {pct} 늘렸다].",
            ),
        ),
        Form(
            "{company:이} 채용을 {pct} 줄여 신입사원 {people}만 뽑는다.",
            (
                "[채용 규모는 지난해보다 {pct} 줄었다|지난해와 비교하면 채용이 {pct} 줄었다|회사는 채용을 작년보다 {pct} 줄였다].",
            ),
        ),
    ),
    pools={"quarter": ("상반기", "하반기")},
)

APPOINTMENT = Event(
    kind="대표 선임",
    topic="business",
    lead="{company:은} {day} [서울|{place}]에서 주주총회를 열고 [새 대표를 뽑았다|대표를 바꾸기로 했다|새 대표를 결정했다].",
    facts=(
        "[새 대표는 {person:으로}, 임기는|{person:이} 회사를 이끌게 됐으며 임기는|주주들이 고른 사람은 {person:이며} 임기는] [앞으로 |]{months:이다}.",
    ),
    details=(
        "{person} 대표는 “[직원의 목소리를 듣겠다|{company:을} 더 키우겠다|새 길을 찾겠다]”고 말했다.",
        "[물러나는|자리를 떠나는] {person2} 대표는 [고문을 맡는다|회사를 떠난다].",
        "[총회에는|이날 총회에는] 주주 {people:이} [참석했다|나왔다].",
    ),
    forms=(
        Form(
            "{company:이} {person} {rank:을} 새 대표로 뽑았다.",
            (
                "[{company} 안에서 일해 온 {person:은} 지금까지 {rank:을} 맡았다|{person:은} {company}에서 {rank:으로} 일해 왔다|{person:은} 그동안 {company} {rank:이었다}].",
            ),
        ),
        Form(
            "{company:이} {company2} 출신 {person:을} 새 대표로 영입했다.",
            (
                "[{person:은} {company2}에서 오래 일했다|{person:은} 지난해까지 {company2} 임원이었다|경쟁사인 {company2}에서 일하던 {person:을} 데려왔다].",
            ),
        ),
    ),
    pools={"rank": ("부사장", "연구소장", "공장장", "재무이사", "영업이사")},
)

ELECTION = Event(
    kind="선거 당선",
    topic="society",
    lead="{assoc:은} {day} {place}에서 [총회를 열고 새 회장을 뽑았다|회장 선거를 치렀다|새 회장을 정하는 선거를 했다].",
    facts=(
        "[{assoc} 새 회장은 {person:으로}, 임기는|{person:이} {assoc:을} 이끌게 됐으며 임기는|당선된 {person} 회장의 임기는] {months:이다}.",
    ),
    details=(
        "{person} 당선인은 “[회원의 뜻을 받들겠다|열심히 일하겠다|협회를 바꾸겠다]”고 [말했다|다짐했다].",
        "[선거에는|투표에는] 회원 {people:이} [참여했다|참가했다].",
    ),
    forms=(
        Form(
            "{person:이} {person2:을} 누르고 {assoc} 회장에 당선됐다.",
            (
                "[경쟁자였던 {person2} 후보는 {gap} 차이로 졌다|함께 나선 {person2} 후보는 {gap} 뒤져 떨어졌다|{person:은} {person2} 후보를 {gap} 앞섰다].",
            ),
        ),
        Form(
            "{person:이} 찬성 {vote:으로} {assoc} 회장에 당선됐다.",
            (
                "[혼자 나선 {person} 후보는 찬성 {vote:을} 얻었다|후보는 한 명이었고 찬성은 {vote}였다|단독 후보인 {person}에게 {vote:이} 찬성했다].",
            ),
        ),
    ),
    pools={
        "gap": ("2%p", "3%p", "5%p", "6%p", "8%p", "10%p", "12%p", "15%p", "20%p"),
        "vote": ("57%", "62%", "65%", "68%", "71%", "74%", "78%", "81%", "85%", "88%", "92%", "96%"),
    },
)

SCHOLARSHIP = Event(
    kind="장학금 기부",
    topic="society",
    lead="{company} {person} 회장은 {day} [학생들을 만나 |교정을 찾아 ]장학금 [전달식에 참석했다|전달식을 열었다].",
    facts=("[장학금을 받는 곳은|기부를 받는 학교는|이번에 도움을 받는 곳은] {univ:으로}, {person} 회장의 모교다.",),
    details=(
        "{univ} 총장은 “[귀하게 쓰겠다|학생들에게 큰 힘이 된다|뜻을 이어 가겠다]”고 [말했다|답했다].",
        "{person} 회장은 [어릴 때|젊은 시절] {place}에서 [어렵게 공부했다|일하며 학교를 다녔다].",
    ),
    forms=(
        Form(
            "{person} 회장이 모교 {univ}에 장학금 {gift:을} 기부했다.",
            ("[기부한 금액은 {gift:이다}|회장이 내놓은 돈은 {gift:이다}|장학금은 모두 {gift:으로} 알려졌다].",),
        ),
        Form(
            "{person} 회장이 모교 {univ} 학생 {people}에게 장학금을 준다.",
            (
                "[혜택을 보는 학생은 {people:이다}|장학금은 학생 {people}에게 돌아간다|학생 {people:이} 장학금을 받는다].",
            ),
        ),
    ),
)

EVENTS = (HIRING, APPOINTMENT, ELECTION, SCHOLARSHIP)
