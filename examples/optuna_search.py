"""
A search with Optuna that can be killed and resumed
===================================================

Maximise the cross-validated accuracy on the first training images, and save each finished trial in a journal file::

    python examples/optuna_search.py --journal search.journal --trials 50

If the search is killed, even by SIGKILL, run the same command again to resume it. It keeps the finished trials, runs
the interrupted one again, and stops at the requested number of trials. Run one process at a time. The script needs
``pip install optuna``.
"""

import argparse
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from sklearn.model_selection import cross_val_score

from sk_mnist import fetch_mnist, make_mnist_pipeline, start_tensorflow

STUDY_NAME = "mnist"


def open_study(journal):
    """Load the study from a journal file, or create it."""
    # Locks are held for milliseconds at a time. One older than 5 seconds was left behind by a killed process.
    lock = JournalFileOpenLock(str(journal), grace_period=5)
    study = optuna.create_study(
        study_name=STUDY_NAME,
        storage=JournalStorage(JournalFileBackend(str(journal), lock_obj=lock)),
        direction="maximize",
        load_if_exists=True,
    )
    # With a fixed seed, the sampler of a new process would propose the first trials again.
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def make_objective(n_rows, n_epochs):
    """Return the function to maximise: mean accuracy over three folds."""
    X, y = fetch_mnist(subset="train", return_X_y=True)
    X, y = X[:n_rows], y[:n_rows]

    def objective(trial):
        start_tensorflow()
        pipe = make_mnist_pipeline(
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.5),
            alpha=trial.suggest_float("alpha", 1e-6, 1e-2, log=True),
            batch_size=trial.suggest_categorical("batch_size", [32, 128]),
            epochs=n_epochs,
            random_state=0,
        )
        return cross_val_score(pipe, X, y, cv=3).mean()

    return objective


def n_finished(study):
    """Count the trials that have a score."""
    return len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))


def main():
    """Parse the options and run the search."""
    parser = argparse.ArgumentParser(description="Search parameters of the network with Optuna; resumable.")
    parser.add_argument("--journal", type=Path, required=True, help="file that stores the trials")
    parser.add_argument("--trials", type=int, default=20, help="number of finished trials to stop at (default: 20)")
    parser.add_argument("--rows", type=int, default=6000, help="training images to use (default: 6000)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs of each fit (default: 5)")
    options = parser.parse_args()

    study = open_study(options.journal)
    print(f"{n_finished(study)} of {options.trials} trials are finished.", flush=True)
    objective = make_objective(options.rows, options.epochs)
    while n_finished(study) < options.trials:
        study.optimize(objective, n_trials=1)
    print(f"Best accuracy {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
