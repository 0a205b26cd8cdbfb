"""Closed lists from which the facts of the made-up news are drawn; every company, person and event is fictitious."""


def _words(text: str) -> tuple[str, ...]:
    """The words of `text`, which stand between spaces."""
    return tuple(text.split())


CITIES = _words(
    "청주 충주 제천 천안 아산 서산 공주 논산 전주 군산 익산 남원 여수 순천 목포 나주 광양 포항 경주 김천 안동 "
    "구미 영주 상주 창원 진주 통영 거제 양산 김해 밀양 강릉 원주 춘천 속초 동해 삼척 수원 용인 안산 평택 파주 김포 이천"
)
COUNTIES = _words("단양군 부여군 무주군 고창군 담양군 해남군 울진군 거창군 남해군 하동군 평창군 정선군")
COAST = _words("군산시 여수시 목포시 포항시 통영시 거제시 강릉시 속초시 동해시 삼척시 남해군 울진군")

BRANDS = _words("가온 누리 다온 라온 마루 한별 새봄 아람 하늘 미르 온새 보람 단비 한울 도담 세움 해솔 나래")
SECTORS = _words("전자 건설 식품 제약 화학 통신 중공업 모터스")

SURNAMES = _words("김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권")
GIVEN_NAMES = _words(
    "민수 지훈 서연 수진 영호 미경 현우 은지 동민 정희 태영 경숙 상철 유진 재현 보라 성호 나영 준서 혜원"
)


def _suffixed(numbers: str, unit: str) -> tuple[str, ...]:
    """Each of the comma-free, `|`-separated `numbers` followed by `unit`."""
    return tuple(number + unit for number in numbers.split("|"))


# A slot of a template takes its value from the pool of its name without trailing digits: {place2} from "place".
POOLS: dict[str, tuple[str, ...]] = {
    "city": CITIES,
    "place": tuple(city + "시" for city in CITIES) + COUNTIES,
    "coast": COAST,
    "brand": BRANDS,
    "company": tuple(brand + sector for brand in BRANDS for sector in SECTORS),
    "univ": _suffixed("가온|누리|한별|새봄|하늘|한울|도담|해솔|백두|한라|무궁|서해", "대학교"),
    "museum": _suffixed("한별|새봄|하늘|백두|한라|무궁|서해|가람|솔빛|달빛|고운|푸른", "박물관"),
    "library": _suffixed("늘봄|솔빛|달빛|고운|푸른|가람|별마루|글샘|책숲|온마을|꿈나무|해오름", "도서관"),
    "assoc": _suffixed("음악|미술|축구|농구|배구|바둑|사진|관광|무용|요리|문학|건축", "협회"),
    "team": tuple(  # one team a city, so that no two teams of a match share their name's first half
        f"{city} {('호랑이', '독수리', '돌고래', '사자', '곰', '늑대', '갈매기')[index % 7]}"
        for index, city in enumerate(CITIES)
    ),
    "person": tuple(surname + given for surname in SURNAMES for given in GIVEN_NAMES),
    "country": _words("베트남 인도네시아 태국 인도 폴란드 독일 프랑스 미국 캐나다 멕시코 브라질 호주 이집트 카타르"),
    "day": tuple(f"{day}일" for day in range(1, 29)),
    "date": tuple(f"{month}월 {day}일" for month in range(3, 12) for day in (1, 5, 10, 15, 20, 25)),
    "time": tuple(f"{half} {hour}시쯤" for half in ("오전", "오후") for hour in range(1, 12)),
    "money": _suffixed(
        "100|120|150|180|200|240|250|300|320|350|400|450|500|560|600|700|750|800|900|1,200|1,500|1,800|2,000|2,400|3,000|5,000",
        "억 원",
    ),
    "gift": _suffixed(
        "2천만|3천만|4천만|5천만|6천만|7천만|8천만|1억|1억 2천만|1억 5천만|2억|2억 5천만|3억|3억 5천만|4억|5억|7억|10억",
        " 원",
    ),
    "people": _suffixed(
        "20|25|30|40|45|50|60|70|80|90|100|120|130|150|160|180|200|210|250|280|300|320|350|400|420|450|500|600|700|800",
        "명",
    ),
    "budget": _suffixed("12|15|18|20|24|25|30|35|40|45|50|60|70|80|90", "억 원"),
    "few": _suffixed("2|3|4|5|6|7|8|9|10|11|12|13|14|15", "명"),
    "pct": tuple(
        f"{number}%" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20, 22, 24, 25, 27, 30, 35, 40)
    ),
    "months": _suffixed("8|10|12|14|15|16|18|20|24|30", "개월"),
    "hours": _suffixed("2|3|4|5|6|7|8|9", "시간"),
    "degree": _suffixed("12|15|18|21|24|26|28|31|33", "도"),
    "homes": _suffixed("150|200|240|300|350|400|500|600|800|900|1,200|1,500|1,800|2,000|2,500|3,000", "가구"),
    "festival": _suffixed("벚꽃|국화|딸기|사과|인삼|불꽃|눈꽃|나비|연꽃|유채꽃|전통시장|도자기", "축제"),
}
