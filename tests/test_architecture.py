"""Which module may import which: data flows one way, and foreign private names stay in few files."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin

import sk_mnist

PACKAGE = Path(sk_mnist.__file__).parent

# The rooms, each with those that it may import. The modules at the top of the package are for all.
ROOMS = {
    "datasets": set(),
    "preprocessing": set(),
    "augmentation": set(),
    "neural_network": {"augmentation"},
    "metrics": set(),
    "plotting": {"metrics"},
    "pipeline": {"preprocessing", "augmentation", "neural_network"},
    "pretrained": {"preprocessing", "augmentation", "neural_network"},
    "reading": {"preprocessing", "pretrained"},
    "model_selection": {"metrics"},
    "persistence": {"preprocessing", "augmentation", "neural_network"},
    "demo": {"preprocessing", "neural_network", "pretrained", "reading"},
    "cli": {
        "datasets",
        "preprocessing",
        "metrics",
        "plotting",
        "pipeline",
        "pretrained",
        "reading",
        "model_selection",
        "persistence",
        "demo",
    },
}

# The only folder that imports Keras, TensorFlow and scikeras.
KERAS = "sk_mnist.neural_network._keras"


def name_of(path):
    """Dotted name of a module of the package."""
    parts = ("sk_mnist", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(tree, *, types=False):
    """Names that are imported when a module or a function of it runs and, if asked for, those for annotations alone."""
    for node in ast.iter_child_nodes(tree):
        if not types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imports_of(node, types=types)


def own_imports_of(module, *, types=False):
    """Modules of the package that a module imports."""
    for name in imports_of(MODULES[module], types=types):
        if name.partition(".")[0] == "sk_mnist":
            yield name if name in MODULES else name.rpartition(".")[0]


def room_of(module):
    """The room that a module is in; None for those at the top of the package."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and not parts[1].startswith("_") else None


def importers_of(library):
    return {module for module, tree in MODULES.items() if library in {n.partition(".")[0] for n in imports_of(tree)}}


@pytest.mark.parametrize("module", MODULES)
def test_subpackages_import_only_the_subpackages_they_may(module):
    if module == "sk_mnist.__main__":
        return
    room = room_of(module)
    imported = {room_of(name) for name in own_imports_of(module)} - {None, room}
    assert imported <= ROOMS.get(room, set())


def test_the_import_rules_cover_every_subpackage():
    assert {room_of(module) for module in MODULES} == {None, *ROOMS}


def test_there_are_no_circular_imports():
    # Also for annotations alone, but for packages, which import their public names for type checkers.
    packages = {name_of(path.parent / "__init__.py") for path in PACKAGE.rglob("*.py")}
    graph = {module: set(own_imports_of(module, types=module not in packages)) - {module} for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # CycleError names the cycle
    assert order.index("sk_mnist._sklearn") < order.index("sk_mnist.neural_network._classifier")


def test_type_checkers_see_the_public_names():
    imported = set(imports_of(MODULES["sk_mnist"], types=True)) - set(imports_of(MODULES["sk_mnist"]))
    assert imported == {f"{home}.{name}" for name, home in sk_mnist._HOME.items()}


@pytest.mark.parametrize("library", ["keras", "tensorflow", "scikeras"])
def test_one_folder_imports_keras_tensorflow_and_scikeras(library):
    importers = importers_of(library)
    assert importers
    assert all(module.startswith(f"{KERAS}.") for module in importers)


def test_one_module_imports_scikeras():
    assert importers_of("scikeras") == {f"{KERAS}.scikeras"}


@pytest.mark.parametrize("module", [module for module in MODULES if module != "sk_mnist._sklearn"])
def test_private_names_of_scikit_learn_come_from_one_module(module):
    imported = [name for name in imports_of(MODULES[module]) if name.partition(".")[0] == "sklearn"]
    assert [name for name in imported if "._" in name] == []
    private = {name for name in dir(BaseEstimator) + dir(CallbackSupportMixin) if name[:1] == "_" != name[1:2]}
    used = {node.attr for node in ast.walk(MODULES[module]) if isinstance(node, ast.Attribute)}
    assert used & private == set()


def test_the_check_for_private_names_detects_them():
    assert any("._" in name for name in imports_of(MODULES["sk_mnist._sklearn"]))
