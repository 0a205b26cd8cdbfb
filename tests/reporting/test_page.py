"""The page in a real Chromium: what can be pressed does what it says, and nothing is planted."""

import shutil
from time import perf_counter

import pytest
from builders import build_results, build_rows

from pipeline.reporting.results import Ledger
from pipeline.stages.report import report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'"
)
# slow: a browser starts, and each test opens a page in it; together ten seconds
pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = "</script><script>window.planted = true</script><img src=x onerror='window.planted = true'>"
A, B = "greedy/no_repeat_ngram_size:0", "greedy/no_repeat_ngram_size:3"


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with playwright.sync_playwright() as runner:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def view(chromium, make_params, tmp_path):
    """Opens the page of some results; whatever the console said, and whatever was asked for, is refused at the end."""
    said, asked, pages = [], [], []

    def view(results, width=1280, scheme="light"):
        path = tmp_path / "report.html"
        path.write_text(report(results, make_params(**{"score.resamples": 100})).html, encoding="utf-8")
        page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.locator("html").get_attribute("data-ready") == "true"
        return page

    yield view
    for page in pages:
        page.close()
    assert said == []
    assert all(url.startswith("file://") for url in asked)


def list_ids(page):
    return page.locator("#list button").evaluate_all("all => all.map(one => one.dataset.id)")


def test_tables_sort_both_ways_and_blanks_stay_last(view):
    results = build_results()
    results.board["seconds"] = [3.0, 10.0, float("nan"), float("nan")]
    page = view(results)

    def names():
        return page.locator("#leaderboard tbody th").evaluate_all("all => all.map(one => one.dataset.v)")

    assert names() == [A, B, "lead-1", "lead-3"]
    seconds = page.locator("#leaderboard thead button", has_text="seconds")
    seconds.click()
    assert names() == [B, A, "lead-1", "lead-3"]
    seconds.click()
    assert names() == [A, B, "lead-1", "lead-3"]
    page.locator("#leaderboard thead button", has_text="row").click()
    page.locator("#leaderboard thead button", has_text="row").click()
    assert names() == ["lead-3", "lead-1", B, A]
    assert page.locator("#leaderboard thead th[aria-sort=descending]").inner_text().startswith("row")


def test_examples_are_filtered_ordered_and_switched(view):
    results = build_results(documents=12)
    page = view(results)
    scores = results.scores.pivot(index="id", columns="name", values="score")
    assert list_ids(page) == list(scores[A].sort_values(kind="stable").index)
    page.select_option("#order", "best")
    assert list_ids(page)[0] == scores[A].idxmax()
    page.select_option("#row-b", label="lead-3")
    page.select_option("#order", "loses")
    gaps = (scores[A] - scores["lead-3"]).round(4).sort_values(kind="stable")
    assert list_ids(page) == list(gaps.index)
    page.select_option("#order", "file")
    page.fill("#filter", "시민 7")
    assert list_ids(page) == ["d007"]
    assert page.locator("#count").inner_text() == "1 of 12"
    assert "7일 서울에서 축제가" in page.locator("#detail").inner_text()
    page.fill("#filter", "nowhere at all")
    assert page.locator("#detail").inner_text() == ""
    page.fill("#filter", "")
    page.locator("#list button").nth(3).click()
    own = results.scores.set_index(["name", "id"])["text"]

    def shown(side):
        return page.locator(f"#detail [data-side={side}] p").inner_text()

    assert (shown("a"), shown("b")) == (own[A, "d003"], own["lead-3", "d003"])
    page.select_option("#row-a", label=B)
    assert shown("a") == own[B, "d003"]
    page.keyboard.press("Escape")
    page.locator("#list button").nth(3).focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#list [aria-current]").get_attribute("data-id") == "d004"


def test_ngrams_of_reference_and_document_are_told_apart(view):
    results = build_results(documents=1)
    results.examples["text"] = ["가방 나무 다리 라면"]
    results.examples["summaries"] = [["가방 나무 마차 바다"]]
    results.scores["text"] = "가방 나무 사과 다리 라면 마차 바다"
    page = view(results)
    marks = page.locator("#detail [data-side=a] mark")

    def found():
        return [(one.inner_text(), one.get_attribute("class")) for one in marks.all()]

    page.select_option("#size", "2")
    assert found() == [("가방 나무", "reference document"), ("다리 라면", "document"), ("마차 바다", "reference")]
    page.select_option("#size", "3")
    assert found() == []


def test_planted_script_is_text_and_does_nothing(view):
    results = build_results()
    scores = results.scores.replace({"id": {"d001": EVIL}}).assign(text=EVIL)
    examples = results.examples.replace({"id": {"d001": EVIL}}).assign(text=EVIL, summaries=[[EVIL]] * 6)
    ledger = Ledger([row | {"name": EVIL} for row in build_rows((0.4, 0.3), (0.5, 0.4))], [EVIL])
    page = view(build_results(scores=scores, examples=examples, ledger=ledger, environment={"device": EVIL}))
    page.locator("#list button").nth(1).click()
    assert EVIL in page.locator("#detail").inner_text()
    assert page.evaluate("window.planted") is None


def test_policy_runs_no_script_but_the_pages_own(chromium, make_params, tmp_path):
    path = tmp_path / "report.html"
    html = report(build_results(), make_params(**{"score.resamples": 100})).html
    path.write_text(html.replace("<main>", f"<main>{EVIL}"), encoding="utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    assert page.locator("html").get_attribute("data-ready") == "true"
    assert page.evaluate("window.planted") is None
    page.close()


def test_theme_follows_the_system_until_it_is_chosen(view):
    page = view(build_results(), scheme="dark")

    def ground():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = ground()
    page.click("#theme")
    light = ground()
    assert light != dark
    page.reload()
    assert ground() == light
    page.click("#theme")
    assert ground() == dark


def test_phone_scrolls_in_one_direction(view):
    grid = [f"beam/num_beams:{n}/length_penalty:1.0/no_repeat_ngram_size:3" for n in range(2, 12)]
    page = view(build_results(grid=grid, selection={"name": grid[0]}), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_500_documents_of_24_rows_open_in_two_seconds_and_ten_megabytes(view, tmp_path):
    """Texts of 1,500 characters a document and 120 a summary; none stands twice, which is the worst case."""
    import random

    grid = [f"beam/num_beams:{n}/length_penalty:{p}" for n in range(2, 8) for p in (0.5, 0.8, 1.0, 1.2)]
    results = build_results(documents=500, grid=grid, selection={"name": grid[0]})
    draw = random.Random(0)

    def write(characters):
        return " ".join("".join(chr(draw.randrange(0xAC00, 0xD7A3)) for _ in range(4)) for _ in range(characters // 5))

    examples = results.examples.assign(text=[write(1500) for _ in range(500)])
    scores = results.scores.assign(text=[write(120) for _ in range(len(results.scores))])
    page = view(build_results(documents=500, grid=grid, scores=scores, examples=examples, board=results.board))
    made = tmp_path / "report.html"
    started = perf_counter()
    page.goto(made.as_uri())
    page.wait_for_selector("html[data-ready]")
    taken = perf_counter() - started
    assert taken < 2
    assert 6e6 < made.stat().st_size < 10e6
    assert len(list_ids(page)) == 500
