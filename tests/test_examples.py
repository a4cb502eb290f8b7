"""The examples that are programs do what they say."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from PIL import Image

from sk_mnist import KerasMLPClassifier, fetch_mnist, save
from sk_mnist.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"
N_TRIALS = 4


def start_search(journal):
    command = [sys.executable, EXAMPLES / "optuna_search.py", "--journal", journal, "--trials", str(N_TRIALS)]
    return subprocess.Popen(
        [*command, "--rows", "600", "--epochs", "20"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def read_trials(journal, *states):
    study = optuna.load_study(study_name="mnist", storage=JournalStorage(JournalFileBackend(str(journal))))
    return study.get_trials(states=states or None)


def wait_until_running_after_one_finished(journal, search):
    while search.poll() is None:
        states = [trial.state for trial in read_trials(journal)] if journal.exists() and journal.stat().st_size else []
        if TrialState.COMPLETE in states and states[-1] == TrialState.RUNNING and states.count(TrialState.RUNNING) == 1:
            return
        time.sleep(0.02)
    pytest.fail(f"the search ended before it could be killed:\n{search.stdout.read()}")


@pytest.mark.weekly
def test_a_killed_optuna_search_keeps_its_finished_trials_and_runs_the_lost_one_again(tmp_path):
    journal = tmp_path / "search.journal"
    first = start_search(journal)
    wait_until_running_after_one_finished(journal, first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    finished = read_trials(journal, TrialState.COMPLETE)
    (lost,) = read_trials(journal, TrialState.RUNNING)
    # The worst moment to be killed is while holding the journal's lock.
    Path(f"{journal}.lock").touch()

    second = start_search(journal)
    output, _ = second.communicate()

    assert second.returncode == 0, output
    assert f"{len(finished)} of {N_TRIALS} trials are finished." in output
    after = read_trials(journal, TrialState.COMPLETE)
    assert len(after) == N_TRIALS
    assert after[: len(finished)] == finished
    assert [trial.number for trial in read_trials(journal, TrialState.FAIL)] == [lost.number]
    assert after[len(finished)].params == {**after[len(finished)].params, **lost.params}
    assert len({trial.params["learning_rate"] for trial in after}) == N_TRIALS


@pytest.mark.slow
def test_dense_networks_scores_each_saved_network_and_their_ensemble(tmp_path):
    # Networks that have their file are not trained: small ones take the places of the large ones.
    X, y = fetch_mnist(subset="train", return_X_y=True)
    places = [*(f"{name}-test-{seed}" for name in ("wide", "warps") for seed in (0, 1, 2)),
              "two-layers-test-3", "two-equal-layers-test-4", "four-layers-test-5"]  # fmt: skip
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    probabilities = np.zeros((10_000, 10))
    for number, place in enumerate(places):
        network = KerasMLPClassifier((8,), epochs=1, random_state=number).fit(X[:2000], y[:2000])
        save(network, tmp_path / f"{place}.skops")
        probabilities += network.predict_proba(X_test)
    command = [sys.executable, EXAMPLES / "dense_networks.py", "--models", tmp_path]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(printed) == len(places) + 1
    alone = [float(line.rstrip("%").split()[-1]) for line in printed[:-1]]
    together = float(printed[-1].split("together")[1].split("%")[0])
    assert together > sum(alone) / len(alone)
    assert together == pytest.approx(100 * np.mean(probabilities.argmax(axis=1) == y_test), abs=0.011)
    assert len(list(tmp_path.iterdir())) == len(places)


@pytest.mark.slow
def test_the_sample_photo_is_what_its_script_draws(tmp_path):
    command = [sys.executable, EXAMPLES / "sample_photo.py", tmp_path / "photo.jpg"]
    subprocess.run(command, capture_output=True, check=True)
    with Image.open(EXAMPLES / "sample_photo.jpg") as shipped, Image.open(tmp_path / "photo.jpg") as drawn:
        assert shipped.size == drawn.size
        # Other versions of Pillow may compress differently.
        assert np.abs(np.asarray(shipped, dtype=float) - np.asarray(drawn, dtype=float)).mean() < 1


@contextmanager
def serving(*arguments):
    """The address of examples/serve.py."""
    command = [sys.executable, EXAMPLES / "serve.py", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def service():
    """The address of the service, with the pretrained model."""
    with serving() as address:
        yield address


def row_of_digits(*, n_digits):
    """A picture with the first test images in a row, as PNG, and its number."""
    test = fetch_mnist(subset="test", normalize=False)
    row = np.hstack([np.kron(np.pad(image, 4), np.ones((3, 3), dtype=np.uint8)) for image in test.images[:n_digits]])
    file = io.BytesIO()
    Image.fromarray(255 - row).save(file, "PNG")
    return file.getvalue(), "".join(map(str, test.target[:n_digits]))


def answer_to(address, picture):
    with urlopen(address, picture, timeout=300) as response:
        return json.load(response)


@pytest.mark.slow
def test_a_service_reads_the_digits_in_a_picture(service):
    picture, number = row_of_digits(n_digits=5)
    answer = answer_to(service, picture)
    assert (answer["text"], answer["reason"]) == (number, None)
    assert [str(digit["label"]) for digit in answer["digits"]] == list(number)
    assert all(digit["is_sure"] and digit["confidence"] >= 0.9 for digit in answer["digits"])
    lefts = [digit["box"][0] for digit in answer["digits"]]
    assert lefts == sorted(lefts)


def test_a_service_says_why_there_is_no_digit(service):
    file = io.BytesIO()
    Image.new("L", (100, 100), 200).save(file, "PNG")
    answer = answer_to(service, file.getvalue())
    assert answer == {"text": "", "digits": [], "reason": "the contrast is too low"}


@pytest.mark.slow
def test_a_service_reads_digits_with_a_model_of_the_train_command(tmp_path):
    train = ["train", "--epochs", "1", "--rows", "5000", "--no-plots", "--quiet", "--output", str(tmp_path)]
    assert main(train) == 0
    picture, number = row_of_digits(n_digits=8)
    with serving(tmp_path / "model.skops") as address, serving() as pretrained:
        answers = [answer_to(of, picture) for of in (address, pretrained)]
    for answer in answers:
        read = [str(digit["label"]) for digit in answer["digits"]]
        assert np.mean(np.equal(read, list(number))) > 0.7
    assert answers[0] != answers[1]  # the file is used


@pytest.mark.parametrize("body", [b"", b"no picture", b"[[0, 255]]", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_a_service_says_what_is_wrong_with_a_request(service, body):
    with pytest.raises(HTTPError) as caught:
        urlopen(service, body, timeout=300)
    with caught.value:
        assert caught.value.code == 400
        assert json.load(caught.value)["error"]


@pytest.mark.parametrize("length", ["27000000", "-1", "many"])
def test_a_service_rejects_requests_of_excessive_or_invalid_length(service, length):
    connection = HTTPConnection(service.removeprefix("http://").rstrip("/"), timeout=300)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 400
    assert json.load(response)["error"]
    connection.close()
