"""The description of a data set: its arrays, its files and where they are. MNIST and Fashion-MNIST are two."""

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
    npz : str
        Name of the file of all arrays, in a data home and where a remote has it.
    idx : mapping of str to KnownFile
        The IDX file of each array.
    remotes : tuple of Remote
        Where to download it, in the order to try.
    keras : str
        Its file, or the directory of its IDX files, in Keras' cache.
    bundled : Path or None
        The copy of `npz` in this package.
    target_names : tuple of str
        What the labels 0, 1, 2, ... stand for.
    description : str
        File name of its description in the directory ``descr``.
    """

    name: str
    arrays: Mapping[str, KnownArray]
    npz: str
    idx: Mapping[str, KnownFile]
    remotes: tuple[Remote, ...]
    keras: str
    bundled: Path | None
    target_names: tuple[str, ...]
    description: str


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

_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

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
    npz=_NPZ.name,
    idx=_IDX,
    remotes=(
        Remote(_KERAS_URL, (_NPZ,)),
        Remote("https://ossci-datasets.s3.amazonaws.com/mnist/", tuple(_IDX.values())),
        Remote("https://storage.googleapis.com/cvdf-datasets/mnist/", tuple(_IDX.values())),
    ),
    keras="mnist.npz",
    bundled=BUNDLED,
    target_names=tuple("0123456789"),
    description="mnist.rst",
)

_FASHION_IDX = {
    "x_train": KnownFile(
        "train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880
    ),
    "y_train": KnownFile(
        "train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515
    ),
    "x_test": KnownFile(
        "t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102
    ),
    "y_test": KnownFile(
        "t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148
    ),
}

FASHION_MNIST = DataSet(
    name="Fashion-MNIST",
    arrays={
        "x_train": KnownArray((60_000, 28, 28), "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012"),
        "y_train": KnownArray((60_000,), "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"),
        "x_test": KnownArray((10_000, 28, 28), "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"),
        "y_test": KnownArray((10_000,), "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"),
    },
    npz="fashion-mnist.npz",
    idx=_FASHION_IDX,
    remotes=(
        Remote("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", tuple(_FASHION_IDX.values())),
        Remote(_KERAS_URL, tuple(_FASHION_IDX.values())),
    ),
    keras="fashion-mnist",
    bundled=None,
    target_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    description="fashion_mnist.rst",
)
