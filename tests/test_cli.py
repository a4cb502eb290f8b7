"""The sk-mnist command, as a user runs it."""

import csv
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import onnxruntime
import pytest
import skops.io
from PIL import Image, ImageDraw
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the import below work)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

import sk_mnist
from sk_mnist.cli import main
from sk_mnist.cli._candidates import ScoreRecorder
from sk_mnist.cli._progress import Clock, TrainingProgress
from sk_mnist.cli._searches import halving_rounds
from sk_mnist.datasets._dataset import MNIST
from sk_mnist.demo import draw_page
from sk_mnist.pipeline import RECIPES
from tests.helpers.processes import last_line_printed, run_python
from tests.helpers.terminals import on_a_terminal

PNG = b"\x89PNG\r\n\x1a\n"
# Two passes over all images: enough to be right nine times in ten, quick enough to run often.
QUICK = ["--epochs", "2", "--batch-size", "256"]
# Trains in a second or two.
BRIEF = ["train", "--rows", "500", "--epochs", "3", "--batch-size", "100", "--no-plots"]


# A shell that started the tests in the background has told them to ignore SIGINT, and a child would inherit that.
heed_interrupts = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)


def run(*arguments, **kwargs):
    command = [sys.executable, "-m", "sk_mnist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **kwargs)


def error_of(capsys, *arguments):
    """The line on standard error with which the command refuses its arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    assert (stopped.value.code, captured.out, captured.err.count("\n")) == (2, "", 1)
    return captured.err


def failing(error):
    """A function that raises an error, whatever it is called with."""

    def fail(*args, **kwargs):
        raise error

    return fail


no_space = failing(OSError(28, "No space left on device"))


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    return output, run("train", *QUICK, "--output", str(output))


def test_train_succeeds_without_tensorflows_chatter(trained):
    assert (trained[1].returncode, trained[1].stderr) == (0, "")


def test_train_prints_published_and_measured_results_side_by_side(trained):
    output, process = trained
    metrics = json.loads((output / "metrics.json").read_text())
    rows = {
        cells[0]: cells[1:]
        for line in process.stdout.splitlines()
        if len(cells := [cell.strip() for cell in line.split("│")[1:-1]]) == 3
    }
    assert rows["accuracy"] == ["97.33%", f"{metrics['accuracy']:.2%}"]
    assert rows["loss (cross-entropy)"] == ["0.1513", f"{metrics['log_loss']:.4f}"]
    assert rows["label-broadcast MSE"] == ["27.3391", f"{metrics['label_broadcast_mse']:.4f}"]
    assert rows["total"] == ["", "111,146"]
    assert metrics["accuracy"] > 0.9
    assert metrics["n_samples"] == 10_000


def test_progress_is_shown_by_epoch(trained):
    output, process = trained
    history = json.loads((output / "history.json").read_text())
    lines = [line for line in process.stdout.splitlines() if line.startswith("epoch")]
    assert len(lines) == 2
    for number, line in enumerate(lines):
        loss, accuracy = history["loss"][number], history["accuracy"][number]
        assert line.startswith(f"epoch {number + 1}/2  loss {loss:.4f}  acc {100 * accuracy:.2f} %  ")
    assert re.fullmatch(r".*  \d:\d\d left", lines[0])
    assert re.fullmatch(r".*  in \d:\d\d", lines[1])


@pytest.mark.slow
def test_validation_images_are_kept_out_and_their_accuracy_is_shown(tmp_path, capsys):
    options = ["--recipe", "robust", "--epochs", "1", "--validation", "55000", "--no-plots"]
    assert main(["train", *options, "--output", str(tmp_path)]) == 0
    history = json.loads((tmp_path / "history.json").read_text())
    printed = capsys.readouterr().out
    assert f"val acc {100 * history['val_accuracy'][-1]:.2f} %" in printed
    assert "Trained 1 epoch in " in printed
    images, labels = sk_mnist.fetch_mnist(subset="train", return_X_y=True)
    network = sk_mnist.make_mnist_pipeline("robust", epochs=1, random_state=0).fit(images[:5000], labels[:5000])
    assert network.score(images[5000:], labels[5000:]) == pytest.approx(history["val_accuracy"][-1])


def test_train_writes_all_its_files_and_no_others(trained):
    output, _ = trained
    history = json.loads((output / "history.json").read_text())
    assert [len(values) for values in history.values()] == [2, 2]
    assert {path.name for path in output.iterdir()} == {
        "model.skops", "metrics.json", "history.json", "history.png", "confusion_matrix.png", "misclassified.png",
    }  # fmt: skip
    for picture in output.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)


@pytest.mark.parametrize("command", ["train", "tune"])
def test_without_tensorflow_commands_that_train_say_what_to_install(command, tmp_path, monkeypatch, capsys):
    for name in ("tensorflow", "keras", "scikeras"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([command, "--output", str(tmp_path / "new")]) == 1
    message = "sk-mnist: Training needs TensorFlow: pip install tensorflow keras scikeras\n"
    assert capsys.readouterr() == ("", message)
    assert not (tmp_path / "new").exists()


def test_evaluate_reproduces_the_results_of_train(trained, tmp_path, capsys):
    output, _ = trained
    assert main(["evaluate", str(output / "model.skops"), "--plots", str(tmp_path / "plots")]) == 0
    accuracy = json.loads((output / "metrics.json").read_text())["accuracy"]
    assert re.search(rf"^accuracy +{accuracy:.4f} ", capsys.readouterr().out, re.MULTILINE)
    for name in ("confusion_matrix.png", "misclassified.png"):
        assert (tmp_path / "plots" / name).read_bytes() == (output / name).read_bytes()


def test_evaluate_overwrites_plots_only_with_force(trained, tmp_path, capsys):
    model = str(trained[0] / "model.skops")
    picture = tmp_path / "misclassified.png"
    picture.write_text("mine")
    refusal = error_of(capsys, "evaluate", model, "--plots", str(tmp_path))
    assert "holds misclassified.png of an earlier run: use --force to replace it, or" in refusal
    assert picture.read_text() == "mine"
    assert main(["evaluate", model, "--plots", str(tmp_path), "--force"]) == 0
    assert picture.read_bytes().startswith(PNG)


def test_evaluate_rejects_files_that_are_not_models(tmp_path, capsys):
    (tmp_path / "model.skops").write_text("none")
    assert main(["evaluate", str(tmp_path / "model.skops")]) == 1
    assert "is damaged or was not saved by sk_mnist.save" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "nothing.skops")]) == 1
    assert "No such file" in capsys.readouterr().err
    skops.io.dump(DecisionTreeClassifier(), tmp_path / "tree.skops")
    assert main(["evaluate", str(tmp_path / "tree.skops")]) == 1
    reason = "holds types that load does not read: sklearn.tree._classes.DecisionTreeClassifier. If you trust"
    assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_quiet_prints_nothing(tmp_path, capfd):
    assert main([*BRIEF, "--quiet", "--output", str(tmp_path)]) == 0
    assert capfd.readouterr() == ("", "")


def test_train_without_matplotlib_writes_no_plots_and_says_what_to_install(tmp_path, monkeypatch, capsys):
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([option for option in BRIEF if option != "--no-plots"] + ["--output", str(tmp_path)]) == 0
    assert "pip install matplotlib" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"model.skops", "metrics.json", "history.json"}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("moment", ["while TensorFlow is imported", "in the training"])
def test_ctrl_c_ends_cleanly(tmp_path, moment):
    command = [sys.executable, "-u", "-m", "sk_mnist", "train", "--epochs", "10000", "--output", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        assert process.stdout.readline().startswith("MNIST: 60,000 training")
        if moment == "in the training":
            assert process.stdout.readline().startswith("epoch 1/10000")
        while "tensorflow" not in Path(f"/proc/{process.pid}/maps").read_text():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        try:
            stdout, stderr = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 130
    assert stderr == "Interrupted.\n"
    if moment == "in the training":
        n_epochs = sk_mnist.load(tmp_path / "model.skops")["mlp"].n_iter_
        last = f"{n_epochs} of 10000 epochs were finished. The network is in {tmp_path / 'model.skops'}"
        assert stdout.splitlines()[-1] == last
    else:
        assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_keeps_its_network_and_an_earlier_one(tmp_path, monkeypatch, capsys):
    show = TrainingProgress.on_fit_task_end

    def show_and_interrupt(self, estimator, context, *, fitted_estimator=None):
        show(self, estimator, context, fitted_estimator=fitted_estimator)
        if self.clock.done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "on_fit_task_end", show_and_interrupt)
    (tmp_path / "model.skops").write_text("earlier")
    assert main([*BRIEF, "--force", "--output", str(tmp_path)]) == 130
    captured = capsys.readouterr()
    assert captured.out.endswith(f"of 3 epochs were finished. The network is in {tmp_path / 'model-2.skops'}\n")
    assert captured.err == "Interrupted.\n"
    assert (tmp_path / "model.skops").read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"model.skops", "model-2.skops"}
    test = sk_mnist.fetch_mnist(subset="test")
    assert sk_mnist.load(tmp_path / "model-2.skops").score(test.data, test.target) > 0.3


@pytest.mark.parametrize("module", ["rich", pytest.param("sk_mnist.pipeline", marks=pytest.mark.weekly)])
def test_ctrl_c_during_an_import_prints_one_line(module, tmp_path):
    code = f"""
import sys

class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts)
from sk_mnist.cli import main
sys.exit(main(["train", "--output", {str(tmp_path)!r}]))
"""
    process = run_python(code)
    assert (process.returncode, process.stdout, process.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child on Windows")
@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("atexit.register(os.kill, os.getpid(), signal.SIGINT)", 0),
        ("_terminal.printable_streams = lambda: os.kill(os.getpid(), signal.SIGINT)", 130),
    ],
)
def test_ctrl_c_before_or_after_a_command_does_not_end_it_by_the_signal(moment, status, pictures):
    code = f"""
        import atexit, os, runpy, signal, sys
        from sk_mnist.cli import _terminal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        {moment}
        sys.argv = ["sk-mnist", "predict", {str(pictures / "blank.png")!r}]
        runpy.run_module("sk_mnist", run_name="__main__")
    """
    process = run_python(code)
    assert (process.returncode, process.stderr) == (status, "Interrupted.\n" if status else "")


def test_fetch_fills_verifies_and_clears_a_cache(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sk_mnist.datasets._mnist.MNIST", replace(MNIST, remotes=()))  # the copy in the package serves
    home = str(tmp_path / "data")
    assert main(["fetch", "--data-home", home, "--verify"]) == 1
    assert "does not hold MNIST" in capsys.readouterr().err
    assert main(["fetch", "--data-home", home]) == 0
    assert "MNIST is available, from bundled: " in capsys.readouterr().out
    assert main(["fetch", "--data-home", home, "--verify"]) == 0
    assert "the digests of all four arrays are correct" in capsys.readouterr().out
    (tmp_path / "data" / "mnist.npz").write_bytes(b"damaged")
    assert main(["fetch", "--data-home", home, "--verify"]) == 1
    assert main(["fetch", "--data-home", home, "--clear"]) == 0
    assert not (tmp_path / "data" / "mnist.npz").exists()


TUNE = ["tune", "--rows", "600", "--epochs", "3", "--cv", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("search", ["grid", "random", "halving"])
def test_tune_saves_the_best_model_and_all_scores(search, tmp_path, capsys):
    n_candidates = ["--candidates", "3"] if search == "random" else []
    assert main([*TUNE, "--search", search, *n_candidates, "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    fits = re.findall(r"^fit (\d+)/(\d+) ", printed, re.MULTILINE)
    n_fits = {"grid": 12, "random": 6, "halving": 16}[search]
    assert printed.startswith(f"{n_fits} fits on 600 images: ")
    assert [(int(number), int(last)) for number, last in fits] == [(i + 1, n_fits) for i in range(n_fits)]
    assert max(map(len, printed.partition("Candidates")[2].partition("best_params")[0].splitlines())) <= 80
    rows = rows_of(tmp_path / "search.csv")
    assert len(rows) >= 3
    assert {row["n_folds"] for row in rows} == {"2"}
    scores = [float(row["mean_test_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert (tmp_path / "search.png").read_bytes().startswith(PNG)
    model = sk_mnist.load(tmp_path / "model.skops")
    test = sk_mnist.fetch_mnist(subset="test")
    accuracy = json.loads((tmp_path / "metrics.json").read_text())["accuracy"]
    assert model.score(test.data, test.target) == pytest.approx(accuracy)


def test_fits_that_end_at_the_same_time_are_shown_once_each_in_order():
    recorder = ScoreRecorder(["max_depth"], n_folds=2)
    shown = []

    def show(params, score):
        n_fits = recorder.n_fits
        time.sleep(0.05 * (n_fits % 2))  # meanwhile, the next fit would be shown if it could
        shown.append(n_fits)

    recorder.on_score = show
    tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(recorder)(tree, [[0], [1]], [0, 1]) for _ in range(20)
    )
    assert shown == list(range(1, 21))


def interrupt_search(output, *options):
    """Search in a process that sends itself the signal of Ctrl-C when the third score is in."""
    code = f"""
import os, signal, sys
from sk_mnist.cli import _candidates, main

signal.signal(signal.SIGINT, signal.default_int_handler)
score = _candidates.ScoreRecorder.__call__

def score_and_interrupt(self, *arguments):
    result = score(self, *arguments)
    if self.n_fits == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return result

_candidates.ScoreRecorder.__call__ = score_and_interrupt
sys.exit(main({[*TUNE, "--grid", "large", "--output", str(output), *options]!r}))
"""
    process = run_python(code)
    assert process.returncode == 130, process.stderr
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("earlier", "name"),
    [(["search.csv"], "search-2.csv"), pytest.param([], "search.csv", marks=pytest.mark.weekly)],
)
def test_an_interrupted_search_keeps_the_finished_scores_and_earlier_results(tmp_path, earlier, name):
    for path in earlier:
        (tmp_path / path).write_text("earlier")
    process = interrupt_search(tmp_path, "--force")
    n_fits = sum(int(row["n_folds"]) for row in rows_of(tmp_path / name))
    assert 3 <= n_fits < 72
    assert {path.name for path in tmp_path.iterdir()} == {*earlier, name}
    assert all((tmp_path / path).read_text() == "earlier" for path in earlier)
    assert f"{n_fits} of 72 fits were finished. Their scores are in {tmp_path / name}" in process.stdout


@pytest.mark.parametrize("earlier", [[], ["search.csv"]])
def test_a_search_that_is_interrupted_before_its_first_fit_writes_nothing(earlier, tmp_path, monkeypatch, capsys):
    for name in earlier:
        (tmp_path / name).write_text("earlier")
    monkeypatch.setattr("sk_mnist._tensorflow.start_tensorflow", failing(KeyboardInterrupt))
    assert main([*TUNE, "--force", "--output", str(tmp_path)]) == 130
    assert "No fit was finished, and nothing was written." in capsys.readouterr().out
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(earlier, "earlier")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epochs", "0"], "argument --epochs: invalid positive int value: '0'"),
        (["train", "--epochs", "many"], "argument --epochs: invalid positive int value: 'many'"),
        (["train", "--learning-rate", "-1"], "argument --learning-rate: invalid positive float value: '-1'"),
        (["train", "--learning-rate", "inf"], "argument --learning-rate: invalid positive float value: 'inf'"),
        (["train", "--batch-size", "1.5"], "argument --batch-size: invalid positive int value: '1.5'"),
        (["train", "--seed", "-1"], "argument --seed: invalid seed (0 to 4294967295) value: '-1'"),
        (["train", "--recipe", "best"], "argument --recipe: invalid choice: 'best'"),
        (["train", "--hidden", "128,0"], "argument --hidden: invalid sizes (such as 128,64,32) value: '128,0'"),
        (["train", "--dropout", "1"], "argument --dropout: invalid fraction (0 to below 1) value: '1'"),
        (["train", "--rows", "9"], "--rows 9 leaves 9 of 60000 images to train on, which lack some digits (see"),
        (["train", "--validation", "60001"], "--validation 60001 leaves 0 of 60000 images to train on, which"),
        (["train", "--validation", "59999"], "--validation 59999 leaves 1 of 60000 images to train on, which"),
        (["train", "--rows", "70000"], "--rows 70000: there are 60000 training images"),
        (["train", "--rows", "100", "--validation", "59950"], "exceed the 60000 training images"),
        (["train", "--output", __file__], "File exists"),
        (["tune", "--cv", "1"], "--cv must be at least 2; got 1 (see sk-mnist tune --help)"),
        (["tune", "--cv", "3", "--rows", "30"], "--cv 3 needs 3 images of each digit, but the 30 training"),
        (["tune", "--search", "best"], "(choose from 'grid', 'random', 'halving') (see sk-mnist tune --help)"),
        (["export", "model.skops"], "the following arguments are required: --onnx"),
        (["tune", "--grid", "huge"], "argument --grid: invalid choice: 'huge'"),
        (["tune", "--candidates", "50"], "--candidates needs --search random; got --search grid (see sk-mnist tune -"),
        (["tune", "--search", "halving", "--candidates", "10"], "--candidates needs --search random; got --search h"),
        (["tune", "--search", "random", "--grid", "small"], "--grid needs --search grid or halving; got --search r"),
        (["fetch", "--verify", "--clear"], "not allowed with argument --verify"),
        (["fetch", "--verify", "-v"], "--verbose cannot be combined with --verify (see sk-mnist fetch --help)"),
        (["fetch", "--clear", "--verbose"], "--verbose cannot be combined with --clear (see sk-mnist fetch --help)"),
        (["evaluate"], "the following arguments are required: MODEL"),
        (["--colour"], "error: the first argument must be a command; got --colour (see sk-mnist --help)"),
        (["--epochs", "5"], "error: --epochs must follow a command: sk-mnist train --epochs 5 (see sk-mnist --help)"),
        (["--json", "tune"], "error: --json must follow a command: sk-mnist tune --json (see sk-mnist --help)"),
        (["--clear"], "error: --clear must follow a command: sk-mnist fetch --clear (see sk-mnist --help)"),
        (["train", "--epohcs", "5"], "unrecognized arguments: --epohcs 5. Did you mean '--epochs'? (see sk-mnist trai"),
        (["tune", "--colour"], "unrecognized arguments: --colour (see sk-mnist tune --help)"),
        (["xyz"], "error: no command 'xyz' (see sk-mnist --help)"),
        (["trian"], "error: no command 'trian'. Did you mean 'train'? (see sk-mnist --help)"),
        (["train", "--threads", "99999"], "argument --threads: invalid positive int (at most 1024) value: '99999'"),
        (
            ["tune", "--search", "random", "--candidates", "1000000000"],
            "argument --candidates: invalid positive int (at most 10000) value: '1000000000'",
        ),
        (["train", "--output", ""], "argument --output: an empty string is not a path"),
        (["tune", "--output", ""], "argument --output: an empty string is not a path"),
        (["fetch", "--clear", "--data-home", ""], "argument --data-home: an empty string is not a path"),
        (["predict", ""], "argument IMAGE: an empty string is not a path"),
        (["predict", "--model", "", "seven.png"], "argument --model: an empty string is not a path"),
        (["evaluate", ""], "argument MODEL: an empty string is not a path"),
        (["evaluate", "m", "--plots", ""], "argument --plots: an empty string is not a path"),
        (["export", "m", "--onnx", ""], "argument --onnx: an empty string is not a path"),
        (["demo", "--save", ""], "argument --save: an empty string is not a path"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_option_prints_one_line_and_exits_with_status_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in error_of(capsys, *arguments)


def test_without_a_command_the_help_is_printed_and_nothing_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("usage: sk-mnist [-h] [--version] COMMAND ...")
    assert "default" not in captured.out
    assert (captured.err, list(tmp_path.iterdir())) == ("", [])


@pytest.mark.parametrize(("search", "n_threads"), [([], 5), (["--search", "random", "--candidates", "3"], 10)])
def test_a_search_has_no_more_jobs_than_fits(search, n_threads, tmp_path, monkeypatch):
    started = []

    def start(number, override):
        started.append(number)
        raise KeyboardInterrupt

    monkeypatch.setattr("sk_mnist._tensorflow.start_tensorflow", start)
    many = ["--n-jobs", "99999", "--threads", "60"]  # which are shared among 12 or 6 fits
    assert main([*TUNE, *search, *many, "--output", str(tmp_path)]) == 130
    assert started == [n_threads]


def test_an_interrupted_search_waits_for_all_its_fits_together(tmp_path, monkeypatch):
    class Fit:
        name = "Thread-1 (worker)"

        def join(self, timeout):
            waited.append(timeout)
            time.sleep(timeout)

    waited = []
    monkeypatch.setattr("sk_mnist.cli._tune.MAX_SECONDS", 0.2)
    monkeypatch.setattr("sk_mnist._tensorflow.start_tensorflow", failing(KeyboardInterrupt))
    monkeypatch.setattr("sk_mnist.cli._tune.threading.enumerate", lambda: [Fit(), Fit(), Fit()])
    assert main([*TUNE, "--output", str(tmp_path)]) == 130
    assert len(waited) == 3
    assert sum(waited) <= 0.2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of POSIX")
@pytest.mark.parametrize("arguments", [["predict", "--json"], pytest.param(["predict"], marks=pytest.mark.weekly)])
def test_closed_standard_output_is_an_error(arguments, pictures):
    command = [sys.executable, "-m", "sk_mnist", *arguments, str(pictures / "seven.png")]
    process = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, timeout=300)
    assert (process.returncode, process.stderr) == (1, "sk-mnist: standard output is closed\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of POSIX")
def test_closed_standard_input_is_an_error():
    command = [sys.executable, "-m", "sk_mnist", "predict", "-"]
    process = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *command], stderr=subprocess.PIPE, text=True, timeout=300)
    assert (process.returncode, process.stderr) == (1, "sk-mnist: -: Standard input is closed\n")


@pytest.mark.parametrize("columns", ["0", "00", "1"])
def test_output_is_printed_on_a_terminal_of_no_width(columns, pictures, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["predict", str(pictures / "seven.png"), "missing.png"]) == 1
    output, errors = capfd.readouterr()
    assert output.startswith(f"{pictures / 'seven.png'}: 7\n  7")
    assert errors == "sk-mnist: missing.png: No such file or directory\n"


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"sk-mnist {sk_mnist.__version__}\n"


def test_os_errors_print_one_line_and_exit_with_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sk_mnist.datasets.fetch_mnist", no_space)
    assert main(["train", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "sk-mnist: [Errno 28] No space left on device\n"


class TestTerminal:
    @pytest.mark.parametrize("columns", [60, *(pytest.param(number, marks=pytest.mark.weekly) for number in (80, 120))])
    def test_the_training_progress_bar_fits_the_terminal(self, columns, tmp_path, monkeypatch):
        terminal = on_a_terminal(monkeypatch, columns=columns)
        assert main([*BRIEF, "--validation", "1000", "--output", str(tmp_path)]) == 0
        history = json.loads((tmp_path / "history.json").read_text())
        bars = [line for line in terminal.lines if line.startswith("epoch ")]
        assert max(map(len, bars)) <= columns
        assert re.match(r"epoch 0/3 ━{5,40} compiling the network *$", bars[0])
        assert re.match(r"epoch 3/3 ━{5,} ", bars[-1])
        assert re.search(r"in \d:\d\d *$", bars[-1])
        for name, key in (("acc", "accuracy"), ("val acc", "val_accuracy")):
            assert f" {name} {100 * history[key][-1]:.1f} %" in bars[-1]
        assert (f" val loss {history['val_loss'][-1]:.3f}" in bars[-1]) == (columns > 60)

    def test_after_early_stopping_the_bar_shows_the_time_taken(self, tmp_path, monkeypatch):
        terminal = on_a_terminal(monkeypatch)
        assert main([*BRIEF, "--early-stopping", "--epochs", "60", "--output", str(tmp_path)]) == 0
        n_epochs = len(json.loads((tmp_path / "history.json").read_text())["loss"])
        assert n_epochs < 60
        bars = [line for line in terminal.lines if line.startswith("epoch ")]
        assert re.match(rf"epoch {n_epochs}/60 .* in \d:\d\d *$", bars[-1])

    @pytest.mark.parametrize("encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.weekly)])
    @pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
    def test_progress_works_on_ascii_colourless_and_dumb_terminals(self, encoding, environment, tmp_path, monkeypatch):
        terminal = on_a_terminal(monkeypatch, encoding=encoding, **environment)
        assert main([*BRIEF, "--output", str(tmp_path)]) == 0
        assert "epoch 3/3 " in terminal.text
        assert "\\u" not in terminal.text
        if environment:
            assert not re.search(r"\x1b\[(3|9)\d", terminal.text)  # no colour
        if environment.get("TERM") == "dumb":
            assert "\x1b" not in terminal.text
            assert len([line for line in terminal.lines if line.startswith("epoch")]) == 3

    def test_a_path_that_the_terminal_cannot_encode_is_escaped(self, tmp_path, monkeypatch):
        terminal = on_a_terminal(monkeypatch, encoding="ascii")
        assert main([*BRIEF, "--output", str(tmp_path / "größe")]) == 0
        assert "gr\\xf6\\xdfe:" in terminal.text
        assert terminal.errors == "strict"  # as it was

    @pytest.mark.slow
    def test_search_progress_fits_the_terminal_and_is_accurate(self, tmp_path, monkeypatch):
        terminal = on_a_terminal(monkeypatch, columns=60)
        clocks, advance = [], Clock.advance

        def remember(clock, amount):
            clocks.append(clock)
            advance(clock, amount)

        monkeypatch.setattr(Clock, "advance", remember)
        assert main([*TUNE, "--search", "halving", "--output", str(tmp_path)]) == 0
        assert clocks[-1].done == pytest.approx(clocks[-1].total)
        bars = [line for line in terminal.lines if line.startswith("fit ")]
        assert max(map(len, bars)) <= 60
        assert re.fullmatch(r"fit 16/16 ━{40} in \d:\d\d *", bars[-1])
        assert not any(" in " in bar for bar in bars if not bar.startswith("fit 16/16"))
        running = [line for line in terminal.lines if re.match(r"  fold [12]/2  epoch [0-3]/[13]  lr=", line)]
        assert running
        assert any(re.match(r"  best so far: \d\d\.\d\d %  lr=0.003 dropout=", line) for line in terminal.lines)


@pytest.mark.parametrize("n_candidates", [1, 2, 3, 6, 9, 10, 36])
@pytest.mark.parametrize("epochs", [1, 2, 3, 10, 30])
def test_predicted_halving_rounds_agree_with_scikit_learn(n_candidates, epochs):
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(),
        {"random_state": list(range(n_candidates))},
        resource="max_depth",
        max_resources=epochs,
        min_resources="exhaust",
        cv=2,
    ).fit(np.eye(4), [0, 1, 0, 1])
    rounds = halving_rounds(n_candidates, epochs)
    assert [round_.n_candidates for round_ in rounds] == search.n_candidates_
    assert [round_.epochs for round_ in rounds] == search.n_resources_


def test_the_time_estimate_ignores_the_slow_first_part():
    seconds = iter([0, 10, 10, 12, 13, 20, 21]).__next__
    clock = Clock(10, now=seconds)
    assert clock.text() == ""
    clock.advance(1)  # at 10 s: compiling, too
    assert clock.text() == "1:30 left"
    clock.advance(1)  # at 12 s
    assert clock.text() == "0:15 left"  # a second later
    assert clock.text() == "0:14 left"  # this part takes longer, which the others need not
    clock.advance(8)
    assert clock.text() == "in 0:21"


class TestOutput:
    def test_train_replaces_every_file_of_an_earlier_default_run(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        output = tmp_path / "sk-mnist-output"
        output.mkdir()
        for name in ("model.skops", "history.png", "notes.txt"):
            (output / name).write_text("earlier")
        assert main(BRIEF) == 0
        assert "sk-mnist-output holds the files of an earlier run." in capsys.readouterr().out
        # The picture would be of another training.
        assert {path.name for path in output.iterdir()} == {"model.skops", "metrics.json", "history.json", "notes.txt"}
        assert sk_mnist.load(output / "model.skops")["mlp"].n_iter_ == 3

    @pytest.mark.parametrize("command", ["train", "tune"])
    def test_an_earlier_run_is_not_overwritten_without_force(self, command, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("sk_mnist.datasets.fetch_mnist", no_space)
        (tmp_path / "model.skops").write_text("earlier")
        refusal = error_of(capsys, command, "--output", str(tmp_path))
        assert f"{tmp_path} holds model.skops of an earlier run: use --force" in refusal
        assert main([command, "--force", "--output", str(tmp_path)]) == 1  # continues, until there is no space
        assert (tmp_path / "model.skops").read_text() == "earlier"

    def test_force_keeps_an_earlier_run_until_training_succeeds(self, tmp_path, monkeypatch):
        (tmp_path / "model.skops").write_text("earlier")
        monkeypatch.setattr("sk_mnist.persistence.save", no_space)
        assert main([*BRIEF, "--force", "--output", str(tmp_path)]) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]
        assert (tmp_path / "model.skops").read_text() == "earlier"

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc is a directory in which nobody can write")
    @pytest.mark.parametrize(
        "arguments",
        [
            ["train", "--output", "/proc"],
            ["tune", "--output", "/proc/new"],
            ["export", "none", "--onnx", "/proc/m.onnx"],
        ],
    )
    def test_unwritable_outputs_are_rejected_before_any_work(self, arguments, monkeypatch, capsys):
        monkeypatch.setattr("sk_mnist.datasets.fetch_mnist", no_space)
        assert re.search(r"--(output|onnx) /proc", error_of(capsys, *arguments))

    def test_a_directory_in_place_of_a_file_is_rejected_before_any_work(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("sk_mnist.datasets.fetch_mnist", no_space)
        (tmp_path / "model.skops").mkdir()
        refusal = error_of(capsys, "train", "--force", "--output", str(tmp_path))
        assert "model.skops must be a file, but is a directory" in refusal


class TestJson:
    def test_train_prints_history_metrics_and_files_as_json(self, tmp_path, capsys):
        assert main([*BRIEF, "--json", "--output", str(tmp_path)]) == 0
        captured = capsys.readouterr()
        result = json.loads(captured.out)
        assert result["history"] == json.loads((tmp_path / "history.json").read_text())
        assert result["metrics"]["n_samples"] == 10_000
        assert result["n_epochs"] == 3
        assert set(result["files"]) == set(map(str, tmp_path.iterdir()))
        assert "epoch 3/3" in captured.err

    def test_evaluate_prints_metrics_as_json(self, trained, capsys):
        model = trained[0] / "model.skops"
        assert main(["evaluate", str(model), "--json"]) == 0
        captured = capsys.readouterr()
        metrics = json.loads((trained[0] / "metrics.json").read_text())
        result = json.loads(captured.out)
        assert result["metrics"]["accuracy"] == metrics["accuracy"]
        assert (result["model"], result["files"], captured.err) == (str(model), [], "")

    @pytest.mark.slow
    def test_tune_prints_the_best_parameters_and_all_candidates_as_json(self, tmp_path, capsys):
        assert main([*TUNE, "--search", "random", "--candidates", "2", "--json", "--output", str(tmp_path)]) == 0
        captured = capsys.readouterr()
        result = json.loads(captured.out)
        model = sk_mnist.load(tmp_path / "model.skops")
        for name, value in result["best_params"].items():
            assert model.get_params()[name] == (tuple(value) if isinstance(value, list) else value)
        assert result["candidates"][0] == {
            "params": result["best_params"],
            "mean_test_score": result["best_score"],
            "std_test_score": result["candidates"][0]["std_test_score"],
        }
        assert (len(result["candidates"]), result["n_fits"]) == (2, 4)
        assert "fit 4/4" in captured.err


@pytest.mark.slow
def test_train_options_set_the_parameters_of_the_network(tmp_path, capsys):
    options = ["--hidden", "40,20", "--dropout", "0.1", "--early-stopping", "--epochs", "40", "--learning-rate", "0.01"]
    assert main([*BRIEF, *options, "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("MNIST: 500 training and 10,000 test images")
    mlp = sk_mnist.load(tmp_path / "model.skops")["mlp"]
    assert (mlp.hidden_layer_sizes, mlp.dropout, mlp.early_stopping) == ((40, 20), 0.1, True)
    assert mlp.n_iter_ < 40


@pytest.mark.slow
def test_data_home_sets_the_cache_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sk_mnist.datasets._mnist.MNIST", replace(MNIST, remotes=()))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    home = tmp_path / "data"
    assert main([*BRIEF, "--data-home", str(home), "--output", str(tmp_path / "out")]) == 0
    assert "from bundled: " in capsys.readouterr().out
    assert (home / "mnist.npz").exists()


@pytest.mark.weekly
def test_the_threads_option_overrides_omp_num_threads(tmp_path):
    code = f"""
from sk_mnist.cli import main
assert main({[*BRIEF, "--threads", "1", "--output", str(tmp_path)]!r}) == 0
import tensorflow
assert tensorflow.config.threading.get_intra_op_parallelism_threads() == 1
"""
    process = run_python(code, env={**os.environ, "OMP_NUM_THREADS": "3"})
    assert process.returncode == 0, process.stderr
    assert "on 1 thread." in process.stdout


def test_help_says_what_each_recipe_takes_and_reaches(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    printed = capsys.readouterr().out
    assert f"--recipe {{{','.join(RECIPES)}}}" in printed
    paragraphs = re.findall(r"^  (\w+) +(\S.*(?:\n {4,}.*)*)", printed.partition("\nrecipes")[2], re.MULTILINE)
    for (name, description), (recipe, params) in zip(paragraphs, RECIPES.items(), strict=True):
        assert name == recipe
        assert re.search(rf" {params['epochs']} epochs.* 9\d\.\d %", description, re.DOTALL)


def test_train_ends_with_what_to_do_next(trained):
    output, process = trained
    assert process.stdout.endswith(f"\nDraw digits for it: sk-mnist demo --model {output / 'model.skops'}\n")


class TestExport:
    def test_an_exported_model_predicts_the_same_labels(self, trained, tmp_path, capsys):
        path = tmp_path / "model.onnx"
        assert main(["export", str(trained[0] / "model.skops"), "--onnx", str(path)]) == 0
        assert capsys.readouterr().out == f"Wrote {path}\n"
        session = onnxruntime.InferenceSession(path.read_bytes())
        images = sk_mnist.fetch_mnist(subset="test").data[:100]
        labels = sk_mnist.load(trained[0] / "model.skops").predict(images)
        np.testing.assert_array_equal(session.run(None, {"X": images})[0], labels)

    def test_a_missing_extra_is_reported_in_one_sentence(self, trained, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "skl2onnx", None)
        refusal = error_of(capsys, "export", str(trained[0] / "model.skops"), "--onnx", str(tmp_path / "model.onnx"))
        assert "error: --onnx needs skl2onnx: pip install skl2onnx (see" in refusal
        assert list(tmp_path.iterdir()) == []


class TestInfo:
    def test_info_prints_the_data_location_versions_and_finally_the_devices(self, capfd):
        assert main(["info"]) == 0
        captured = capfd.readouterr()
        assert os.environ["SK_MNIST_DATA"] in captured.out
        assert "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1" in captured.out
        assert re.search(r"^scikit-learn +1\.\d+", captured.out, re.MULTILINE)
        assert re.match(r"TensorFlow sees +CPU", captured.out.splitlines()[-1])
        assert captured.err == ""

    def test_a_tensorflow_that_fails_to_start_is_reported_last(self, monkeypatch, capsys):
        monkeypatch.setattr("sk_mnist._tensorflow.start_tensorflow", no_space)
        assert main(["info"]) == 0
        *others, last = capsys.readouterr().out.splitlines()
        assert any(line.startswith("scikit-learn") for line in others)
        assert re.match(r"TensorFlow sees +no devices: it does not start \(.*No space left", last)


def test_fetch_without_a_network_says_so_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    no_name = failing(socket.gaierror(-2, "Name or service not known"))
    monkeypatch.setattr("sk_mnist.datasets._download.socket.getaddrinfo", no_name)
    assert main(["fetch", "--data-home", str(tmp_path / "quiet")]) == 0
    assert capsys.readouterr().err == "No network: using the bundled copy of MNIST.\n"
    assert main(["fetch", "-v", "--data-home", str(tmp_path / "verbose")]) == 0
    *reasons, last = capsys.readouterr().err.splitlines()
    assert last == "No network: using the bundled copy of MNIST."
    assert any("Name or service not known" in reason for reason in reasons)
    assert any("neither mnist.npz nor the IDX files" in reason for reason in reasons)


def test_predict_draws_no_preview_if_the_terminal_lacks_the_characters(pictures, monkeypatch):
    terminal = on_a_terminal(monkeypatch, encoding="cp1252")
    assert main(["predict", str(pictures / "seven.png")]) == 0
    assert "seven.png: 7\n" in terminal.text
    assert "second choice" in terminal.text
    assert "\\u2580" not in terminal.text


def test_predict_shows_what_the_network_sees_side_by_side_on_a_terminal(pictures, monkeypatch):
    terminal = on_a_terminal(monkeypatch, columns=100)
    assert main(["predict", str(pictures / "row.png")]) == 0
    number, *preview, captions = [line.rstrip() for line in terminal.lines if line.strip()]
    assert number.endswith("row.png: 721")
    assert preview == ["  " + "  ".join(3 * [28 * "\N{UPPER HALF BLOCK}"])] * 14
    assert [caption.split()[0] for caption in re.split(r"(?<=second choice \d)", captions)[:3]] == ["7", "2", "1"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of a 7, of a row of 7 2 1, of two lines, and of a scribble beside a 7; no picture; nothing."""
    directory = tmp_path_factory.mktemp("pictures")
    test = sk_mnist.fetch_mnist(subset="test", normalize=False)
    images = [np.kron(np.pad(image, 8), np.ones((4, 4), dtype=np.uint8)) for image in test.images[:3]]
    Image.fromarray(255 - images[0]).save(directory / "seven.png")
    Image.fromarray(255 - np.hstack(images)).save(directory / "row.png")
    row = np.hstack(images)
    (directory / "more").mkdir()
    Image.fromarray(255 - np.vstack([row, row])).save(directory / "more" / "lines.png")
    mixed = Image.fromarray(255 - np.hstack([images[0], np.zeros((176, 176), dtype=np.uint8)]))
    scribble = [(190, 30), (330, 140), (200, 150), (320, 20), (250, 160), (200, 80), (340, 90), (240, 15), (300, 165)]
    ImageDraw.Draw(mixed).line(scribble, fill=0, width=7)
    mixed.save(directory / "more" / "mixed.png")
    (directory / "text.jpg").write_text("no picture")
    (directory / "empty.png").write_bytes(b"")
    (directory / "notes.txt").write_text("not even by its name")
    Image.new("L", (100, 100), 200).save(directory / "blank.png")
    return directory


@pytest.fixture
def pages():
    """Pictures of 7, 2 and 1."""
    images = sk_mnist.fetch_mnist(subset="test", normalize=False).images[:3]
    return [Image.fromarray(255 - np.kron(np.pad(image, 8), np.ones((4, 4), dtype=np.uint8))) for image in images]


class TestPredict:
    @pytest.mark.slow
    def test_a_picture_is_read_without_tensorflow(self, pictures):
        code = f"""
import sys
from sk_mnist.cli import main
assert main(["predict", {str(pictures / "seven.png")!r}]) == 0
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
        process = run_python(code)
        assert process.returncode == 0, process.stderr
        assert re.fullmatch(r".*seven\.png: 7\n  7   +\d+\.\d%, second choice \d\n", process.stdout)

    def test_each_line_of_digits_has_its_own_line(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures / "more")
        assert main(["predict", "lines.png"]) == 0
        first, second, *digits = capfd.readouterr().out.splitlines()
        assert (first, second) == ("lines.png: 721", "           721")
        assert [line.split()[0] for line in digits] == ["7", "2", "1"] * 2

    def test_what_is_no_digit_is_listed_but_not_in_the_number(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures / "more")
        assert main(["predict", "mixed.png"]) == 0
        number, seven, scribble = capfd.readouterr().out.splitlines()
        assert number == "mixed.png: 7"
        assert seven.startswith("  7 ")
        assert re.fullmatch("  no digit, at 1[89][0-9], 1[0-9]", scribble)

    def test_digits_that_the_network_is_not_sure_of_are_marked(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        monkeypatch.setattr("sk_mnist.reading.SURE", 1.1)
        assert main(["predict", "row.png"]) == 0
        number, *digits = capfd.readouterr().out.splitlines()
        assert number == "row.png: 7?2?1?"
        assert [line.split()[0] for line in digits] == ["7?", "2?", "1?"]

    def test_with_single_a_picture_is_read_as_one_digit(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        assert main(["predict", "--single", "--json", "seven.png", "row.png"]) == 0
        seven, row = json.loads(capfd.readouterr().out)
        assert seven["text"] == "7"
        assert len(row["digits"]) == 1

    def test_with_json_nothing_else_is_printed(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        assert main(["predict", "--json", "row.png", "blank.png"]) == 0
        output, errors = capfd.readouterr()
        row, blank = json.loads(output)
        assert errors == ""
        nothing = {"text": "", "digits": [], "rejected": [], "reason": "the contrast is too low"}
        assert blank == {"file": "blank.png", **nothing}
        assert (row["file"], row["text"], row["rejected"], row["reason"]) == ("row.png", "721", [], None)
        assert [digit["label"] for digit in row["digits"]] == [7, 2, 1]
        for digit in row["digits"]:
            assert digit.keys() == {"label", "confidence", "runner_up", "box", "is_sure", "line"}
            assert digit["is_sure"] == (digit["confidence"] >= 0.9)
        boxes = [digit["box"] for digit in row["digits"]]
        assert all(left < right for left, _, right, _ in boxes)
        assert boxes == sorted(boxes)

    def test_unreadable_files_are_reported_and_the_others_are_classified(self, pictures, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        unreadable = ["missing.png", "empty.png", str(tmp_path)]
        assert main(["predict", "text.jpg", "seven.png", *unreadable, "blank.png"]) == 1
        output, errors = capfd.readouterr()
        assert re.fullmatch(r"seven\.png: 7\n  7 .*\nblank\.png: no digit: the contrast is too low\n", output)
        text, missing, empty, directory = errors.splitlines()
        assert text.startswith("sk-mnist: text.jpg is not a picture in a supported format")
        assert missing == "sk-mnist: missing.png: No such file or directory"
        assert empty.startswith("sk-mnist: empty.png is not a picture")
        assert directory == f"sk-mnist: {tmp_path}: no pictures in this directory"

    def test_in_json_every_picture_has_its_entry_in_order(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        assert main(["predict", "--json", "text.jpg", "seven.png", "missing.png", "blank.png"]) == 1
        output, errors = capfd.readouterr()
        text, seven, missing, blank = json.loads(output)
        assert errors == ""
        assert text.keys() == {"file", "error"}
        assert text["error"].startswith("text.jpg is not a picture in a supported format")
        assert missing == {"file": "missing.png", "error": "missing.png: No such file or directory"}
        assert (seven["file"], seven["text"], blank["file"], blank["text"]) == ("seven.png", "7", "blank.png", "")

    def test_all_pages_of_a_tiff_are_read(self, pages, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        pages[0].save("scan.tif", save_all=True, append_images=pages[1:])
        pages[0].save("one.tif")
        assert main(["predict", "--json", "scan.tif", "one.tif"]) == 0
        output, errors = capfd.readouterr()
        read = [(picture["file"], picture["text"]) for picture in json.loads(output)]
        assert read == [("scan.tif[1]", "7"), ("scan.tif[2]", "2"), ("scan.tif[3]", "1"), ("one.tif", "7")]
        assert errors == ""

    def test_a_damaged_page_does_not_stop_the_others(self, pages, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        pages[0].save("scan.tif", save_all=True, append_images=pages[1:], compression="tiff_deflate")
        content = Path("scan.tif").read_bytes()
        with Image.open("scan.tif") as image:
            image.seek(1)
            (start,) = image.tag_v2[273]  # of the pixels
        Path("scan.tif").write_bytes(content[:start] + bytes(50) + content[start + 50 :])
        assert main(["predict", "scan.tif"]) == 1
        output, errors = capfd.readouterr()
        assert re.fullmatch(r"scan\.tif\[1\]: 7\n.*\nscan\.tif\[3\]: 1\n.*\n", output)
        *from_libtiff, reason = errors.splitlines()
        assert reason.startswith("sk-mnist: scan.tif[2] is damaged")
        assert from_libtiff
        assert all(line.startswith("sk-mnist: scan.tif[2]: ") for line in from_libtiff)

    def test_at_most_100_pages_of_a_tiff_are_read(self, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        page = Image.new("L", (20, 20), 200)
        page.save("scan.tif", save_all=True, append_images=[page] * 101)
        assert main(["predict", "--json", "scan.tif"]) == 1
        *read, last = json.loads(capfd.readouterr().out)
        assert [picture["file"] for picture in read] == [f"scan.tif[{number}]" for number in range(1, 101)]
        assert last == {"file": "scan.tif", "error": "scan.tif has more than 100 pages. The others are not read."}

    @pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.mpo"])
    def test_several_pictures_in_one_file_count_as_one(self, name, pages, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        first, *others = [page.convert("RGB") for page in pages]
        first.save(name, save_all=True, append_images=others)
        with Image.open(name) as image:
            assert image.n_frames == 3
        assert main(["predict", "--json", name]) == 0
        output, errors = capfd.readouterr()
        (picture,) = json.loads(output)
        assert (picture["file"], picture["text"], errors) == (name, "7", "")

    def test_heic_is_named_with_a_way_out(self, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        Path("photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
        assert main(["predict", "photo.heic"]) == 1
        error = capfd.readouterr().err
        assert error.startswith("sk-mnist: photo.heic is a HEIC picture, which Pillow cannot read. Export it as JPEG")

    @pytest.mark.parametrize("argument", [".", "*.png", "*e*n*.png"])
    def test_directories_and_patterns_expand_to_their_pictures(self, argument, pictures, monkeypatch, capsys):
        monkeypatch.chdir(pictures)
        main(["predict", "--json", argument])
        read = {os.path.basename(result["file"]) for result in json.loads(capsys.readouterr().out)}
        pngs = {"blank.png", "empty.png", "row.png", "seven.png"}
        assert read == {".": pngs | {"text.jpg"}, "*.png": pngs, "*e*n*.png": {"seven.png"}}[argument]

    @pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
    @pytest.mark.parametrize("argument", [".", "*.png", "?i?e.png"])
    def test_pipes_in_directories_and_patterns_are_reported_and_not_read(
        self, argument, pictures, tmp_path, monkeypatch, capfd
    ):
        monkeypatch.chdir(tmp_path)
        Path("a.png").write_bytes((pictures / "seven.png").read_bytes())
        Path("file.png").symlink_to("a.png")
        os.mkfifo("pipe.png")
        held = os.open("pipe.png", os.O_RDWR)  # a writer that writes nothing
        try:
            assert main(["predict", "--json", argument]) == 1
        finally:
            os.close(held)
        entries = {entry["file"]: entry for entry in json.loads(capfd.readouterr().out)}
        assert entries["pipe.png"] == {"file": "pipe.png", "error": "pipe.png: Not a regular file"}
        assert {entry["text"] for name, entry in entries.items() if name != "pipe.png"} == {"7"}

    @pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
    def test_the_output_of_a_command_is_read(self, pictures, capfd):
        reader, writer = os.pipe()  # what a shell makes of <(cat seven.png)
        os.write(writer, (pictures / "seven.png").read_bytes())
        os.close(writer)
        assert main(["predict", f"/dev/fd/{reader}"]) == 0
        os.close(reader)
        assert f"/dev/fd/{reader}: 7\n" in capfd.readouterr().out

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
    def test_file_names_that_are_not_unicode_are_printed_escaped(self, pictures, tmp_path):
        for name in (b"\xff.png", b"a.png"):
            (tmp_path / os.fsdecode(name)).write_bytes((pictures / "seven.png").read_bytes())
        process = run("predict", ".", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
        assert process.stdout.splitlines()[::2] == ["a.png: 7", "\\xff.png: 7"]

    @pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
    def test_in_json_file_names_that_are_not_unicode_are_escaped(self, pictures, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        Path(os.fsdecode(b"\xff.png")).write_bytes((pictures / "seven.png").read_bytes())
        assert main(["predict", "--json", ".", os.fsdecode(b"\xe4.png")]) == 1
        seven, missing = json.loads(capfd.readouterr().out)
        assert (seven["file"], seven["text"]) == ("\\xff.png", "7")
        assert missing == {"file": "\\xe4.png", "error": "\\xe4.png: No such file or directory"}

    @pytest.mark.slow
    def test_standard_input_is_read(self, pictures):
        command = [sys.executable, "-m", "sk_mnist", "predict", "-"]
        picture = (pictures / "seven.png").read_bytes()
        process = subprocess.run(command, input=picture, capture_output=True, timeout=300)
        assert process.stdout.split()[:2] == [b"-:", b"7"]

    @pytest.mark.slow
    def test_of_standard_input_a_bounded_amount_is_read(self, monkeypatch):
        code = """
            import sys, sk_mnist.preprocessing._pictures as pictures
            from sk_mnist.cli import main
            pictures.MAX_BYTES = 2_000_000
            sys.exit(main(["predict", "-"]))
        """
        yes = subprocess.Popen(["yes"], stdout=subprocess.PIPE)
        try:
            process = run_python(code, stdin=yes.stdout)
        finally:
            yes.kill()
            yes.communicate()
        assert (process.returncode, process.stdout) == (1, "")
        assert process.stderr == "sk-mnist: - has more than 2,000,000 bytes. Save it to a file first.\n"

    def test_unreachable_names_are_reported_and_the_others_are_read(self, pictures, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        Path(tmp_path, "loop.png").symlink_to("loop.png")
        unreachable = [300 * "x", 300 * "x" + "*", str(tmp_path / "loop.png"), "nul\0.png"]
        assert main(["predict", "--json", "seven.png", *unreachable, "blank.png"]) == 1
        seven, *errors, blank = json.loads(capfd.readouterr().out)
        assert (seven["text"], blank["text"]) == ("7", "")
        assert [error["file"] for error in errors] == unreachable
        assert all("File name too long" in error["error"] for error in errors[:2])
        assert all("error" in error for error in errors)

    def test_a_directory_without_permission_is_reported_and_the_others_are_read(self, pictures, monkeypatch, capfd):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.chdir(pictures)
        monkeypatch.setattr(Path, "iterdir", refuse)  # root may read any directory
        assert main(["predict", "seven.png", "more", "blank.png"]) == 1
        output, errors = capfd.readouterr()
        assert errors == "sk-mnist: more: Permission denied\n"
        assert output.startswith("seven.png: 7\n")
        assert "blank.png: no digit" in output

    @pytest.mark.parametrize("model", [RidgeClassifier(), LogisticRegression()])
    def test_a_model_that_cannot_classify_digit_images_is_rejected(self, model, pictures, tmp_path, capsys):
        path = sk_mnist.save(model.fit(np.eye(4), [0, 1, 0, 1]), tmp_path / "model.skops")
        assert main(["predict", "--model", str(path), str(pictures / "seven.png")]) == 1
        reason = f"sk-mnist: The model is a {type(model).__name__} for 4 pixels; it must be"
        assert capsys.readouterr().err.startswith(reason)

    @pytest.mark.parametrize("takes_pictures", [False, True])
    def test_a_model_trained_by_the_user_can_be_used(self, takes_pictures, trained, pictures, tmp_path, capfd):
        model = trained[0] / "model.skops"
        if takes_pictures:
            pipeline = make_pipeline(sk_mnist.DigitImageNormalizer(), sk_mnist.load(model))
            model = sk_mnist.save(pipeline, tmp_path / "model.skops")
        assert main(["predict", "--model", str(model), str(pictures / "seven.png")]) == 0
        assert "seven.png: 7\n" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child on Windows")
def test_demo_serves_its_page_until_it_is_interrupted():
    command = [sys.executable, "-u", "-m", "sk_mnist", "demo", "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=300) as response:
            assert b"Draw a digit" in response.read()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "Stopped.\n", "")


def test_demo_saves_its_page(tmp_path, capsys):
    path = tmp_path / "page.html"
    path.write_text("earlier")
    assert main(["demo", "--save", str(path)]) == 0
    assert capsys.readouterr().out.split() == ["Wrote", str(path)]
    assert path.read_text(encoding="utf-8") == draw_page(sk_mnist.load_pretrained()["mlp"])
    assert list(tmp_path.iterdir()) == [path]


def test_demo_saves_the_page_with_the_pretrained_model_only(tmp_path, capsys):
    refusal = error_of(capsys, "demo", "--save", str(tmp_path / "page.html"), "--model", "model.skops")
    assert "--save writes the page with the pretrained model; --model needs the server" in refusal
    assert list(tmp_path.iterdir()) == []


def test_demo_rejects_a_port_that_is_in_use(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refusal = error_of(capsys, "demo", "--no-browser", "--port", str(other.getsockname()[1]))
    assert re.search(r"error: --port \d+: Address already in use", refusal)


@pytest.mark.weekly
@pytest.mark.slow
def test_tensorflow_threads_follow_n_jobs_and_omp_num_threads(tmp_path):
    code = f"""
import tensorflow as tf
from sk_mnist.cli import main

main("tune --rows 300 --epochs 1 --search random --candidates 1 --cv 2 --n-jobs 2 --output {tmp_path}".split())
print(tf.config.threading.get_intra_op_parallelism_threads())
"""
    assert last_line_printed(code, {}) == str(max(1, joblib.cpu_count() // 2))  # the jobs share the cores
