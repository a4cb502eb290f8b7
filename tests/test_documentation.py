"""What the README and the docs show is what the commands print."""

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_recipe_table_in_the_docs_is_what_the_benchmark_prints():
    process = subprocess.run(
        [sys.executable, ROOT / "examples" / "benchmarks" / "recipes.py", "--only", "none"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == (ROOT / "docs" / "printed" / "recipes.txt").read_text().strip()


def test_the_requirements_without_tensorflow_are_those_of_the_package():
    lines = (ROOT / "docs" / "requirements-predict.txt").read_text().splitlines()
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    only_for_training = {"tensorflow", "keras", "scikeras", "skops"}  # skops only saves
    needed = [line for line in dependencies if re.match(r"[\w-]+", line)[0] not in only_for_training]
    assert lines[1:] == needed


@pytest.mark.slow
def test_the_program_in_the_readme_prints_what_the_readme_shows():
    readme = (ROOT / "README.md").read_text()
    program, printed = re.search(r"```python\n(.*?)```\n\nIt prints `(.*?)`", readme, re.DOTALL).groups()
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found, shown = (re.fullmatch(r"(.*) ([\d.]+)%", line.strip()).groups() for line in (process.stdout, printed))
    assert found[0] == shown[0]
    # Other processors round in another way.
    assert float(found[1]) == pytest.approx(float(shown[1]), abs=0.3)


@pytest.mark.weekly
def test_the_report_in_the_docs_is_what_the_commands_print(tmp_path):
    command = [sys.executable, "-m", "sk_mnist"]
    subprocess.run([*command, "train", "--no-plots", "--output", tmp_path], check=True, capture_output=True)
    evaluate = [*command, "evaluate", tmp_path / "model.skops"]
    printed = subprocess.run(evaluate, capture_output=True, text=True, check=True).stdout
    shown = (ROOT / "docs" / "printed" / "evaluate.txt").read_text()
    accuracies = [float(re.search(r"^accuracy +([\d.]+)", text, re.MULTILINE)[1]) for text in (printed, shown)]
    # Other processors round in another way.
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.003)
    words = [re.sub(r"[\d.]+", "", text).split() for text in (printed, shown)]
    assert words[0] == words[1]


def test_links_in_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_every_name_that_the_api_reference_links_to_exists():
    inventories = "".join(path.read_text() for path in ROOT.glob("docs/inventories/*.txt"))
    names = re.findall(r"^([\w.]+) (?:class|function) ", inventories, re.MULTILINE)
    assert names
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module or "builtins"), attribute), name


MODULES = [
    "augmentation",
    "datasets",
    "metrics",
    "model_selection",
    "neural_network",
    "plotting",
    "persistence",
    "preprocessing",
    "pretrained",
]


def test_public_classes_and_functions_have_an_example():
    # --doctest-modules runs those that are there.
    for module in map(importlib.import_module, ["sk_mnist", *(f"sk_mnist.{name}" for name in MODULES)]):
        for name in module.__all__:
            public = getattr(module, name)
            if inspect.isclass(public) or inspect.isfunction(public):
                text = inspect.getdoc(public) or ""
                assert ">>> " in text and "+SKIP" not in text, f"{module.__name__}.{name}"  # noqa: PT018
