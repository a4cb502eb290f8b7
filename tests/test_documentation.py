"""What the README and the docs show is what the commands print."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_figures_in_the_readme_are_the_ones_recorded_for_the_docs():
    (shown,) = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown.strip() == (ROOT / "docs" / "reproduce_reference.txt").read_text().strip()


def test_links_in_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_test_that_the_page_on_scikit_learn_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "scikit_learn.md").read_text()))
    defined = {
        name for path in ROOT.glob("tests/test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) > 40
    assert named <= defined, named - defined
