"""Networks from a picture to a vector, and from any number of vectors to one."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from mammoscope.errors import RecipeError
from mammoscope.models.encoders.base import Encoder, EncoderConfig
from mammoscope.models.encoders.global_local import GlobalLocal, GlobalLocalEncoder, cut_patches, proposed_boxes
from mammoscope.models.encoders.light_cnn import LightCnn, LightEncoder
from mammoscope.models.encoders.patch_to_whole import PatchToWhole, PatchToWholeEncoder
from mammoscope.models.encoders.plain import Inner, plain_encoder
from mammoscope.models.encoders.simple_cnn import SimpleCnn, SimpleEncoder, start_glorot
from mammoscope.models.encoders.timm_encoder import TimmModel
from mammoscope.models.encoders.views import GatedAttention, ViewAttention

SHAPE = (48, 40)
SMALL = SimpleCnn(channels=(8, 16))
CONFIGS: dict[str, EncoderConfig] = {
    "simple-cnn": SimpleCnn(channels=(8, 16, 32)),
    "simple-cnn-flat": SimpleCnn(channels=(8, 16), norm="none", padding="valid", pool="flatten", init="glorot"),
    "light-cnn": LightCnn(channels=(8, 16, 32)),
    "light-cnn-plain": LightCnn(channels=(8, 16), depth=1, squeeze=False, pool="max"),
    "patch-to-whole": PatchToWhole(backbone=SMALL, top=(16, 24)),
    "patch-to-whole-timm": PatchToWhole(backbone=TimmModel(backbone="test_efficientnet"), top=(16,), pool="max"),
    "global-local": GlobalLocal(coarse=SMALL, fine=LightCnn(channels=(8, 16)), factor=2, patches=3, patch_px=16),
    "global-local-flat": GlobalLocal(
        coarse=SMALL, fine=SMALL.model_copy(update={"pool": "flatten"}), factor=3, patches=2, patch_px=12, top_share=1
    ),
}


def made(config: EncoderConfig, *, shape: tuple[int, int] = SHAPE, seed: int = 0) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match config:
            case PatchToWhole():
                return PatchToWholeEncoder(config, fetch=False, shape=shape)
            case GlobalLocal():
                return GlobalLocalEncoder(config, fetch=False, shape=shape)
            case _:
                return plain_encoder(config, fetch=False, shape=shape)


def vector(encoder: Encoder, pixels: Tensor) -> Tensor:
    return encoder.pooled(encoder.forward_features(pixels), pixels)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


every = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@every
def test_an_encoder_gives_one_vector_of_its_width_a_picture_and_the_same_each_time(config: EncoderConfig) -> None:
    pixels = noise(3, 1, *SHAPE)
    one, two = (made(config).eval() for _ in range(2))

    vectors = vector(one, pixels)

    assert isinstance(one, Encoder)
    assert vectors.shape == (3, one.width)
    assert torch.equal(vectors, vector(one, pixels))
    assert torch.equal(vectors, vector(two, pixels))


@every
def test_one_picture_is_read_the_same_alone_and_among_others(config: EncoderConfig) -> None:
    encoder, pixels = made(config).eval(), noise(3, 1, *SHAPE)

    together = vector(encoder, pixels)

    for number in range(3):
        torch.testing.assert_close(together[number], vector(encoder, pixels[number : number + 1])[0])


@every
def test_the_blocks_hold_each_parameter_once(config: EncoderConfig) -> None:
    encoder = made(config)

    held = [id(parameter) for block in encoder.blocks() for parameter in block.parameters()]

    assert sorted(held) == sorted(id(parameter) for parameter in encoder.parameters())


@every
def test_the_gradient_of_the_vector_reaches_every_block(config: EncoderConfig) -> None:
    encoder = made(config)

    (vector(encoder, noise(4, 1, *SHAPE)) * noise(4, encoder.width, seed=1)).sum().backward()

    for block in encoder.blocks():
        assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in block.parameters())


@every
def test_four_pictures_are_learned_by_heart(config: EncoderConfig) -> None:
    encoder, pixels, labels = made(config), noise(4, 1, *SHAPE), torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    torch.manual_seed(0)
    head = nn.Linear(encoder.width, 1)
    steps = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-2)

    for _ in range(60):
        loss = functional.binary_cross_entropy_with_logits(head(vector(encoder, pixels)), labels)
        steps.zero_grad()
        loss.backward()
        steps.step()

    assert float(loss.detach()) < 0.05


@every
def test_a_config_is_the_same_after_a_way_through_json(config: EncoderConfig) -> None:
    assert type(config).model_validate_json(config.model_dump_json()) == config


# simple-cnn


def test_the_default_simple_cnn_is_the_one_of_the_first_recipes() -> None:
    """Recipes of before the options mean what they meant, to the bit."""
    pixels, blocks = noise(2, 1, 64, 48), []
    torch.manual_seed(0)
    for into, out in ((1, 16), (16, 32), (32, 64), (64, 128)):
        convolution = nn.Conv2d(into, out, kernel_size=3, padding=1, bias=False)
        blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)))
    expected = nn.Sequential(*blocks)(pixels)

    encoder = made(SimpleCnn())

    assert torch.equal(encoder.forward_features(pixels), expected)
    assert torch.equal(vector(encoder, pixels), expected.mean(dim=(2, 3)))
    assert torch.equal(vector(made(SimpleCnn(pool="max")), pixels), expected.amax(dim=(2, 3)))


def test_keras_blocks_leave_17_by_17_of_150() -> None:
    """Convolution 148, pooling 74; 72, 36; 34, 17."""
    config = SimpleCnn(channels=(32, 32, 64), norm="none", padding="valid", pool="flatten")

    encoder = made(config, shape=(150, 150))

    assert encoder.forward_features(torch.zeros(1, 1, 150, 150)).shape == (1, 64, 17, 17)
    assert encoder.width == 64 * 17 * 17


@pytest.mark.parametrize(("name", "applied"), [("elu", nn.ELU()), ("tanh", nn.Tanh()), ("sigmoid", nn.Sigmoid())])
def test_another_activation_takes_the_place_of_relu_in_every_block(name: str, applied: nn.Module) -> None:
    pixels = noise(2, 1, 32, 24)
    plain, other = (made(SimpleCnn(channels=(4, 8), norm="none", activation=one)) for one in ("relu", name))

    expected = pixels
    for block in plain.stack:
        expected = block[2](applied(block[0](expected)))

    assert torch.equal(other.forward_features(pixels), expected)


def test_glorot_starts_with_its_variance_and_without_biases() -> None:
    """Equation 12: 2 / (n_in + n_out), of a 3x3 convolution from 64 to 64 channels 2 / (2 * 576)."""
    encoder = made(SimpleCnn(channels=(64, 64), norm="none", init="glorot"))
    dense = nn.Linear(300, 500).apply(start_glorot)
    convolution = encoder.stack[1][0]

    assert convolution.weight.detach().var().item() == pytest.approx(2 / (2 * 9 * 64), rel=0.03)
    assert dense.weight.detach().var().item() == pytest.approx(2 / 800, rel=0.03)
    assert not convolution.bias.any()
    assert not dense.bias.any()


def test_a_picture_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"rows = 12, cols = 300: nothing is left of such a picture after 4 blocks"):
        SimpleEncoder(SimpleCnn(), shape=(12, 300))
    with pytest.raises(RecipeError, match="is made for one size of picture"):
        SimpleEncoder(SimpleCnn(pool="flatten"), shape=None)


# light-cnn


def test_the_light_cnn_is_as_light_as_its_docstring_says() -> None:
    stated = re.search(r": ([\d.]+) M parameters, (\d+) M multiply-adds at 224 x 224", LightCnn.__doc__ or "")
    encoder = LightEncoder(LightCnn(), shape=None).eval()

    with FlopCounterMode(display=False) as counted, torch.inference_mode():
        vector(encoder, torch.zeros(1, 1, 224, 224))
    parameters = sum(parameter.numel() for parameter in encoder.parameters())

    assert stated is not None
    assert parameters < 500_000
    assert float(stated[1]) == round(parameters / 1e6, 2)
    assert int(stated[2]) == round(counted.get_total_flops() / 2e6)


# parts of models


def test_a_part_of_a_model_refuses_what_has_no_effect_in_it() -> None:
    with pytest.raises(ValidationError, match="hidden, mean: has no effect in a part of a model"):
        PatchToWhole(backbone=SimpleCnn(hidden=(8,), mean=0.1))
    with pytest.raises(ValidationError, match=r"pool = 'max': has no effect here, the map of this network is read"):
        PatchToWhole(backbone=SimpleCnn(pool="max"))
    with pytest.raises(ValidationError, match=r"pool = 'flatten': has no effect here"):
        GlobalLocal(coarse=SimpleCnn(pool="flatten"))


def test_a_part_without_a_kind_is_one_of_timm() -> None:
    part = TypeAdapter(Inner).validate_python({"backbone": "resnet34"})

    assert part == TimmModel(backbone="resnet34")


@pytest.mark.parametrize("backbone", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_a_backbone_without_a_map_of_channels_is_refused(backbone: str) -> None:
    encoder = made(PatchToWhole(backbone=TimmModel(backbone=backbone)), shape=(224, 224))

    with pytest.raises(
        RecipeError, match=r"\[model.backbone\]: its map has the axes .*Choose a convolutional backbone"
    ):
        encoder.forward_features(torch.zeros(1, 1, 224, 224))


# patch-to-whole


def test_patch_logits_are_linear_in_the_mean_of_the_map_that_whole_pictures_share() -> None:
    encoder = made(PatchToWhole(backbone=SMALL, by_kind=True)).eval()
    patches = noise(2, 1, 24, 24)
    mean = encoder.forward_features(patches).mean(dim=(2, 3))

    logits = encoder.patch_logits(patches)

    torch.testing.assert_close(logits, mean @ encoder.patch_head.weight.T + encoder.patch_head.bias)
    assert logits.shape == (2, len(PatchToWhole(by_kind=True).patch_classes)) == (2, 5)


def test_what_patches_teach_changes_how_whole_pictures_are_read_but_not_the_top() -> None:
    encoder, whole = made(PatchToWhole(backbone=SMALL, top=(16,))).eval(), noise(2, 1, *SHAPE)
    before, top = vector(encoder, whole), encoder.top.state_dict()
    steps = torch.optim.SGD([p for block in encoder.patch_blocks() for p in block.parameters()], lr=0.1)

    functional.cross_entropy(encoder.patch_logits(noise(3, 1, 16, 16)), torch.tensor([0, 1, 2])).backward()
    steps.step()

    assert all(parameter.grad is None for parameter in encoder.top.parameters())
    assert all(torch.equal(tensor, top[name]) for name, tensor in encoder.top.state_dict().items())
    assert not torch.allclose(vector(encoder, whole), before)


def test_each_block_of_the_top_halves_the_map() -> None:
    encoder = made(PatchToWhole(backbone=SMALL, top=(16, 24, 8)))

    read = encoder.top(encoder.forward_features(torch.zeros(2, 1, 64, 96)))

    assert read.shape == (2, 8, 2, 3)  # 64 and 96, halved twice by the backbone and three times by the top


# global-local


def test_patches_go_to_the_most_salient_places_in_turn() -> None:
    saliency = torch.zeros(2, 8, 8)
    saliency[0, 1, 6], saliency[0, 7, 0] = 0.5, 0.9
    saliency[1, 3, 3] = 1.0

    boxes, present = proposed_boxes(saliency, rows=128, cols=64, patches=2, patch_px=8)

    assert present.all()
    assert boxes[0].tolist() == [[0, 116, 8, 124], [48, 20, 56, 28]]  # cells of 16 x 8, the patch in their middle
    assert boxes[1, 0].tolist() == [24, 52, 32, 60]


@given(
    seed=st.integers(0, 999),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    patch_px=st.integers(1, 20),
)
def test_patches_lie_inside_never_overlap_and_come_in_the_order_of_their_saliency(
    seed: int, grid: tuple[int, int], size: tuple[int, int], patch_px: int
) -> None:
    saliency = torch.rand(2, *grid, generator=torch.Generator().manual_seed(seed))

    boxes, present = proposed_boxes(saliency, rows=size[0], cols=size[1], patches=5, patch_px=patch_px)

    assert present[:, 0].all()
    for picture, there in zip(boxes.numpy(), present.numpy(), strict=True):
        counted = np.zeros(size, dtype=np.int64)
        for x0, y0, x1, y1 in picture[there]:
            assert 0 <= x0 < x1 <= size[1]
            assert 0 <= y0 < y1 <= size[0]
            counted[y0:y1, x0:x1] += 1
        assert counted.max() == 1
        assert counted.sum() == there.sum() * patch_px**2
        assert list(there) == sorted(there, reverse=True)


def test_patches_are_cut_as_slices_cut_them() -> None:
    pixels = noise(2, 1, 30, 20)
    boxes = torch.tensor([[[0, 0, 5, 5], [15, 25, 20, 30]], [[3, 7, 8, 12], [4, 1, 9, 6]]])

    cut = cut_patches(pixels, boxes, patch_px=5)

    for picture in range(2):
        for patch, (x0, y0, x1, y1) in enumerate(boxes[picture].tolist()):
            assert torch.equal(cut[picture, patch], pixels[picture, 0, y0:y1, x0:x1])


def test_a_network_tells_where_it_looked_and_how_much_it_counted() -> None:
    config = GlobalLocal(coarse=SMALL, fine=SMALL, factor=2, patches=4, patch_px=20)
    encoder = made(config, shape=(20, 40)).eval()
    pixels = noise(3, 1, 20, 40)

    looked = encoder.look(pixels)

    expected = proposed_boxes(encoder.saliency(pixels), rows=20, cols=40, patches=4, patch_px=20)
    assert torch.equal(looked.boxes_px, expected[0])
    assert torch.equal(looked.present, expected[1])
    assert 0 <= looked.saliency.min() <= looked.saliency.max() <= 1
    assert int(looked.present.sum(dim=1).max()) <= 2  # there is no room for more
    assert not looked.weights[~looked.present].any()
    torch.testing.assert_close(looked.weights.sum(dim=1), torch.ones(3))


def test_the_vector_is_the_salient_places_beside_the_attended_patches() -> None:
    """Against a loop over pictures, places and patches."""
    config = GlobalLocal(coarse=SMALL, fine=SMALL, factor=2, patches=2, patch_px=16, top_share=0.1)
    encoder, pixels = made(config).eval(), noise(2, 1, *SHAPE)
    looked = encoder.look(pixels)
    features = encoder.forward_features(pixels)

    found = vector(encoder, pixels)

    for n in range(2):
        saliency = looked.saliency[n].flatten()
        top = saliency.argsort(descending=True)[: round(0.1 * len(saliency))]
        coarse = sum(saliency[place] * features[n].flatten(1)[:, place] for place in top) / len(top)
        cuts = [pixels[n : n + 1, :, y0:y1, x0:x1] for x0, y0, x1, y1 in looked.boxes_px[n].tolist()]
        fine = sum(
            weight * vector(encoder.fine, cut)[0]
            for weight, cut, there in zip(looked.weights[n], cuts, looked.present[n], strict=True)
            if there
        )
        torch.testing.assert_close(found[n], torch.cat([coarse, fine]), rtol=1e-4, atol=1e-5)


def test_a_loss_on_the_side_teaches_the_saliency_and_not_the_fine_network() -> None:
    encoder = made(GlobalLocal(coarse=SMALL, fine=SMALL, factor=2, patches=1, patch_px=16, top_share=0.1)).eval()
    features = encoder.forward_features(noise(2, 1, *SHAPE))

    logits = encoder.side_logits(features)
    logits.sum().backward()

    saliency = torch.sigmoid(encoder.salient(features)).flatten(1)
    top = saliency.sort(dim=1, descending=True).values[:, : round(0.1 * saliency.shape[1])]
    torch.testing.assert_close(torch.sigmoid(logits[:, 0]), top.mean(dim=1))
    assert all(p.grad is not None for p in (*encoder.coarse.parameters(), *encoder.salient.parameters()))
    assert all(p.grad is None for p in encoder.fine.parameters())


def test_a_patch_that_there_is_not_is_not_shown_to_the_fine_network() -> None:
    encoder = made(GlobalLocal(coarse=SMALL, fine=SMALL, factor=2, patches=3, patch_px=30), shape=(30, 30))
    seen: list[int] = []
    encoder.fine_network.stack.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))

    vector(encoder, noise(2, 1, 30, 30))

    assert seen == [2]


def test_a_picture_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"rows = 48, cols = 40: a patch of \[model\] patch_px = 41 has no room"):
        made(GlobalLocal(coarse=SMALL, fine=SMALL, patch_px=41))


# views


def test_gated_attention_is_what_a_loop_over_the_formula_gives() -> None:
    """Ilse et al., equations 7 and 9."""
    attention, vectors = GatedAttention(5, hidden=3).requires_grad_(requires_grad=False), noise(2, 4, 5)
    present = torch.tensor([[True, True, True, True], [False, True, False, True]])

    found, weights = attention(vectors, present)

    for n in range(2):
        scores = {
            k: float(attention.score(torch.tanh(attention.content(h)) * torch.sigmoid(attention.gate(h))))
            for k, h in enumerate(vectors[n])
            if present[n, k]
        }
        total = sum(np.exp(score) for score in scores.values())
        expected = sum(np.exp(score) / total * vectors[n, k] for k, score in scores.items())
        torch.testing.assert_close(found[n], expected.float())
        assert {k: pytest.approx(np.exp(s) / total, abs=1e-6) for k, s in scores.items()} == {
            k: float(weights[n, k]) for k in scores
        }


def taught(how: str, *, width: int = 6) -> ViewAttention:
    """Attention that side and projection matter to."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        together = ViewAttention(width, how=how)
        if how == "attention":
            nn.init.normal_(together.shown.weight)
    return together


@pytest.mark.parametrize("how", ["attention", "mean", "max"])
@given(seed=st.integers(0, 999), views=st.integers(1, 6), absent=st.integers(0, 4))
def test_neither_the_order_of_views_nor_absent_ones_change_the_vector(
    how: str, seed: int, views: int, absent: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    together, vectors = taught(how), torch.randn(2, views, 6, generator=draw)
    codes, present = torch.randint(0, 40, (2, views), generator=draw), torch.ones(2, views, dtype=torch.bool)
    order = torch.randperm(views + absent, generator=draw)
    nothing = torch.full((2, absent, 6), torch.nan)

    expected, weights = together(vectors, present, codes)
    found, moved = together(
        torch.cat([vectors, nothing], dim=1)[:, order],
        torch.cat([present, torch.zeros(2, absent, dtype=torch.bool)], dim=1)[:, order],
        torch.cat([codes, torch.zeros(2, absent, dtype=torch.int64)], dim=1)[:, order],
    )

    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(moved[:, order.argsort()][:, :views], weights, rtol=1e-6, atol=1e-6)
    assert not moved[:, order.argsort()][:, views:].any()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("how", ["attention", "mean", "max"])
def test_a_single_view_passes_through_with_weight_1(how: str) -> None:
    vectors, present = noise(1, 3, 6), torch.tensor([[False, True, False]])

    found, weights = taught(how)(vectors, present, torch.tensor([[0, 15, 0]]))

    assert torch.equal(found, vectors[:, 1])
    assert weights.tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("how", ["attention", "mean", "max"])
def test_absent_views_get_no_gradient_and_spoil_none(how: str) -> None:
    together = taught(how)
    vectors = noise(2, 2, 6).index_fill_(1, torch.tensor([1]), torch.nan).requires_grad_()

    found, weights = together(vectors, torch.tensor([[True, False], [False, False]]))
    found.square().sum().backward()

    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()
    assert vectors.grad[0, 0].all()
    assert not vectors.grad[:, 1].any()
    assert all(p.grad is None or p.grad.isfinite().all() for p in together.parameters())
    assert not found[1].any()  # a sample without pictures
    assert not weights[1].any()


def test_what_a_view_shows_counts_once_it_is_learned() -> None:
    vectors, present, codes = noise(1, 2, 6), torch.ones(1, 2, dtype=torch.bool), torch.tensor([[15, 16]])
    fresh, learned = ViewAttention(6), taught("attention")

    assert torch.equal(fresh(vectors, present, codes)[0], fresh(vectors, present)[0])
    assert not torch.allclose(learned(vectors, present, codes)[1], learned(vectors, present)[1])
