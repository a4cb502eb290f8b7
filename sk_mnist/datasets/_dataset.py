"""The description of a data set: its arrays, its files and where they are. MNIST is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class KnownArray(NamedTuple):
    """Shape of an array, the SHA-256 of its bytes in C order, and its dtype."""

    shape: tuple[int, ...]
    sha256: str
    dtype: str = "uint8"


class KnownFile(NamedTuple):
    """Name of a file, SHA-256 and size in bytes."""

    name: str
    sha256: str
    size: int


class Remote(NamedTuple):
    """A download location: each file is at `url` + its name, and together they hold all arrays."""

    url: str
    files: tuple[KnownFile, ...]


@dataclass(frozen=True)
class DataSet:
    """A data set of labelled images.

    Attributes
    ----------
    name : str
        What messages call it.
    arrays : mapping of str to KnownArray
        Its arrays: x_train, y_train, x_test and y_test. Their digests decide, not those of files: these are the bytes
        that we return, in a file of any format.
    npz : KnownFile
        The file of all arrays, which a data home holds under the same name.
    idx : mapping of str to KnownFile
        The IDX file of each array. Empty if there are none.
    remotes : tuple of Remote
        Where to download it, in the order to try.
    bundled : Path
        The copy of `npz` in this package.
    """

    name: str
    arrays: Mapping[str, KnownArray]
    npz: KnownFile
    idx: Mapping[str, KnownFile]
    remotes: tuple[Remote, ...]
    bundled: Path


class Source(NamedTuple):
    """Where arrays came from. As text, it is what users see, such as "cache: /srv/mnist".

    Attributes
    ----------
    kind : str
        "cache", "keras cache", "download" or "bundled".
    place : Path or str
        Its path or URL.
    """

    kind: str
    place: Path | str

    def __str__(self) -> str:
        return f"{self.kind}: {self.place}"


BUNDLED = Path(__file__).parent / "data" / "mnist.npz"

_NPZ = KnownFile("mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", 11_490_434)
_IDX = {
    "x_train": KnownFile(
        "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422
    ),
    "y_train": KnownFile(
        "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881
    ),
    "x_test": KnownFile(
        "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877
    ),
    "y_test": KnownFile(
        "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542
    ),
}

MNIST = DataSet(
    name="MNIST",
    arrays={
        "x_train": KnownArray((60_000, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
        "y_train": KnownArray((60_000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
        "x_test": KnownArray((10_000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
        "y_test": KnownArray((10_000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
    },
    npz=_NPZ,
    idx=_IDX,
    remotes=(
        Remote("https://storage.googleapis.com/tensorflow/tf-keras-datasets/", (_NPZ,)),
        Remote("https://ossci-datasets.s3.amazonaws.com/mnist/", tuple(_IDX.values())),
        Remote("https://storage.googleapis.com/cvdf-datasets/mnist/", tuple(_IDX.values())),
    ),
    bundled=BUNDLED,
)
