"""The draw page in a browser: drawing, reading, and the same results as in Python."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from sk_mnist import DigitImageNormalizer, fetch_mnist, load_pretrained
from sk_mnist.demo import draw_page
from sk_mnist.preprocessing import split_digits

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


def draw(page, points):
    box = page.locator("#paper").bounding_box()
    (x, y), *others = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def answer_is(page, text):
    """Wait until the page says so."""
    page.wait_for_function(
        "text => (document.querySelector('#answer strong') ?? document.querySelector('#answer')).textContent === text",
        arg=text,
        timeout=10_000,
    )


class TestDrawing:
    def test_a_digit_is_read(self, page):
        answer_is(page, "Nothing to read yet.")
        draw(page, SEVEN)
        answer_is(page, "7")
        assert "%, or else " in page.locator("#answer").inner_text()
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

    def test_undo_takes_back_the_last_stroke_and_clear_all(self, page):
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

    def test_the_keyboard_draws(self, page):
        page.locator("#paper").focus()
        for key, times in [("ArrowUp", 12), (" ", 1), ("ArrowDown", 24), (" ", 1)]:
            for _ in range(times):
                page.keyboard.press(key)
        answer_is(page, "1")
        page.keyboard.press("Escape")
        answer_is(page, "Nothing to read yet.")

    def test_a_finger_draws_on_a_phone(self, open_page, static_page):
        page = open_page(static_page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate(
            """points => {
              const paper = document.getElementById("paper");
              const box = paper.getBoundingClientRect();
              paper.setPointerCapture = () => {};
              points.forEach(([x, y], k) => {
                const at = { clientX: box.x + x * box.width, clientY: box.y + y * box.height, pointerId: 5 };
                const type = k === 0 ? "pointerdown" : "pointermove";
                paper.dispatchEvent(new PointerEvent(type, { ...at, pointerType: "touch", button: 0, bubbles: true }));
              });
              paper.dispatchEvent(new PointerEvent("pointerup", { pointerId: 5, pointerType: "touch", bubbles: true }));
            }""",
            SEVEN,
        )
        answer_is(page, "7")

    def test_a_picture_is_read(self, page, tmp_path):
        image = fetch_mnist(subset="test", normalize=False).images[4]
        path = tmp_path / "four.jpg"
        Image.fromarray(255 - np.kron(np.pad(image, 12), np.ones((8, 8), dtype=np.uint8))).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "4")
        page.keyboard.press("Escape")
        answer_is(page, "Nothing to read yet.")

    def test_what_is_no_picture_is_said_to_be_none(self, page, tmp_path):
        path = tmp_path / "text.png"
        path.write_text("no picture")
        page.locator("#file").set_input_files(path)
        answer_is(page, "text.png is not a picture that the browser can show.")

    def test_a_picture_without_a_digit_is_said_to_have_none(self, page, tmp_path):
        path = tmp_path / "empty.png"
        Image.new("L", (300, 200), 220).save(path)
        page.locator("#file").set_input_files(path)
        answer_is(page, "There is no digit here that stands out from the paper.")

    def test_a_server_that_is_gone_is_said_to_be(self, browser, server):
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        page.route("**/predict", lambda route: route.abort())
        draw(page, SEVEN)
        answer_is(page, "The server does not answer. Is sk-mnist demo still running?")
        context.close()
