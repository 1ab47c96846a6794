"""Finding, checking and loading weights."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mvi_ray.errors import WeightsError
from mvi_ray.extract import weights
from mvi_ray.extract.resnet import ResNet18_3D
from mvi_ray.extract.weights import KINETICS_FILE, WeightsSource, cached_file, load_network, resolve


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A complete state dict with 400 classes, every name with values of its own.

    Large tensors repeat one number, so that their files stay small.
    """
    with torch.device("meta"):
        names = ResNet18_3D().state_dict()
    generator = torch.Generator().manual_seed(7)
    state = {}
    for count, (name, value) in enumerate(names.items(), start=1):
        if value.dtype == torch.int64:
            state[name] = torch.tensor(count)
        elif value.numel() > 30_000:
            state[name] = torch.tensor(count * 1e-5).expand(value.shape)
        else:
            state[name] = 0.5 + torch.rand(value.shape, generator=generator)
    return state


@pytest.fixture(scope="module")
def whole_file(state, tmp_path_factory) -> Path:
    """That state dict in a file."""
    path = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def published(whole_file, monkeypatch) -> Path:
    """The same file, taken for the published one: that is too large to keep with the tests."""
    digest = hashlib.sha256(whole_file.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "KINETICS_SHA256", digest[:8])
    return whole_file


@pytest.fixture
def no_cache(monkeypatch, tmp_path) -> Path:
    """An empty torch cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def same(network: ResNet18_3D, state: dict[str, torch.Tensor]) -> bool:
    """Whether a network holds exactly these values (of the names given)."""
    own = network.state_dict()
    return all(torch.equal(own[name], value) for name, value in state.items())


@pytest.mark.parametrize(
    "variables",
    [
        {"TORCH_HOME": "/models", "XDG_CACHE_HOME": "/cache"},
        {"TORCH_HOME": "~/models"},
        {"XDG_CACHE_HOME": "/cache"},
        {},
    ],
)
def test_cache_is_found_by_the_rules_of_torch(monkeypatch, variables):
    """TORCH_HOME goes before XDG_CACHE_HOME, and that before the home folder."""
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cached_file() == Path(torch.hub.get_dir(), "checkpoints", KINETICS_FILE)


def test_missing_kinetics_weights_say_what_to_fetch_and_where_to_put_it(no_cache):
    """File, address, checksum, place and the way to go on without: all in one message."""
    with pytest.raises(WeightsError, match="are not at") as caught:
        resolve("kinetics400")
    message = caught.value.message
    for part in (
        "r3d_18-b3b3357e.pth",
        "https://download.pytorch.org/models/r3d_18-b3b3357e.pth",
        "SHA-256 begins with b3b3357e",
        str(no_cache),
        "weights: random",
    ):
        assert part in message
    assert caught.value.way_out.startswith("download https://")


def test_file_under_the_published_name_with_other_content_is_refused(no_cache):
    """The name alone proves nothing."""
    no_cache.mkdir(parents=True)
    (no_cache / KINETICS_FILE).write_bytes(b"something else")
    begin = hashlib.sha256(b"something else").hexdigest()[:8]
    with pytest.raises(WeightsError, match=f"begins with {begin}, .* with b3b3357e"):
        resolve("kinetics400")


def test_kinetics_weights_come_from_the_named_file_before_the_cache(no_cache, published):
    """An explicit file wins; without one the cache is used."""
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    assert resolve("kinetics400", published) == WeightsSource("kinetics400", published, digest)
    no_cache.mkdir(parents=True)
    (no_cache / KINETICS_FILE).symlink_to(published)
    source = resolve("kinetics400")
    assert source.path == no_cache / KINETICS_FILE
    assert source.identity == digest
    assert not source.trial


def test_kinetics_weights_load_unchanged(published, state):
    """Every value of the file arrives, the last layer too, and nothing trains."""
    network = load_network(resolve("kinetics400", published))
    assert list(network.state_dict()) == list(state)
    assert same(network, state)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_files_of_older_torch_load_too(state, tmp_path):
    """Published files of 2019 are not zip archives."""
    path = tmp_path / "legacy.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert same(load_network(resolve(str(path))), state)


def test_same_file_has_the_same_identity_by_either_setting(published):
    """Features do not fork because a file was named instead of the setting."""
    assert resolve("kinetics400", published).identity == resolve(str(published)).identity


def test_file_argument_stands_in_for_the_path_of_the_study(whole_file):
    """Machines keep the file in different places."""
    assert resolve("models/own.pth", whole_file).path == whole_file


@pytest.mark.parametrize("setting", ["kinetics-400", "models/none.pth"])
def test_setting_that_is_no_file_is_explained(setting, tmp_path, monkeypatch):
    """A misspelt keyword reads as a path: the message names both keywords."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=f"no file of weights at {setting}; .*kinetics400, random or"):
        resolve(setting)


def test_own_network_may_have_other_classes(state, tmp_path):
    """Two classes, as after fine-tuning for MVI."""
    path = tmp_path / "tuned.pth"
    tuned = state | {"fc.weight": torch.ones(2, 512), "fc.bias": torch.zeros(2)}
    torch.save(tuned, path)
    source = resolve(str(path))
    assert (source.kind, source.trial) == ("file", False)
    assert same(load_network(source), tuned)


def test_own_network_without_last_layer_gives_its_embedding(state, tmp_path):
    """The fully connected layer is not needed."""
    path = tmp_path / "body.pth"
    body = {name: value for name, value in state.items() if not name.startswith("fc.")}
    torch.save(body, path)
    network = load_network(resolve(str(path)))
    assert same(network, body)
    x = torch.rand(1, 3, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(x), network.embed(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "layer3.1.conv2.0.weight"}, "layer3.1.conv2.0.weight"),
        (lambda s: s | {"layer5.0.weight": torch.zeros(1)}, "layer5.0.weight"),
        (lambda s: s | {"stem.0.weight": torch.zeros(64, 1, 3, 7, 7)}, "size mismatch for stem.0.weight"),
        (lambda s: {k: v for k, v in s.items() if k != "fc.bias"}, "fc.bias"),
        (lambda s: s | {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)}, "fc.weight"),
        (lambda s: s | {"fc.weight": torch.tensor(1.0)}, "fc.weight"),
        (lambda s: s | {"stem.1.bias": torch.full((64,), torch.nan)}, "not finite"),
        (lambda s: {"state_dict": s}, "no state dict"),
        (lambda s: list(s.values())[:3], "no state dict"),
    ],
)
def test_weights_of_another_network_are_refused(state, tmp_path, change, words):
    """Names, shapes and values must be those of the network."""
    path = tmp_path / "other.pth"
    torch.save(change(dict(state)), path)
    with pytest.raises(WeightsError, match=words):
        load_network(resolve(str(path)))


def test_published_weights_need_their_400_classes(state, monkeypatch, tmp_path):
    """Only own files may differ in the last layer."""
    path = tmp_path / "short.pth"
    torch.save(state | {"fc.weight": torch.ones(2, 512), "fc.bias": torch.zeros(2)}, path)
    monkeypatch.setattr(weights, "KINETICS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    with pytest.raises(WeightsError, match=r"size mismatch for fc\.weight"):
        load_network(resolve("kinetics400", path))


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_file_is_never_run(tmp_path):
    """A pickle with a call in it is refused, and the call does not happen."""
    path, proof = tmp_path / "trap.pth", tmp_path / "proof"
    torch.save({"stem.0.weight": Trap(proof)}, path)
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        load_network(resolve(str(path)))
    assert not proof.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"PK\x03\x04 broken", b"plain text\n" * 9, pickle.dumps(1)]
)
def test_file_of_another_kind_is_refused(tmp_path, content):
    """Whatever fails while reading is one clear error."""
    path = tmp_path / "note.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot be read as weights|no state dict"):
        load_network(resolve(str(path)))


def test_file_that_changes_after_it_was_found_is_refused(tmp_path):
    """What is loaded is what the identity names."""
    path = tmp_path / "own.pth"
    path.write_bytes(b"first")
    source = resolve(str(path))
    path.write_bytes(b"second")
    with pytest.raises(WeightsError, match="changed while it was in use"):
        load_network(source)


def test_file_that_is_gone_on_this_machine_is_named(tmp_path):
    """A worker elsewhere may not have it."""
    with pytest.raises(WeightsError, match=r"gone.pth cannot be read: .*on every machine"):
        load_network(WeightsSource("file", tmp_path / "gone.pth", "0" * 64))


def test_random_weights_are_named_as_a_trial():
    """Their identity is the seed."""
    source = resolve("random")
    assert source == WeightsSource("random", None, "random-seed-0")
    assert source.trial
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 - made one line above


def test_random_weights_take_no_file(whole_file):
    """A file beside `random` would silently not be used."""
    with pytest.raises(WeightsError, match="`weights: random` takes no file"):
        resolve("random", whole_file)


def test_random_weights_are_the_same_bytes_every_time():
    """They depend on nothing that happened before, and disturb no one else's generator."""
    torch.manual_seed(1)
    first = load_network(resolve("random"))
    after = torch.rand(4)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(4), after)
    second = load_network(resolve("random"))
    assert same(first, second.state_dict())


def test_random_weights_are_those_that_their_name_stands_for():
    """First values with torch 2.13: should a later torch draw others, the identity must change."""
    first = load_network(resolve("random")).state_dict()["stem.0.weight"].flatten()[:3]
    torch.testing.assert_close(
        first, torch.tensor([-0.016415078, -0.016801754, -0.003653510]), rtol=1e-5, atol=0
    )


def test_random_weights_are_spread_as_torchvision_does():
    """Deviation sqrt(2 / fan out) for convolutions, neutral normalisation, 0.01 for the last layer."""
    state = load_network(resolve("random")).state_dict()
    deviations = {
        "stem.0.weight": (2 / (64 * 3 * 7 * 7)) ** 0.5,
        "layer2.0.downsample.0.weight": (2 / 128) ** 0.5,
        "layer4.1.conv2.0.weight": (2 / (512 * 27)) ** 0.5,
        "fc.weight": 0.01,
    }
    for name, expected in deviations.items():
        assert float(state[name].std()) == pytest.approx(expected, rel=0.03)
        assert abs(float(state[name].mean())) < 0.03 * expected
    for name, value in state.items():
        if name.endswith(("running_var", "1.weight")):
            assert torch.equal(value, torch.ones_like(value))
        elif name.endswith(("bias", "running_mean", "num_batches_tracked")):
            assert not value.any()


def test_finding_weights_does_not_import_torch():
    """The plan is made before torch is loaded."""
    code = (
        "import sys, mvi_ray.extract.weights as w, mvi_ray.extract.dlr;"
        "w.resolve('random'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
