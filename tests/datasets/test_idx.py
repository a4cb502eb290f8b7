"""The IDX reader: arrays of bytes of any rank, and files that are not what they say."""

import gzip
import struct
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sk_mnist.datasets._idx import read_idx
from tests.helpers.idx_encoding import idx_bytes
from tests.helpers.memory import peak_memory

arrays = npst.arrays(np.uint8, npst.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=5))
packers = st.sampled_from([bytes, gzip.compress])


def read_bytes(content):
    """Read a file of the given bytes, which may hold up to a gigabyte."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "array-idx"
        path.write_bytes(content)
        return read_idx(path, max_bytes=1 << 30)


@given(array=arrays, pack=packers)
def test_every_array_is_read_back_bit_for_bit(array, pack):
    back = read_bytes(pack(idx_bytes(array)))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.c_contiguous
    assert back.flags.writeable


def test_a_rank_that_numpy_cannot_hold_is_rejected():
    with pytest.raises(ValueError, match=r"not a valid IDX file: .*dimension"):
        read_bytes(struct.pack(">HBB255I", 0, 0x08, 255, *[1] * 255) + b"x")


@pytest.mark.parametrize(
    "start", [b"", b"\0\0", b"\0\1\x08\1", b"\1\0\x08\1", b"\0\0\x0d\1", b"\0\0\0\1", b"<htm", b"\x93NUM"]
)
def test_a_wrong_magic_number_is_rejected(start):
    with pytest.raises(ValueError, match="magic number"):
        read_bytes(start + bytes(100) if len(start) == 4 else start)


def test_a_truncated_header_is_rejected():
    with pytest.raises(ValueError, match=r"ends within its header: rank 3 takes 12 bytes of sizes, not 5"):
        read_bytes(b"\0\0\x08\3" + bytes(5))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_error_for_truncated_data_says_how_many_bytes_there_are(pack):
    with pytest.raises(ValueError, match=r"holds 9 of the 10 bytes"):
        read_bytes(pack(idx_bytes(np.arange(10, dtype=np.uint8))[:-1]))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_trailing_data_is_rejected(pack):
    with pytest.raises(ValueError, match=r"more data follows the 10 bytes"):
        read_bytes(pack(idx_bytes(np.arange(10, dtype=np.uint8)) + b"\0"))


def test_a_truncated_gzip_stream_raises_value_error():
    with pytest.raises(ValueError, match="not a valid IDX file"):
        read_bytes(gzip.compress(idx_bytes(np.arange(1000).astype(np.uint8)))[:-20])


def test_a_wrong_gzip_checksum_raises_value_error():
    packed = bytearray(gzip.compress(idx_bytes(np.arange(1000).astype(np.uint8))))
    packed[-6] ^= 1
    with pytest.raises(ValueError, match="CRC check failed"):
        read_bytes(bytes(packed))


@given(data=st.binary(max_size=200))
def test_random_bytes_raise_no_error_other_than_value_error(data):
    for junk in (data, b"\x1f\x8b\x08\0" + data, b"\0\0\x08" + data, gzip.compress(b"\0\0\x08" + data)):
        with suppress(ValueError):
            read_bytes(junk)


def test_the_error_names_the_file(tmp_path):
    (tmp_path / "digits-idx").write_bytes(b"no")
    with pytest.raises(ValueError, match="digits-idx"):
        read_idx(tmp_path / "digits-idx", max_bytes=10)


def test_a_missing_file_raises_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent", max_bytes=10)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_claims_a_gigabyte_does_not_allocate_it(pack):
    def read():
        with pytest.raises(ValueError, match=r"holds 5 of the 1073741824 bytes"):
            read_bytes(pack(struct.pack(">HBBI", 0, 0x08, 1, 1 << 30) + b"short"))

    assert peak_memory(read) < 5e6


def test_an_array_over_the_size_limit_is_rejected_before_it_is_read():
    with pytest.raises(ValueError, match=r"promises 4294967295 bytes, more than the 1073741824 allowed"):
        read_bytes(struct.pack(">HBBI", 0, 0x08, 1, (1 << 32) - 1))


def test_a_gzip_bomb_is_not_unpacked_past_the_size_in_the_header():
    bomb = gzip.compress(idx_bytes(np.zeros(10, dtype=np.uint8)) + bytes(200_000_000))

    def read():
        with pytest.raises(ValueError, match="more data follows"):
            read_bytes(bomb)

    assert peak_memory(read) < 5e6
