"""Rules of text, II: what a newspaper prints around an article: reporters' bylines, addresses, copyright lines.

They are made to miss rather than to err: whatever stands in the middle of a sentence stays. Repetitions are bounded,
so that time is linear in a text's length.
"""

import re

_SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진지엄채원천방공현함변염여추도소석선설"
    "마길연위표명기반왕금옥육인맹제모탁국어은편용나라피계사봉빈단"
)
# words before 기자 that begin as a name does
_NO_NAMES = (
    "여성 남성 방송 정치 현장 전문 선임 우리 문화 경제 사회 연예 신문 사진 소속 담당 한국 외국 미국 중국 일본 "
    "모든 어느 이런 그런 다른 유명 해당 선배 후배 동료 전직 현직 주재 출입 국내 해외 외신 지역 민완 여기자 전속"
)
_NAME = rf"(?!(?:{_NO_NAMES.replace(' ', '|')})\s?기자)[{_SURNAMES}][가-힣]{{1,3}}"
_ROLE = r"(?:(?:[가-힣]{2,6}\s?)?(?:인턴|수습|선임|전문|객원|온라인|디지털)\s?기자|기자|특파원|통신원|논설위원|리포터)"
_NAMES = rf"{_NAME}(?:\s?[·ㆍ,]\s?{_NAME}){{0,5}}\s?{_ROLE}"
_MAIL = r"[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"
_BRACKETED_MAIL = rf"[(\[<]?\s?{_MAIL}\s?[)\]>]?"
_PAPER = r"[가-힣A-Za-z0-9&.]{2,15}"
_PRESS = r"[가-힣A-Za-z0-9&.]{0,12}(?:뉴스[0-9A-Z핌룸]?|뉴시스|일보|신문|통신|경제|투데이|데일리|타임스|저널|방송)"
_PLACE = rf"{_PAPER}(?:\s?[·ㆍ,/]\s?{_PAPER}){{0,3}}"
# where a sentence ends: nothing that is left out begins anywhere else but at the text's or a line's beginning
_AFTER_SENTENCE = "(?<=[.!?…\"'”’」』)\\]>】])"

# (서울=연합뉴스) 홍길동 기자 = · 【서울=뉴시스】홍길동 기자 = · [아시아경제 홍길동 기자] · 홍길동 기자 =
_OPENING = re.compile(
    rf"\A\s*(?:[(\[【〔<]\s?{_PLACE}\s?=\s?{_PRESS}\s?[)\]】〕>]\s?(?:{_NAMES}\s?)?(?:{_BRACKETED_MAIL}\s?)?=?"
    rf"|[(\[【〔<]\s?{_PLACE}\s?=\s?{_PAPER}\s?[)\]】〕>]\s?{_NAMES}\s?(?:{_BRACKETED_MAIL}\s?)?=?"
    rf"|[(\[【〔<]\s?(?:{_PLACE}\s?[=|/,·]?\s?(?:{_PLACE}[,=]?\s)?)?{_NAMES}\s?(?:{_MAIL}\s?)?[)\]】〕>]\s?=?"
    rf"|{_NAMES}\s?(?:{_BRACKETED_MAIL}\s?)?=)\s*"
)
# 홍길동 기자 hong@x.co.kr · /홍길동 기자 · [서울=홍길동 기자] at the end of the text
_CLOSING = re.compile(
    rf"(?:\n|{_AFTER_SENTENCE})\s{{0,3}}[/|▶■◆◇☞ⓒ]?\s?(?:[(\[【<]\s?)?(?:{_PLACE}\s?=\s?)?(?:글\s?[·,/]?\s?사진\s?[=:]?\s?)?{_NAMES}"
    rf"\s?[)\]】>]?\s?[/,|]?\s?(?:{_BRACKETED_MAIL})?\s*\Z"
)
# a line that is a reporter and an address
_LINE = re.compile(rf"^[ \t]*[/|▶■◆◇☞]?\s?{_NAMES}\s?[/,|]?\s?{_BRACKETED_MAIL}[ \t]*$\n?", re.MULTILINE)

_MAIL_ALONE = re.compile(rf"(?:^|{_AFTER_SENTENCE})[ \t]*[/|▶■☞]?[ \t]?{_BRACKETED_MAIL}[ \t]*$", re.MULTILINE)
# 저작권자 ⓒ …, Copyrights ⓒ …, ⓒ … 무단 전재 및 재배포 금지, All rights reserved: to the line's end, no sentence in it
_IN_LINE = r"(?:(?!다\.|요\.)[^\n])"
_BEGIN = rf"(?:^|{_AFTER_SENTENCE})[ \t]*[-–—<(\[【〈※▶☞■|*· \t]{{0,4}}"
_AND = r"[\s,·ㆍ\-및과와/]{0,4}"
_USE = r"(?:수집|재\s?배포|배포|복제|복사|DB화?|이용|사용|AI\s?학습)"
_FORBIDDEN = (
    rf"무단\s?(?:전재|복제|배포|도용){_AND}(?:{_USE}{_AND}(?:활용|이용|등을?)?{_AND}){{0,4}}"
    r"(?:를|을)?\s?(?:금지|금합니다|금함)"
)
_COPYRIGHT = re.compile(
    rf"{_BEGIN}(?:(?:저작권자|copyrights?)\s?[:]?\s?(?:ⓒ|©|\(c\)){_IN_LINE}{{0,120}}"
    rf"|(?:ⓒ|©){_IN_LINE}{{1,80}}?(?:{_FORBIDDEN}|all\s+rights?\s+reserved){_IN_LINE}{{0,20}}"
    rf"|{_FORBIDDEN}[.\s>)\]】〉-]*"
    rf"|all\s+rights?\s+reserved[.\s>)\]】〉-]*)$",
    re.MULTILINE | re.IGNORECASE,
)


def drop_bylines(text: str) -> str:
    """Without the reporter who stands before or after an article; one of whom an article tells stays.

    `(서울=연합뉴스) 홍길동 기자 = `, `[한겨레 홍길동 기자]`, a closing `홍길동 기자 hong@x.co.kr`.
    """
    if not any(role in text for role in ("기자", "특파원", "통신원", "논설위원", "리포터", "=")):
        return text
    return _strip_changed(text, _CLOSING.sub("", _LINE.sub("", _OPENING.sub("", text))))


def drop_contacts(text: str) -> str:
    """Without e-mail addresses and copyright lines that stand alone: on a line, or after the last sentence of one.

    An address that a sentence names (`문의는 a@b.kr로`) stays.
    """
    new = _MAIL_ALONE.sub("", text) if "@" in text else text
    lowered = new.lower()
    if any(mark in lowered for mark in ("ⓒ", "©", "copyright", "무단", "저작권자", "rights reserved")):
        new = _COPYRIGHT.sub("", new)
    return _strip_changed(text, new)


def _strip_changed(text: str, new: str) -> str:
    return text if new == text else new.strip()
