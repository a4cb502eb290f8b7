"""Sphinx configuration."""

import atexit
import json
import os
import shutil
import tempfile
from importlib import import_module
from pathlib import Path

# Without it sphinx-gallery cannot look up HalvingGridSearchCV in an example that it does not run.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sphinx_gallery.sorting import FunctionSortKey

import sk_mnist
from sk_mnist import start_tensorflow
from sk_mnist.datasets._dataset import BUNDLED
from sk_mnist.demo import draw_page

# Examples find MNIST in a separate cache, filled from the package's copy, and so need no network.
_temporary = Path(tempfile.mkdtemp(prefix="sk-mnist-docs-"))
atexit.register(shutil.rmtree, _temporary, ignore_errors=True)
(_temporary / "data-home").mkdir()
shutil.copy(BUNDLED, _temporary / "data-home")
os.environ["SK_MNIST_DATA"] = str(_temporary / "data-home")
os.environ["KERAS_HOME"] = str(_temporary / "keras-home")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# The width that rich gives progress bars where there is no terminal.
os.environ["COLUMNS"] = "100"

project = "sk-mnist"
author = "The sk-mnist developers"
copyright = "2026, The sk-mnist developers"
release = version = sk_mnist.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/*.py"]
templates_path = ["_templates"]
# The gallery's order is a function, which Sphinx cannot cache and says so.
suppress_warnings = ["config.cache"]


def properties_of(name):
    """Return the names of the properties that a class defines; the template of its page lists them apart."""
    module, _, class_name = name.rpartition(".")
    members = vars(getattr(import_module(module), class_name))
    return sorted(name for name, member in members.items() if isinstance(member, property) and name[0] != "_")


autosummary_generate = True
autosummary_context = {"properties_of": properties_of}
autodoc_default_options = {
    "members": True,
    "inherited-members": False,
    # The first three scikit-learn makes, and documents them for metadata routing; the others are the fields of a
    # NamedTuple, which its docstring explains.
    "exclude-members": "set_fit_request,set_partial_fit_request,set_score_request,true,predicted,frequency",
}
# "fit()" instead of "KerasMLPClassifier.fit()" in the list of what is on the page.
toc_object_entries_show_parents = "hide"
# Sets of options have straight quotes, as in code.
smartquotes_action = "De"
# Docstrings say more of a type than its hint.
autodoc_typehints = "none"
# Where other projects document the names that we link to. The inventories are ours, so that a build needs no network.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.txt"),
    "numpy": ("https://numpy.org/doc/stable", "inventories/numpy.txt"),
    "sklearn": ("https://scikit-learn.org/stable", "inventories/sklearn.txt"),
}
# Types of parameters are links.
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    "RandomState": "numpy.random.RandomState",
    "Pipeline": "sklearn.pipeline.Pipeline",
    "Bunch": "sklearn.utils.Bunch",
    "Path": "pathlib.Path",
    # Without a link: numpydoc's own would need more than names in an inventory.
    **{word: word for word in ("array-like", "bool", "callable", "generator", "iterable", "sequence", "None")},
    "KerasMLPClassifier": "sk_mnist.KerasMLPClassifier",
    "RandomInk": "sk_mnist.RandomInk",
    "RandomWarp": "sk_mnist.RandomWarp",
}
# Link names only, not the other words of a type.
numpydoc_xref_ignore = "all"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# All of numpydoc's checks but
numpydoc_validation_checks = {
    "all",
    "ES01",  # not everything needs more than a summary,
    "EX01",  # or an example: a test asks for those of classes and functions,
    "SA01",  # or has something to see also;
    "SA03",  # "scikit-learn" is spelled so;
    "RT02",  # return values have names, as in scikit-learn;
    "SS05",  # a summary may be a noun in the plural
}
numpydoc_validation_exclude = {
    # Results, made by functions: their fields are documented as attributes.
    r"\.(EvaluationResult|ClassifierComparison|CrossValidationReport|DigitReading)$",
    # NamedTuples, whose fields have docstrings from Python.
    r"\.(ConfusedPair|DigitCrop|RejectedPiece|Digit)(\.|$)",
}

# As a reader would go through them.
_GALLERY_ORDER = [
    "plot_quick_start.py",
    "plot_tutorial.py",
    "plot_tuned_in_15_lines.py",
    "plot_tuning.py",
    "plot_cross_validation.py",
    "plot_errors.py",
    "plot_calibration.py",
    "plot_early_stopping.py",
    "plot_distortions.py",
    "plot_outliers.py",
    "plot_own_digits.py",
    "plot_scalers.py",
    "plot_compare_classifiers.py",
    "fashion_mnist.py",
    "dense_networks.py",
]


def prepare_example(gallery_conf, filename):
    """Load TensorFlow without its chatter, and cut white margins off pictures; sphinx-gallery calls this."""
    import matplotlib.pyplot as plt

    start_tensorflow()
    plt.rcParams["savefig.bbox"] = "tight"


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"benchmarks|scaling|sample_photo|serve|optuna_search|reproduce_reference|train(ing)?_p",
    "within_subsection_order": FunctionSortKey(_GALLERY_ORDER.index),
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("sk_mnist",),
    "capture_repr": ("_repr_html_",),
    "reset_modules": ("matplotlib", prepare_example),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "only_warn_on_example_error": False,
}

# Doctests in Markdown need an empty line before the end of their block; pages do not.
highlight_options = {"python": {"stripnl": True}}

# Copied code has no prompts, and no output.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True

html_theme = "pydata_sphinx_theme"
html_title = f"sk-mnist {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_logo = html_favicon = "_static/logo.svg"
_WITHOUT_SUBPAGES = [
    "index",
    "install",
    "auto_examples/plot_tutorial",
    "coming_from",
    "troubleshooting",
    "glossary",
    "contributing",
    "releases",
    "changelog",
]
html_sidebars = {page: [] for page in _WITHOUT_SUBPAGES}
# What the reader's system prefers.
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "sk-mnist"},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def setup(app):
    """Add the first notebook, and the page to draw on, which reads by itself here."""
    app.connect("builder-inited", _write_notebook)
    app.connect("build-finished", _write_draw_page)


def _write_notebook(app):
    """Write a page that shows the first notebook with its outputs, next to the examples."""
    cells = json.loads(Path(app.srcdir, "../examples/first_steps.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = ["".join(part) for cell in cells for part in _parts(cell)]
    Path(app.srcdir, "auto_examples", "first_steps.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _parts(cell):
    """Yield a cell of a notebook and its outputs in Markdown."""
    if cell["cell_type"] == "markdown":
        # A page links the pages of examples instead of the scripts.
        yield [line.replace(".py)", ".rst)") for line in cell["source"]]
        return
    yield ["```python\n", *cell["source"], "\n```"]
    for output in cell["outputs"]:
        data = output["data"]
        picture = f'<img src="data:image/png;base64,{data.get("image/png")}" alt="what this cell draws">'
        # As the examples show HTML.
        start, end = '<div class="output_subarea output_html rendered_html output_result">', "</div>"
        yield ["````{raw} html\n", start, *data.get("text/html", picture), end, "\n````"]


def _write_draw_page(app, error):
    if error is None and app.builder.format == "html":
        page = draw_page(sk_mnist.load_pretrained()["mlp"])
        Path(app.outdir, "draw.html").write_text(page, encoding="utf-8")
