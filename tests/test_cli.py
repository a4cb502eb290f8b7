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

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline

import sk_mnist
from sk_mnist.cli import main
from tests.helpers.processes import run_python

PNG = b"\x89PNG\r\n\x1a\n"
# Two passes over all images: enough to be right nine times in ten, quick enough to run often.
QUICK = ["--epochs", "2", "--batch-size", "256"]


# A shell that started the tests in the background has told them to ignore SIGINT, and a child would inherit that.
heed_interrupts = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)


def run(*arguments, **kwargs):
    command = [sys.executable, "-m", "sk_mnist", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **kwargs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    return output, run(*QUICK, "--output", str(output))


def test_train_is_the_default_and_succeeds(trained):
    assert trained[1].returncode == 0, trained[1].stderr


def test_tensorflows_chatter_does_not_reach_the_user(trained):
    assert trained[1].stderr == ""


def test_published_and_measured_figures_stand_side_by_side(trained):
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
    line = next(line for line in process.stdout.splitlines() if line.startswith("Epoch"))
    assert line.startswith("Epoch 2/2 ")
    assert line.rstrip().endswith(f"loss {history['loss'][-1]:.4f}, accuracy {history['accuracy'][-1]:.2%}")


@pytest.mark.slow
def test_validation_images_are_kept_out_and_their_accuracy_is_shown(tmp_path):
    process = run("train", "--recipe", "accurate", "--epochs", "1", "--validation", "55000", "--output", str(tmp_path))
    assert (process.returncode, process.stderr) == (0, "")
    history = json.loads((tmp_path / "history.json").read_text())
    assert f"validation accuracy {history['val_accuracy'][-1]:.2%}" in process.stdout
    images, labels = sk_mnist.fetch_mnist(subset="train", return_X_y=True)
    network = sk_mnist.make_mnist_pipeline("accurate", epochs=1, random_state=0).fit(images[:5000], labels[:5000])
    assert network.score(images[5000:], labels[5000:]) == pytest.approx(history["val_accuracy"][-1])


@pytest.mark.parametrize(("n_held_out", "rest"), [(60_001, 0), (59_999, 1)])
def test_validation_leaves_images_of_each_digit_to_train_on(n_held_out, rest, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--validation", str(n_held_out)])
    assert f"--validation {n_held_out} leaves {rest} of 60000 images, and not of each digit" in capsys.readouterr().err


def test_files_are_written_whole_and_no_others(trained):
    output, _ = trained
    history = json.loads((output / "history.json").read_text())
    assert [len(values) for values in history.values()] == [2, 2]
    assert {path.name for path in output.iterdir()} == {
        "model.skops", "metrics.json", "history.json", "history.png", "confusion_matrix.png", "misclassified.png",
    }  # fmt: skip
    for picture in output.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)


def test_evaluate_finds_the_figures_of_training_again(trained, tmp_path):
    output, _ = trained
    process = run("evaluate", str(output / "model.skops"), "--plots", str(tmp_path / "plots"))
    assert (process.returncode, process.stderr) == (0, "")
    accuracy = json.loads((output / "metrics.json").read_text())["accuracy"]
    assert re.search(rf"^accuracy +{accuracy:.4f} ", process.stdout, re.MULTILINE)
    for name in ("confusion_matrix.png", "misclassified.png"):
        assert (tmp_path / "plots" / name).read_bytes() == (output / name).read_bytes()


def test_evaluate_refuses_what_is_no_model(tmp_path, capsys):
    (tmp_path / "model.skops").write_text("none")
    assert main(["evaluate", str(tmp_path / "model.skops")]) == 1
    assert "is damaged, or no model saved by sk_mnist.save" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "nothing.skops")]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.slow
def test_quiet_prints_nothing(tmp_path):
    process = run("train", *QUICK, "--quiet", "--output", str(tmp_path))
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


@pytest.mark.slow
def test_without_matplotlib_the_figures_come_without_pictures(tmp_path):
    # A directory in which `import matplotlib` fails stands for an environment without the extra.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'matplotlib':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    process = run(*QUICK, "--output", str(tmp_path / "out"), env=environment)
    assert process.returncode == 0, process.stderr
    assert "pip install 'sk-mnist[plots]'" in process.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.skops", "metrics.json", "history.json"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child alone")
@pytest.mark.parametrize("seconds", [2, 20])  # while TensorFlow starts, and in the training
def test_ctrl_c_ends_cleanly_and_leaves_no_file(tmp_path, seconds):
    command = [sys.executable, "-u", "-m", "sk_mnist", "--epochs", "10000", "--output", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as process:
        assert process.stdout.readline().startswith("MNIST: 60,000 training")
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert stderr == "Interrupted.\n"
    assert list(tmp_path.iterdir()) == []


def test_fetch_fills_verifies_and_clears_a_cache(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sk_mnist.datasets._sources.REMOTES", ())  # no network: the copy in the package serves
    home = str(tmp_path / "data")
    assert main(["fetch", "--data-home", home, "--verify"]) == 1
    assert "does not hold MNIST" in capsys.readouterr().err
    assert main(["fetch", "--data-home", home]) == 0
    assert "MNIST is there, from bundled: " in capsys.readouterr().out
    assert main(["fetch", "--data-home", home, "--verify"]) == 0
    assert "the digests of all four arrays are right" in capsys.readouterr().out
    (tmp_path / "data" / "mnist.npz").write_bytes(b"damaged")
    assert main(["fetch", "--data-home", home, "--verify"]) == 1
    assert main(["fetch", "--data-home", home, "--clear"]) == 0
    assert not (tmp_path / "data" / "mnist.npz").exists()


def test_info_says_where_the_data_is_and_which_versions_there_are(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert os.environ["SK_MNIST_DATA"] in out
    assert "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1" in out
    assert re.search(r"^scikit-learn +1\.\d+", out, re.MULTILINE)


TUNE = ["tune", "--rows", "600", "--epochs", "3", "--cv", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("search", ["grid", "random", "halving"])
def test_tune_finds_the_best_and_writes_it_down(search, tmp_path):
    process = run(*TUNE, "--search", search, "--candidates", "3", "--output", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "Best candidates" in process.stdout
    assert "KerasMLPClassifier - fit" in process.stdout  # bars down to the trainings
    with open(tmp_path / "search.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 3
    scores = [float(row["mean_test_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert (tmp_path / "search.png").read_bytes().startswith(PNG)
    model = sk_mnist.load(tmp_path / "model.skops")
    test = sk_mnist.fetch_mnist(subset="test")
    accuracy = json.loads((tmp_path / "metrics.json").read_text())["accuracy"]
    assert model.score(test.data, test.target) == pytest.approx(accuracy)


@pytest.mark.slow
def test_an_interrupted_search_keeps_what_was_finished(tmp_path):
    # The process sends itself the signal of Ctrl-C when the third score is in.
    code = f"""
import os, signal, sys
from sk_mnist.cli import _tune, main

signal.signal(signal.SIGINT, signal.default_int_handler)
score = _tune._Recorder.__call__

def score_and_interrupt(self, *arguments):
    result = score(self, *arguments)
    if sum(map(len, self.scores.values())) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return result

_tune._Recorder.__call__ = score_and_interrupt
sys.exit(main({[*TUNE, "--grid", "large", "--output", str(tmp_path)]!r}))
"""
    process = run_python(code)
    assert process.returncode == 130, process.stderr
    with open(tmp_path / "search.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert 3 <= sum(int(row["n_folds"]) for row in rows) < 72
    assert [path.name for path in tmp_path.iterdir()] == ["search.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: invalid positive int value: '0'"),
        (["--epochs", "many"], "argument --epochs: invalid positive int value: 'many'"),
        (["--learning-rate", "-1"], "argument --learning-rate: invalid positive float value: '-1'"),
        (["--learning-rate", "inf"], "argument --learning-rate: invalid positive float value: 'inf'"),
        (["--batch-size", "1.5"], "argument --batch-size: invalid positive int value: '1.5'"),
        (["--seed", "-1"], "argument --seed: invalid seed (0 to 4294967295) value: '-1'"),
        (["--recipe", "best"], "recipe must be one of"),
        (["--output", __file__], "File exists"),
        (["tune", "--cv", "1"], "--cv must be at least 2; got 1"),
        (["tune", "--grid", "huge"], "argument --grid: invalid choice: 'huge'"),
        (["fetch", "--verify", "--clear"], "not allowed with argument --verify"),
        (["evaluate"], "the following arguments are required: MODEL"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["teach"], "invalid choice: 'teach'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_option_is_one_line_and_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"sk-mnist {sk_mnist.__version__}\n"


def test_errors_of_the_system_are_one_line_and_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sk_mnist.datasets.fetch_mnist", _no_space)
    assert main(["--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "sk-mnist: [Errno 28] No space left on device\n"


def _no_space(**kwargs):
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of a 7, and of a row of 7 2 1; what is no picture; nothing."""
    directory = tmp_path_factory.mktemp("pictures")
    images = [np.kron(np.pad(image, 8), np.ones((4, 4), dtype=np.uint8)) for image in _test_images(3)]
    Image.fromarray(255 - images[0]).save(directory / "seven.png")
    Image.fromarray(255 - np.hstack(images)).save(directory / "row.png")
    (directory / "text.jpg").write_text("no picture")
    (directory / "empty.png").write_bytes(b"")
    (directory / "notes.txt").write_text("not even by its name")
    Image.new("L", (100, 100), 200).save(directory / "blank.png")
    return directory


def _test_images(n):
    return sk_mnist.fetch_mnist(subset="test", normalize=False).images[:n]


class TestPredict:
    def test_a_picture_is_read_without_tensorflow(self, pictures):
        code = f"""
import sys
from sk_mnist.cli import main
assert main(["predict", {str(pictures / "seven.png")!r}]) == 0
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
        process = run_python(code)
        assert process.returncode == 0, process.stderr
        assert re.fullmatch(r".*seven\.png: 7  \(\d+\.\d%, or else \d\)\n", process.stdout)

    def test_json_is_all_that_is_printed(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        assert main(["predict", "--json", "--split", "row.png", "blank.png"]) == 0
        output, errors = capfd.readouterr()
        row, blank = json.loads(output)
        assert errors == ""
        assert blank == {"file": "blank.png", "digits": []}
        assert row["file"] == "row.png"
        assert [digit["label"] for digit in row["digits"]] == [7, 2, 1]
        for digit in row["digits"]:
            assert digit.keys() == {"label", "confidence", "runner_up", "box", "sure"}
            assert digit["sure"] == (digit["confidence"] >= 0.9)
        boxes = [digit["box"] for digit in row["digits"]]
        assert all(left < right for left, _, right, _ in boxes)
        assert boxes == sorted(boxes)

    def test_what_cannot_be_read_is_said_and_the_rest_is_read(self, pictures, monkeypatch, capfd):
        monkeypatch.chdir(pictures)
        assert main(["predict", "text.jpg", "seven.png", "missing.png", "empty.png", "blank.png"]) == 1
        output, errors = capfd.readouterr()
        assert re.fullmatch(r"seven\.png: 7 .*\nblank\.png: no digit that stands out from the paper\n", output)
        text, missing, empty = errors.splitlines()
        assert text.startswith("sk-mnist: text.jpg is not a picture that can be read")
        assert missing == "sk-mnist: missing.png: No such file or directory"
        assert empty.startswith("sk-mnist: empty.png is not a picture")

    @pytest.mark.slow
    @pytest.mark.parametrize("argument", [".", "*.png", "*e*n*.png"])
    def test_directories_and_patterns_stand_for_their_pictures(self, argument, pictures):
        process = run("predict", "--json", argument, cwd=pictures)
        read = {os.path.basename(result["file"]) for result in json.loads(process.stdout)}
        expected = {".": {"blank.png", "row.png", "seven.png"}, "*.png": {"blank.png", "row.png", "seven.png"}}
        assert read == expected.get(argument, {"seven.png"})

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
    def test_any_name_can_be_printed(self, pictures, tmp_path):
        for name in (b"\xff.png", b"a.png"):
            (tmp_path / os.fsdecode(name)).write_bytes((pictures / "seven.png").read_bytes())
        process = run("predict", ".", cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
        assert [line[:9] for line in process.stdout.splitlines()] == ["a.png: 7 ", "\\xff.png:"[:9]]

    @pytest.mark.slow
    def test_the_pipeline_that_takes_pictures_reads_too(self, pictures, tmp_path):
        pipeline = make_pipeline(sk_mnist.DigitImageNormalizer(), sk_mnist.load_pretrained())
        path = sk_mnist.save(pipeline, tmp_path / "model.skops")
        assert "seven.png: 7 " in run("predict", "--model", str(path), str(pictures / "seven.png")).stdout

    @pytest.mark.slow
    def test_a_directory_without_pictures_is_an_error(self, tmp_path):
        process = run("predict", str(tmp_path))
        assert process.returncode == 1
        assert process.stderr == f"sk-mnist: {tmp_path}: no pictures in this directory\n"

    def test_standard_input_is_read(self, pictures):
        command = [sys.executable, "-m", "sk_mnist", "predict", "-"]
        picture = (pictures / "seven.png").read_bytes()
        process = subprocess.run(command, input=picture, capture_output=True, timeout=300)
        assert process.stdout.startswith(b"-: 7 ")

    @pytest.mark.slow
    @pytest.mark.parametrize("model", [RidgeClassifier(), LogisticRegression()])
    def test_a_model_that_cannot_read_is_an_error(self, model, pictures, tmp_path):
        path = sk_mnist.save(model.fit(np.eye(4), [0, 1, 0, 1]), tmp_path / "model.skops")
        process = run("predict", "--model", str(path), str(pictures / "seven.png"))
        assert process.returncode == 1
        assert process.stderr.startswith(f"sk-mnist: The model is a {type(model).__name__} for 4 pixels; a fitted")

    def test_a_model_of_ones_own_reads(self, trained, pictures, capfd):
        model = trained[0] / "model.skops"
        assert main(["predict", "--model", str(model), str(pictures / "seven.png")]) == 0
        assert "seven.png: 7 " in capfd.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child on Windows")
def test_demo_serves_its_page_until_it_is_interrupted():
    command = [sys.executable, "-u", "-m", "sk_mnist", "demo", "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=30) as response:
            assert b"Draw a digit" in response.read()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, output, errors) == (0, "Stopped.\n", "")


def test_a_port_that_is_taken_is_an_error(capfd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SystemExit) as stop:
            main(["demo", "--no-browser", "--port", str(other.getsockname()[1])])
    assert stop.value.code == 2
    assert re.search(r"error: --port \d+: Address already in use", capfd.readouterr().err)
