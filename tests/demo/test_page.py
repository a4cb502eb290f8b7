"""The draw page in a browser: drawing, reading, and the same results as in Python."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt, maximum_filter, zoom

from sk_mnist import fetch_mnist, load_pretrained
from sk_mnist.demo import Reader, draw_page
from sk_mnist.preprocessing._handwriting import digits_in

pytestmark = pytest.mark.slow

SEVEN = [(0.4, 0.15), (0.6, 0.15), (0.5, 0.85)]
THREE = [(0.1, 0.2), (0.2, 0.12), (0.25, 0.25), (0.17, 0.42), (0.26, 0.6), (0.2, 0.8), (0.1, 0.75)]
ONE = [(0.85, 0.15), (0.85, 0.85)]


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
        buttons = page.locator("#digits button")
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

    def test_bright_ink_on_a_transparent_picture_is_read(self, page, four, tmp_path):
        path = tmp_path / "four.png"
        Image.fromarray(np.dstack([np.full((*four.shape, 3), 255, dtype=np.uint8), four])).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")

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

    def test_a_picture_is_read(self, page, four, tmp_path):
        path = tmp_path / "four.jpg"
        Image.fromarray(255 - np.pad(four, 96)).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")
        page.keyboard.press("Escape")
        answer_is(page, "Nothing to read yet.")

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
        answer_is(page, "text.png is not a picture that the browser can show.")

    def test_a_picture_without_a_digit_is_reported(self, page, tmp_path):
        path = tmp_path / "empty.png"
        Image.new("L", (300, 200), 220).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "No digit found.")

    def test_a_server_that_does_not_answer_is_reported(self, browser, server):
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        page.route("**/predict", lambda route: route.abort())
        draw(page, SEVEN)
        answer_is(page, "The server does not answer. Is sk-mnist demo still running?")
        context.close()


class TestAsInPython:
    """The page that reads by itself gives what Python gives."""

    @pytest.fixture
    def page(self, open_page, static_page):
        return open_page(static_page)

    def test_probabilities_match_python(self, page, model):
        images = fetch_mnist(subset="test", normalize=False).images[:1000]
        code = "images => images.map((image) => probabilities(MODEL.layers, image))"
        there = page.evaluate(code, images.reshape(1000, -1).tolist())
        np.testing.assert_allclose(there, model.predict_proba(images), atol=1e-4)

    def test_digits_found_in_drawings_match_python(self, page, model):
        reader = Reader(model)
        generator = np.random.default_rng(0)
        n_digits = []
        for _ in range(50):
            drawn, picture, seen, boxes = page.evaluate(
                """async (drawn) => {
                  clear();
                  strokes = drawn;
                  draw();
                  while (isReading) await new Promise((resolve) => setTimeout(resolve, 1));
                  const ink = findInk(greyLevels(context.getImageData(0, 0, paper.width, paper.height)));
                  const boxes = findDigits(ink).map((piece) => [piece.left, piece.top, piece.right, piece.bottom]);
                  return [drawn, paper.toDataURL(), readings.map((digit) => digit.image), boxes];
                }""",
                random_strokes(generator),
            )
            digits = reader.read(io.BytesIO(base64.b64decode(picture.partition(",")[2])), "drawing")["digits"]
            assert [digit["box"] for digit in digits] == boxes, json.dumps(drawn)
            difference = np.array([digit["image"] for digit in digits]) - np.array(seen)
            assert np.abs(difference).max() <= 2, json.dumps(drawn)
            n_digits.append(len(digits))
        assert set(n_digits) >= {1, 2, 3}

    @pytest.mark.parametrize(
        "kind", ["plain", "bright on dark", "in uneven light", "noisy", "large", "with a line", "blank"]
    )
    def test_digits_found_in_pictures_match_python(self, page, kind):
        generator = np.random.default_rng(0)
        images = fetch_mnist(subset="test", normalize=False).images
        for start in range(0, 20, 4):
            row = np.hstack([np.kron(image, np.ones((6, 6))) for image in images[start : start + 4]])
            levels = 250 - 0.8 * np.pad(row, 30)
            if kind == "in uneven light":
                levels *= np.linspace(1, 0.7, levels.shape[1])
            elif kind == "noisy":
                levels += generator.normal(0, 8, levels.shape)
            elif kind == "large":
                levels = np.kron(levels, np.ones((3, 3)))
            elif kind == "with a line":
                levels[12:15] = 50
            elif kind == "blank":
                levels[:] = 200
            levels = np.clip(255 - levels if kind == "bright on dark" else levels, 0, 255).astype(np.uint8)
            code = """([width, height, text]) => {
              const data = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
              const ink = findInk({ width, height, data });
              return ink && findDigits(ink).map((piece) => [...normalized(piece.levels)]);
            }"""
            there = page.evaluate(code, [*levels.shape[::-1], base64.b64encode(levels.tobytes()).decode()])
            here = [digit.normalized() for digit in digits_in(levels, "levels", split=True)]
            assert (there is None) == (here == []) == (kind == "blank")
            if kind == "blank":
                continue
            assert len(there) == len(here)
            difference = np.array(there) - np.reshape(here, (len(here), -1))
            assert np.abs(difference).max() <= 2


def random_strokes(generator):
    """A few strokes here and there on the paper, of a few points each."""
    strokes = []
    for _ in range(generator.integers(1, 5)):
        middle = generator.uniform((80, 80), (760, 340))
        points = middle + np.cumsum(generator.normal(0, 35, (generator.integers(2, 12), 2)), axis=0)
        points = np.clip(points, 5, (835, 415))
        width = float(generator.uniform(4, 35))
        strokes.append([{"x": float(x), "y": float(y), "width": width} for x, y in points])
    return strokes


def test_digits_of_mnist_drawn_with_the_mouse_are_recognised(open_page, static_page):
    test = fetch_mnist(subset="test", normalize=False)
    page = open_page(static_page)
    n_right = 0
    for image, label in zip(test.images[:60], test.target, strict=False):
        dispatch(page, [[(start, row), (end, row)] for row, start, end in horizontal_strokes(image)], "mouse")
        page.wait_for_function("() => !isReading && !hasChanged")
        n_right += page.evaluate("readings.map((digit) => digit.label)") == [label]
        page.keyboard.press("Escape")
        page.wait_for_function("() => !isReading && !hasChanged")
    assert n_right >= 58


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
