"""PyTorch's .bin files are read, and nothing that they name is run."""

import collections
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from spot_jax.errors import InputError
from spot_jax.pretrained import torch_zip


class Global:
    """Pickles as the global of that name, with no need of PyTorch."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Storage:
    """Pickles as PyTorch's reference to a member of the archive."""

    def __init__(self, kind, key, size):
        self.id = ("storage", Global("torch", kind), key, "cpu", size)


class Pickler(pickle._Pickler):
    """Python's own pickler, which can be told what to write."""

    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None

    def save(self, value, *arguments, **options):
        if isinstance(value, Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, *arguments, **options)


def tensor(storage, start, shape, strides):
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    hooks = collections.OrderedDict()
    return Call(rebuild, storage, start, shape, strides, False, hooks)


def write(path, value, members=(), compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(value)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        for name, data in dict(members).items():
            archive.writestr(f"archive/{name}", data)
    return str(path)


@pytest.fixture
def values():
    return np.arange(24, dtype=np.float32)


def test_strides_and_offsets_are_followed(tmp_path, values):
    storage = Storage("FloatStorage", "0", 24)
    weights = collections.OrderedDict(
        whole=tensor(storage, 0, (4, 6), (6, 1)),
        transposed=tensor(storage, 0, (6, 4), (1, 6)),
        inside=tensor(storage, 7, (2, 3), (6, 1)),
        scalar=tensor(storage, 5, (), ()),
    )
    path = write(tmp_path / "w.bin", weights, {"data/0": values.tobytes()})
    arrays = torch_zip.read(path)
    matrix = values.reshape(4, 6)
    read = {name: array.read(array.whole()) for name, array in arrays.items()}
    np.testing.assert_array_equal(read["whole"], matrix)
    np.testing.assert_array_equal(read["transposed"], matrix.T)
    np.testing.assert_array_equal(read["inside"], matrix[1:3, 1:4])
    assert read["scalar"] == 5
    part = arrays["transposed"].read((slice(2, 5), slice(1, 3)))
    np.testing.assert_array_equal(part, matrix.T[2:5, 1:3])


def test_what_is_read_does_not_depend_on_the_file(tmp_path, values):
    weights = {"w": tensor(Storage("FloatStorage", "0", 24), 0, (24,), (1,))}
    path = write(tmp_path / "w.bin", weights, {"data/0": values.tobytes()})
    array = torch_zip.read(path)["w"]
    read = array.read(array.whole())
    with open(path, "r+b") as file:
        file.write(bytes(os.path.getsize(path)))
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("torch.storage", "_load_from_bytes"),
        ("torch", "nn.Module"),
        ("numpy.core.multiarray", "_reconstruct"),
    ],
)
def test_a_pickle_that_could_run_something_is_refused(module, name, tmp_path):
    marker = tmp_path / "ran"
    call = Call(Global(module, name), f"touch {marker}")
    path = write(tmp_path / "w.bin", {"w": call})
    with pytest.raises(ValueError, match=rf"w\.bin names {module}\.{name}.*refused"):
        torch_zip.read(path)
    assert not marker.exists()


def test_weights_that_no_file_should_have_are_refused(tmp_path, values):
    storage = Storage("FloatStorage", "0", 24)
    members = {"data/0": values.tobytes()}
    for weights, told in [
        ({"w": tensor(storage, 0, (4, 6), (6,))}, "impossible sizes"),
        ({1: tensor(storage, 0, (4,), (1,))}, "1 is a _Tensor, not a tensor by name"),
        ({"w": tensor(3, 0, (4,), (1,))}, "not a tensor"),
        ({"w": tensor(storage, 0, 4, (1,))}, "cannot be unpickled"),
    ]:
        path = write(tmp_path / "w.bin", weights, members)
        with pytest.raises(InputError, match=told):
            torch_zip.read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_storage_that_is_there_twice_is_refused(tmp_path, values):
    weights = {"w": tensor(Storage("FloatStorage", "0", 24), 0, (24,), (1,))}
    path = write(tmp_path / "w.bin", weights, {"data/0": values.tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data/0", (values + 1).tobytes())
    with pytest.raises(InputError, match="has the member 'data/0' twice"):
        torch_zip.read(path)


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02.",
        b"(" * 100_000,
        b"\x80\x02X\xff\xff\xff\x7fa.",
        b"\x80\x02X\x01\x00\x00\x00\xff.",
        b"I99999999999999999999x\n.",
        b"\x80\x02]r\xff\xff\xff\xff.",
    ],
)
def test_a_damaged_pickle_is_one_message(pickled, tmp_path):
    path = tmp_path / "w.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(InputError, match=r"w\.bin (cannot be unpickled|holds a)"):
        torch_zip.read(str(path))


def test_a_real_exploit_does_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Exploit:
        def __reduce__(self):
            return (os.system, (f"touch {marker}",))

    path = tmp_path / "w.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": Exploit()}))
    with pytest.raises(ValueError, match="system.*refused"):
        torch_zip.read(str(path))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("start", "shape", "strides"),
    [(0, (25,), (1,)), (1, (24,), (1,)), (0, (2, 2), (1, 30)), (-1, (2,), (1,))],
)
def test_a_tensor_may_not_leave_its_storage(start, shape, strides, tmp_path, values):
    weights = {"w": tensor(Storage("FloatStorage", "0", 24), start, shape, strides)}
    path = write(tmp_path / "w.bin", weights, {"data/0": values.tobytes()})
    with pytest.raises(ValueError, match="'w' (reaches beyond|has impossible)"):
        torch_zip.read(path)


def test_a_storage_may_not_leave_its_member(tmp_path, values):
    weights = {"w": tensor(Storage("FloatStorage", "0", 1000), 0, (1000,), (1,))}
    path = write(tmp_path / "w.bin", weights, {"data/0": values.tobytes()})
    with pytest.raises(ValueError, match="data/0"):
        torch_zip.read(path)


@pytest.mark.parametrize(
    ("value", "members", "message"),
    [
        ([1, 2], {}, "holds a list"),
        ({"epoch": 3}, {}, "'epoch' is a int"),
        ({"w": tensor(Storage("FloatStorage", "9", 1), 0, (1,), (1,))}, {}, "data/9"),
        ({"w": 1}, {"byteorder": "big"}, "big-endian"),
    ],
)
def test_other_contents_are_explained(value, members, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        torch_zip.read(write(tmp_path / "w.bin", value, members))


def test_compressed_archives_are_refused(tmp_path):
    path = write(tmp_path / "w.bin", {}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        torch_zip.read(path)


def test_no_member_is_unpacked(tmp_path, values):
    path = write(tmp_path / "w.bin", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/byteorder", b"little")
    with pytest.raises(ValueError, match="compressed"):
        torch_zip.read(path)


def test_the_format_before_pytorch_1_6_is_explained(tmp_path):
    path = tmp_path / "w.bin"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2))
    with pytest.raises(ValueError, match=r"before PyTorch 1\.6, convert.*safetensors"):
        torch_zip.read(str(path))


def test_a_damaged_pickle_is_explained(tmp_path):
    path = tmp_path / "w.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}(")
    with pytest.raises(ValueError, match="cannot be unpickled safely"):
        torch_zip.read(str(path))


@pytest.mark.parity
def test_parameters_views_and_shared_storages_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    base = torch.randn(6, 8)
    weights = {
        "base": base,
        "view": base[1:5, 2:7:2].t(),
        "again": base,
        "parameter": torch.nn.Parameter(torch.randn(3).double()),
        "half": torch.randn(4).half(),
    }
    path = str(tmp_path / "w.bin")
    torch.save(weights, path)
    arrays = torch_zip.read(path)
    assert arrays.keys() == weights.keys()
    for name, array in arrays.items():
        wanted = weights[name].detach().numpy()
        np.testing.assert_array_equal(array.read(array.whole()), wanted)
        assert array.dtype == wanted.dtype


@pytest.mark.parity
def test_a_whole_pytorch_module_and_the_old_format_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    path = str(tmp_path / "w.bin")
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match="refused"):
        torch_zip.read(path)
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"before PyTorch 1\.6"):
        torch_zip.read(path)
