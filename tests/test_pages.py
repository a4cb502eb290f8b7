"""The built pages in a browser: nothing is cut, nothing fails, and nothing is loaded from elsewhere."""

import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from filelock import FileLock

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [*sorted(path.stem for path in DOCS.glob("*.md")), "api/generated/sk_mnist.KerasMLPClassifier"]
# Pages with all kinds of content: pictures, tables, programs and what they print.
TYPICAL = {"index", "classifier", "performance", "accuracy", "command_line", "data"}
SIZES = [(1280, 900), (390, 844)]

# Elements that stick out of the page to the right, and cannot be scrolled to.
CUT = """
() => [...document.querySelectorAll("body *")].filter(element => {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.right <= document.documentElement.clientWidth + 1) return false;
    for (let outer = element; outer; outer = outer.parentElement) {
        const style = getComputedStyle(outer);
        if (["auto", "scroll", "hidden"].includes(style.overflowX) || style.position === "fixed") return false;
    }
    return true;
}).map(element => element.outerHTML.slice(0, 120))
"""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def build(tmp_path_factory):
    pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install '.[docs]'")
    pytest.importorskip("sphinx_design")
    # The processes of a test run share the pages that the first of them builds.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    output = shared / "site"
    with FileLock(shared / "site.lock"):
        # Sphinx writes this file last, so a build that failed is tried again.
        if not (output / "objects.inv").exists():
            command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-D", "plot_gallery=0", DOCS, output]
            process = subprocess.run(command, capture_output=True, text=True, timeout=600)
            assert process.returncode == 0, process.stderr
    return output


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the built pages: those of SK_MNIST_SITE, or else without the gallery, which takes minutes."""
    output = os.environ.get("SK_MNIST_SITE") or build(tmp_path_factory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=output)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_errors_and_fits_the_screen(site, page, name):
    errors, foreign = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith((site, "data:")) else foreign.append(request.url))
    assert page.goto(f"{site}/{name}.html", wait_until="networkidle").ok
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
    assert errors == []
    assert foreign == []
    # Thumbnails of examples have their titles beside them.
    assert page.locator("article img:not([alt]), article img[alt='']:not(.sphx-glr-thumbnails img)").count() == 0


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.weekly)])
@pytest.mark.parametrize(
    "name", [name if name in TYPICAL else pytest.param(name, marks=pytest.mark.weekly) for name in PAGES]
)
def test_a_page_has_no_serious_accessibility_violations(site, page, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.goto(f"{site}/{name}.html")
    # The theme fades from one scheme to the other.
    page.add_style_tag(content="*, *::before, *::after { transition: none !important; }")
    page.emulate_media(color_scheme=scheme)
    violations = axe.run(page).response["violations"]
    serious = [violation for violation in violations if violation["impact"] in ("serious", "critical")]
    assert [(violation["id"], [node["html"] for node in violation["nodes"]][:3]) for violation in serious] == []
