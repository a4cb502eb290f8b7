"""Words that readers stumble over do not come back into the docs, docstrings and comments."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What not to write, and what to write instead.
BETTER = {
    r"lest": "so that ... does not",
    r"(could not|cannot|can|to) be had": "is not available",
    r"one more of": "another, a second",
    r"(?<=[,;:] )for (it|they|this|that|these|there|all|many) (is|are|was|has|have|can|may|will|must)": "because",
    r"(?<!there )(is|are|was|were) no (?!longer|more|problem|better|worse|faster|slower|larger)": "is not a, does not",
    r"none the less|nonetheless": "but, still",
    r"(do|does|did) not say": "does not state, does not specify",
    r"what [a-z]+ (is|are) for": "the purpose of",
    r"(is|are|was) what (is|are|was|it|they|we|you)": "name the thing",
    r"which is what": "name the thing",
    r"an? [a-z-]+ of (its|their|his) own": "its own, a separate",
    r"(goes|go|going|went) on": "continues, resumes",
    r"anew": "again, from scratch",
    r"beside": "next to, in addition to, compared with",
    r"by turns|one [a-z]+ after another": "in turn, one at a time",
    r"(held|holds) (it |them |its [a-z]+ )?to (one|a|its|the)": "limited to, limits to",
    r"(is|are|was|were) to (be|have|hold)": "must, will",
    r"but for (the|a|an|its|their|one|two)": "except for",
    r"(this|that|the) very [a-z]+": "the same",
    r"tells? [a-z]+ apart": "distinguishes",
    r"speaks? of": "describes, means",
    r"as [a-z-]+ (has|have) it": "as in",
    r"in the end": "at the end",
    r"thereby|thereof|therein|wherein|thereupon|hence|thus|upon|whilst|albeit": "so, on, while",
}

FILES = [path for pattern in ("*.md", "docs/**/*.md", "sk_mnist/**/*.md") for path in ROOT.glob(pattern)]
FILES += [path for folder in ("sk_mnist", "examples", "tests", "docs") for path in ROOT.glob(f"{folder}/**/*.py")]
# Built pages hold copies of the examples.
FILES = [path for path in FILES if not {"_build", "auto_examples", "generated"} & set(path.parts)]


def sentences(path: Path) -> Iterator[str]:
    """Everything in a file that is written for people: Markdown without its code, or docstrings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield re.sub(r"^```.*?^```|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


TEXTS = [(path.relative_to(ROOT), " ".join(text.split())) for path in FILES for text in sentences(path)]


@pytest.mark.parametrize("words", BETTER)
def test_plain_words(words):
    pattern = re.compile(rf"\b({words})\b", re.IGNORECASE)
    found = [f"{path}: {text[max(match.start() - 40, 0) : match.end() + 30]}"
             for path, text in TEXTS for match in pattern.finditer(text)]  # fmt: skip
    assert found == [], f"write {BETTER[words]}"


def test_the_check_reads_docs_docstrings_and_comments():
    suffixes = [path.suffix for path, text in TEXTS if text]
    assert suffixes.count(".md") > 20
    assert suffixes.count(".py") > 2_000
