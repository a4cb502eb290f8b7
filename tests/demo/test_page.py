"""The draw page in a browser: drawing, reading, and the same answers as in Python."""

import base64
import io
import threading

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt, maximum_filter, zoom

from sk_mnist import fetch_mnist, load_pretrained, read_digits
from sk_mnist.demo import Reader, draw_page
from tests.helpers.draw_pages import served

pytestmark = pytest.mark.slow

SEVEN = [(0.4, 0.15), (0.6, 0.15), (0.5, 0.85)]
THREE = [(0.1, 0.2), (0.2, 0.12), (0.25, 0.25), (0.17, 0.42), (0.26, 0.6), (0.2, 0.8), (0.1, 0.75)]
ONE = [(0.85, 0.15), (0.85, 0.85)]
SCRIBBLE = [(0.65, 0.3), (0.8, 0.2), (0.7, 0.5), (0.85, 0.6), (0.68, 0.75), (0.9, 0.3), (0.66, 0.6), (0.9, 0.8)]


@pytest.fixture(scope="module")
def model():
    return load_pretrained()


@pytest.fixture(scope="module")
def static_page(model, tmp_path_factory):
    """The page of the documentation, which reads by itself."""
    path = tmp_path_factory.mktemp("page") / "draw.html"
    path.write_text(draw_page(model["mlp"]), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def open_page(browser):
    """Open a page; afterwards, check that it asked nobody else, and that the console is empty."""
    complaints, contexts = [], []

    def open_page(url, **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _belongs(request.url, url) or complaints.append(request.url))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _belongs(asked, url):
    return asked.startswith((url, "data:", "blob:"))


@pytest.fixture(params=["server", "static"])
def page(request, open_page):
    """The page, once served by the demo and once by itself."""
    url = request.getfixturevalue("server").url if request.param == "server" else request.getfixturevalue("static_page")
    return open_page(url)


@pytest.fixture(scope="module")
def four():
    """A 4 of MNIST, enlarged."""
    return np.kron(fetch_mnist(subset="test", normalize=False).images[4], np.ones((8, 8), dtype=np.uint8))


def draw(page, points):
    box = page.locator("#paper").bounding_box()
    (x, y), *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def dispatch(page, strokes, kind):
    """Draw all at once by events that the page cannot tell from those of a mouse or a finger."""
    page.evaluate(
        """([strokes, pointerType]) => {
          const box = paper.getBoundingClientRect();
          paper.setPointerCapture = () => {}; // there is no such pointer
          for (const stroke of strokes) {
            stroke.forEach(([x, y], k) => {
              const clientX = box.x + (x * box.width) / paper.width;
              const clientY = box.y + (y * box.height) / paper.height;
              const init = { clientX, clientY, pointerType, pointerId: 5, button: 0, bubbles: true };
              paper.dispatchEvent(new PointerEvent(k === 0 ? "pointerdown" : "pointermove", init));
            });
            paper.dispatchEvent(new PointerEvent("pointerup", { pointerType, pointerId: 5, bubbles: true }));
          }
        }""",
        [strokes, kind],
    )


def has_read(page):
    """Wait until nothing is being read."""
    page.wait_for_function("() => element('reading').getAttribute('aria-busy') === 'false'")


def answer_is(page, text):
    """Wait until the page says so."""
    page.wait_for_function(
        "text => (document.querySelector('#answer strong') ?? document.querySelector('#answer')).textContent === text",
        arg=text,
    )


class TestDrawing:
    def test_a_digit_is_read(self, page):
        answer_is(page, "Nothing to read yet.")
        draw(page, SEVEN)
        answer_is(page, "7")
        assert "%, second choice " in page.locator("#answer").inner_text()
        rows = page.locator("#bars tr")
        assert rows.count() == 10
        assert float(rows.nth(7).locator("td").nth(1).inner_text().rstrip(" %")) > 90
        assert page.locator("#details").is_visible()

    def test_digits_in_a_row_are_read_one_by_one(self, page):
        for stroke in (ONE, THREE, SEVEN):
            draw(page, stroke)
        answer_is(page, "3 7 1")
        buttons = page.locator("#pieces button")
        assert [button.inner_text() for button in buttons.all()] == ["3", "7", "1"]
        buttons.nth(1).click()
        assert page.locator("#bars tr").nth(7).locator("td").nth(1).inner_text().startswith(("9", "100"))
        assert buttons.nth(1).get_attribute("aria-pressed") == "true"

    def test_undo_removes_the_last_stroke_and_clear_removes_all_strokes(self, page):
        assert page.locator("#undo").is_disabled()
        draw(page, SEVEN)
        draw(page, ONE)
        answer_is(page, "7 1")
        page.locator("#undo").click()
        answer_is(page, "7")
        page.keyboard.press("Control+z")
        answer_is(page, "Nothing to read yet.")
        draw(page, SEVEN)
        answer_is(page, "7")
        page.locator("#clear").click()
        answer_is(page, "Nothing to read yet.")
        assert page.locator("#details").is_hidden()

    def test_clearing_while_drawing_discards_the_stroke(self, page):
        page.locator("#paper").focus()
        page.keyboard.press(" ")
        page.mouse.move(200, 200)
        page.mouse.down()
        page.mouse.move(300, 300)
        page.keyboard.press("Escape")
        page.mouse.move(400, 200)
        page.keyboard.press("ArrowDown")
        page.mouse.up()
        answer_is(page, "Nothing to read yet.")

    def test_the_loose_bar_of_a_5_is_a_part_of_it(self, page):
        draw(page, [(0.45, 0.3), (0.45, 0.55), (0.55, 0.58), (0.58, 0.72), (0.53, 0.88), (0.42, 0.88)])
        draw(page, [(0.54, 0.2), (0.66, 0.2)])
        answer_is(page, "5")

    def test_what_is_no_digit_is_said_and_left_out(self, page):
        draw(page, SCRIBBLE)
        answer_is(page, "No digit: looks like something else.")
        assert page.locator("#verdict").inner_text() == "No digit: looks like something else."
        assert page.locator("#shares").is_hidden()
        draw(page, SEVEN)
        answer_is(page, "7")
        assert page.locator("#answer").inner_text().endswith(", 1 piece is no digit")
        buttons = page.locator("#pieces button")
        assert [button.inner_text() for button in buttons.all()] == ["7", "no digit"]
        assert page.locator("#shares").is_visible()
        buttons.nth(1).click()
        assert page.locator("#verdict").is_visible()
        assert page.locator("#shares").is_hidden()

    def test_what_is_cut_from_a_letter_is_not_sure(self, page):
        turns = np.linspace(0, 2 * np.pi, 20)
        draw(page, [(0.2, 0.25), (0.2, 0.8)])
        draw(page, [(0.2, 0.52), (0.37, 0.52)])
        draw(page, [(0.47 + 0.1 * np.cos(turn), 0.52 + 0.28 * np.sin(turn)) for turn in turns])
        has_read(page)
        answers = page.evaluate("pieces.map((piece) => [piece.label, piece.is_sure])")
        assert [0, False] in answers
        assert not any(is_sure for _, is_sure in answers)

    def test_each_line_of_digits_has_its_own_line(self, page):
        for stroke in (ONE, SEVEN, THREE):
            for bottom in (0, 1):
                draw(page, [(x, 0.45 * y + 0.5 * bottom) for x, y in stroke])
        answer_is(page, "3 7 1\n3 7 1")

    def test_digits_can_be_drawn_with_the_keyboard(self, page):
        page.locator("#paper").focus()
        for key, times in [("ArrowUp", 12), (" ", 1), ("ArrowDown", 24), (" ", 1)]:
            for _ in range(times):
                page.keyboard.press(key)
        answer_is(page, "1")
        page.keyboard.press("Escape")
        answer_is(page, "Nothing to read yet.")

    def test_digits_can_be_drawn_with_a_finger_on_a_phone(self, open_page, static_page):
        page = open_page(static_page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        width, height = page.evaluate("[paper.width, paper.height]")
        dispatch(page, [[(x * width, y * height) for x, y in SEVEN]], "touch")
        answer_is(page, "7")

    def test_an_old_answer_disappears_as_soon_as_the_drawing_changes(self, page):
        draw(page, SEVEN)
        answer_is(page, "7")
        shown = page.evaluate(
            """() => {
              const down = { clientX: 100, clientY: 300, pointerId: 5, button: 0, bubbles: true };
              paper.setPointerCapture = () => {}; // there is no such pointer
              paper.dispatchEvent(new PointerEvent("pointerdown", down));
              return [element("answer").textContent, getComputedStyle(element("details")).visibility];
            }"""
        )
        assert shown == ["reading \u2026", "hidden"]


class TestPictures:
    """The served page reads pictures."""

    @pytest.fixture
    def page(self, open_page, server):
        return open_page(server.url)

    def test_a_picture_is_read(self, page, four, tmp_path):
        path = tmp_path / "four.jpg"
        Image.fromarray(255 - np.pad(four, 96)).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")
        page.keyboard.press("Escape")
        answer_is(page, "Nothing to read yet.")

    def test_bright_ink_on_a_transparent_picture_is_read(self, page, four, tmp_path):
        path = tmp_path / "four.png"
        Image.fromarray(np.dstack([np.full((*four.shape, 3), 255, dtype=np.uint8), four])).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")

    @pytest.mark.parametrize("way", ["drop", "paste"])
    def test_a_picture_can_be_dropped_or_pasted(self, page, four, way):
        file = io.BytesIO()
        Image.fromarray(np.pad(four, 96)).save(file, "PNG")
        page.evaluate(
            """([way, picture]) => {
              const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
              const transfer = new DataTransfer();
              transfer.items.add(new File([bytes], "four.png", { type: "image/png" }));
              const Kind = { drop: DragEvent, paste: ClipboardEvent }[way];
              const event = new Kind(way, { dataTransfer: transfer, clipboardData: transfer, bubbles: true });
              document.dispatchEvent(event);
            }""",
            [way, base64.b64encode(file.getvalue()).decode()],
        )
        answer_is(page, "4")

    def test_a_file_that_is_not_a_picture_is_reported(self, page, tmp_path):
        path = tmp_path / "text.png"
        path.write_text("no picture")
        page.locator("#file").set_input_files(path)
        answer_is(page, "The browser cannot show text.png as a picture.")

    def test_a_picture_without_a_digit_is_reported(self, page, tmp_path):
        path = tmp_path / "empty.png"
        Image.new("L", (300, 200), 220).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "The contrast is too low.")

    def test_a_picture_of_a_kind_that_only_the_browser_reads_is_read(self, page, four, tmp_path):
        path = tmp_path / "four.ico"
        Image.fromarray(255 - four).save(path, sizes=[(224, 224)])
        with pytest.raises(ValueError, match="not a picture in a supported format"):
            read_digits(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")

    def test_an_old_answer_disappears_as_soon_as_a_picture_is_opened(self, page, four, tmp_path):
        draw(page, SEVEN)
        answer_is(page, "7")
        busy = page.evaluate(
            """() => {
              openPicture(new File(["slow to decode"], "a.png"));
              return [element("answer").textContent, element("reading").getAttribute("aria-busy")];
            }"""
        )
        assert busy == ["reading \u2026", "true"]

    def test_the_answer_of_a_slow_reading_is_not_shown_for_a_later_drawing(self, open_page, four, tmp_path):
        path = tmp_path / "four.png"
        Image.fromarray(255 - np.pad(four, 96)).save(path)
        reader = SlowFirst()
        with served(reader) as server:
            page = open_page(server.url)
            page.locator("#file").set_input_files(path)
            assert reader.has_begun.wait(300)
            page.keyboard.press("Escape")
            draw(page, SEVEN)
            answer_is(page, "7")
            reader.may_go_on.set()
            assert reader.has_ended.wait(300)
            page.wait_for_timeout(200)  # an answer would have come
            answer_is(page, "7")

    def test_an_unsure_answer_is_marked(self, open_page):
        with served(Unsure()) as server:
            page = open_page(server.url)
            draw(page, SEVEN)
            answer_is(page, "7?")
            assert "not sure: 70.0 %, second choice " in page.locator("#answer").inner_text()
            draw(page, ONE)
            answer_is(page, "7? 1?")
            assert page.locator("#answer").inner_text().endswith("2 digits, not sure of 2")

    def test_a_server_that_does_not_answer_is_reported(self, browser, server):
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        page.route("**/predict", lambda route: route.abort())
        draw(page, SEVEN)
        answer_is(page, "The server does not answer. Is sk-mnist demo still running?")
        context.close()


class SlowFirst(Reader):
    """Reads the first picture only when it is allowed to."""

    def __init__(self):
        super().__init__()
        self.has_begun, self.may_go_on, self.has_ended = (threading.Event() for _ in range(3))

    def read(self, picture):
        if self.has_begun.is_set():
            return super().read(picture)
        self.has_begun.set()
        self.may_go_on.wait(300)
        content = super().read(picture)
        self.has_ended.set()
        return content


class Unsure(Reader):
    """Is never sure."""

    def read(self, picture):
        content = super().read(picture)
        digits = [{**digit, "confidence": 0.7, "is_sure": False} for digit in content["digits"]]
        return {**content, "digits": digits}


class TestSavedPage:
    """The page that reads by itself reads drawings, as Python does."""

    @pytest.fixture
    def page(self, open_page, static_page):
        return open_page(static_page)

    def test_it_reads_no_pictures_and_says_what_does(self, page, open_page, server):
        assert page.locator("#help").inner_text().endswith("To read pictures, run sk-mnist demo.")
        for kind, n in ((page, 0), (open_page(server.url), 2)):
            assert kind.locator("label[for=file], input[type=file]").count() == n
        assert page.evaluate("typeof openPicture") == "undefined"

    def test_touching_digits_are_cut_apart(self, page):
        draw(page, [(0.1, 0.38), (0.18, 0.3), (0.25, 0.42), (0.1, 0.85), (0.4, 0.85)])
        draw(page, [(0.36, 0.3), (0.52, 0.3), (0.4, 0.85)])
        has_read(page)
        labels = page.evaluate("pieces.map((piece) => piece.label)")
        assert labels[0] == 2
        assert len(labels) == 2  # a 7 with the rest of the stroke

    def test_probabilities_match_python(self, page, model):
        images = fetch_mnist(subset="test", normalize=False).images[:1000]
        code = "images => images.map((image) => probabilities(MODEL.layers, image))"
        there = page.evaluate(code, images.reshape(1000, -1).tolist())
        np.testing.assert_allclose(there, model.predict_proba(images), atol=1e-4)

    def test_drawings_are_read_as_in_python(self, page):
        # Only those of which the page is sure: where read_digits is not, it tries other interpretations. It also
        # removes specks, which the page does not.
        test = fetch_mnist(subset="test", normalize=False)
        generator = np.random.default_rng(0)
        differences = []
        for _ in range(40):
            drawn = []
            for place in range(3):
                right, down = 280 * place + generator.integers(0, 30), generator.integers(0, 120)
                for row, start, end in horizontal_strokes(test.images[generator.integers(10_000)], side=10):
                    drawn.append(
                        [{"x": float(x + right - 215), "y": float(row + down), "width": 22} for x in (start, end)]
                    )
            picture, there = page.evaluate(
                "(drawn) => { clear(); strokes = drawn; draw(); return [paper.toDataURL(), read()]; }", drawn
            )
            if there["rejected"] or not all(digit["is_sure"] for digit in there["digits"]):
                continue
            here = read_digits(base64.b64decode(picture.partition(",")[2]))
            assert [(digit["label"], digit["line"]) for digit in there["digits"]] == [
                (digit.label, number) for number, line in enumerate(here.lines) for digit in line
            ]
            for digit, same in zip(there["digits"], here.digits, strict=True):
                differences.append(np.abs(np.subtract(digit["image"], same.image.ravel(), dtype=float)).mean())
        assert len(differences) >= 60
        # The others are shifted by a pixel, or lack a speck.
        assert np.quantile(differences, 0.9) <= 0.1


def test_digits_of_mnist_drawn_with_the_mouse_are_recognised(open_page, static_page):
    test = fetch_mnist(subset="test", normalize=False)
    page = open_page(static_page)
    n_right = 0
    for image, label in zip(test.images[:60], test.target, strict=False):
        dispatch(page, [[(start, row), (end, row)] for row, start, end in horizontal_strokes(image)], "mouse")
        has_read(page)
        n_right += page.evaluate("pieces.map((piece) => piece.label)") == [label]
        page.keyboard.press("Escape")
        has_read(page)
    assert n_right >= 57  # 95 %: the pen is too wide for some of them


def horizontal_strokes(image, side=14, pen=22):
    """Rows and ends of the horizontal strokes of a round pen that fill a digit, on paper of 840 x 420 pixels."""
    large = zoom(image / 255, side, order=1, grid_mode=True, mode="grid-constant") > 0.5
    inside = distance_transform_edt(large)
    # Where the pen fits in, and the middle of strokes where it is too wide.
    core = inside >= np.minimum(pen / 2, 0.8 * maximum_filter(inside, size=pen))
    for row in range(0, len(core), 8):
        edges = np.flatnonzero(np.diff(core[row] & large[row], prepend=False, append=False))
        for start, end in edges.reshape(-1, 2):
            yield row + 10, int(start) + 220, int(end) + 220


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_accessibility_checker_finds_no_violations(open_page, static_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(static_page, color_scheme=scheme)
    for stroke in (THREE, SEVEN):
        draw(page, stroke)
    answer_is(page, "3 7")
    violations = axe.run(page).response["violations"]
    assert [(violation["id"], violation["impact"]) for violation in violations] == []
