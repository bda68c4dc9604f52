"""Maps of layers and what excites them most, on networks whose maps are known beforehand."""

import numpy as np
import pytest
import torch
from torch import nn

from mammoscope.errors import BundleError, SourceError
from mammoscope.explain import (
    Field,
    LayerMaps,
    chosen_channels,
    contact_sheet,
    cut_out,
    feature_maps,
    field_of,
    first_kernels,
    strongest_activations,
    tiles_of,
)
from mammoscope.models import Classifier, Design, HistogramModel, LightCnn, SimpleCnn, TimmModel, build


def known(kernels: list[list[list[float]]], *, rows: int = 6, cols: int = 8) -> Classifier:
    """One convolution with known kernels, mean 0 and deviation 1 of the pixels."""
    model = SimpleCnn(channels=(len(kernels),), norm="none", mean=0.0, std=1.0)
    network = build(Design(model=model, rows=rows, cols=cols), seed=0).eval()
    convolution: nn.Conv2d = network.network.stack[0][0]  # type: ignore[index,assignment]
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor(kernels).unsqueeze(1))
        convolution.bias.zero_()  # type: ignore[union-attr]
    return network


ONE = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
MINUS = [[0.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 0.0]]
ALL = [[1.0] * 3] * 3
DOT = torch.zeros(1, 1, 6, 8)
DOT[0, 0, 2, 3] = 0.5


def test_the_map_of_a_known_kernel_is_what_it_must_be() -> None:
    (found,) = feature_maps(known([ONE, MINUS, ALL]), DOT)

    box = np.zeros((6, 8), dtype=np.float32)
    box[1:4, 2:5] = 0.5
    np.testing.assert_array_equal(found.maps[0], DOT[0, 0].numpy())
    np.testing.assert_array_equal(found.maps[1], np.zeros((6, 8)))
    np.testing.assert_array_equal(found.maps[2], box)
    assert found.title == "stack.0.0, after ReLU: 3 channels of 6 x 8"


def test_a_layer_that_is_named_is_shown_as_it_is() -> None:
    names = ["stack.0.0", "stack.0.2", "stack.0.1"]

    found = feature_maps(known([MINUS]), DOT, layers=names)

    assert [one.layer for one in found] == names
    assert [one.shown for one in found] == ["after ReLU", "", ""]
    assert found[1].maps.shape == (1, 3, 4)


def test_a_channel_that_says_the_same_everywhere_is_a_number_not_a_blank_tile() -> None:
    (found,) = feature_maps(known([ONE, MINUS]), DOT)

    tiles = tiles_of(found.maps)

    assert [tile.dead for tile in tiles] == ["", "0"]
    assert tiles[1].picture is None


def test_colours_run_to_the_tile_or_to_the_layer() -> None:
    maps = np.zeros((2, 1, 2), dtype=np.float32)
    maps[0, 0, 1], maps[1, 0, 1] = 1.0, 10.0

    of_tile, of_layer = (tiles_of(maps, scale=scale) for scale in ("tile", "layer"))

    assert np.array_equal(of_tile[0].picture, of_tile[1].picture)  # type: ignore[arg-type]
    assert of_layer[0].picture.mean() < 0.5 * of_layer[1].picture.mean()  # type: ignore[union-attr]


def test_zero_is_near_white_where_values_go_below_it() -> None:
    maps = np.array([[[-1.0, 0.0, 1.0]]], dtype=np.float32)

    picture = tiles_of(maps)[0].picture

    assert picture is not None
    assert picture[0, 0].tolist() == [31, 95, 153]
    assert picture[0, 1].tolist() == [247, 247, 245]
    assert picture[0, 2].tolist() == [180, 71, 46]


def test_of_many_channels_the_most_varied_are_shown_in_order() -> None:
    maps = np.zeros((5, 2, 2), dtype=np.float32)
    maps[[1, 4, 3], 0, 0] = 1.0, 3.0, 2.0

    assert [tile.channel for tile in tiles_of(maps, most=2)] == [3, 4]


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (TimmModel(backbone="resnet18"), ["after ReLU"]),
        (LightCnn(channels=(4, 8)), ["after ReLU", "after ReLU", "after normalisation"]),
        (TimmModel(backbone="mobilenetv3_small_050"), ["after Hardswish"]),
    ],
)
def test_normalisation_and_activation_are_taken_along(model: object, shown: list[str]) -> None:
    network = build(Design(model=model, rows=64, cols=64), seed=0)  # type: ignore[arg-type]

    found = feature_maps(network, torch.rand(1, 1, 64, 64), every=True)

    assert [one.shown for one in found][: len(shown)] == shown
    assert all(min(one.maps.shape[1:]) > 1 for one in found)
    assert network.training  # left in the mode it was in


def test_of_a_deep_network_the_first_and_the_last_at_each_size_are_shown() -> None:
    network = build(Design(model=TimmModel(backbone="resnet18"), rows=64, cols=64), seed=0)

    found = feature_maps(network, torch.rand(1, 1, 64, 64))

    assert [one.layer.removeprefix("backbone.") for one in found] == [
        *("conv1", "layer1.1.conv2", "layer2.1.conv2", "layer3.1.conv2", "layer4.1.conv2")
    ]
    assert len(feature_maps(network, torch.rand(1, 1, 64, 64), every=True)) == 20


def test_maps_do_not_change_when_what_follows_writes_into_them() -> None:
    network = build(Design(model=TimmModel(backbone="resnet18"), rows=64, cols=64), seed=0).eval()
    pixels = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))

    (before, after) = feature_maps(network, pixels, layers=["backbone.bn1", "backbone.act1"])

    assert before.maps.min() < 0
    np.testing.assert_allclose(np.maximum(before.maps, 0), after.maps)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("stack.0.9", "no such layer; did you mean 'stack.0"),
        ("stak", "no such layer; did you mean 'stack'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(layer: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        feature_maps(known([ONE]), DOT, layers=[layer])


def test_a_layer_without_rows_and_columns_is_refused() -> None:
    network = build(Design(model=TimmModel(backbone="vit_tiny_patch16_224"), rows=32, cols=32), seed=0)

    with pytest.raises(BundleError, match="gives 3 axes, and a map has 4"):
        feature_maps(network, torch.rand(1, 1, 32, 32), layers=["backbone.blocks.0"])


def test_a_network_without_convolution_says_what_to_do() -> None:
    network = build(Design(model=HistogramModel(), rows=32, cols=32), seed=0)

    for ask in (lambda: feature_maps(network, torch.rand(1, 1, 32, 32)), lambda: first_kernels(network)):
        with pytest.raises(BundleError, match="has no convolution. Use `mammoscope importance`"):
            ask()


def test_first_kernels_of_three_colours_are_summed() -> None:
    network = build(Design(model=TimmModel(backbone="resnet18", channels="rgb"), rows=32, cols=32), seed=0)

    name, kernels = first_kernels(network)

    weight = network.network.backbone.conv1.weight.detach().numpy()  # type: ignore[union-attr,operator]
    assert name == "backbone.conv1"
    np.testing.assert_allclose(kernels, weight[:, 0] + weight[:, 1] + weight[:, 2], rtol=1e-5, atol=1e-6)


def test_a_sheet_has_room_for_every_tile_and_the_input() -> None:
    maps = np.random.default_rng(0).random((10, 6, 4), dtype=np.float32)
    maps[3] = 0

    for beside in (None, np.full((12, 8, 3), 200, dtype=np.uint8)):
        tiles = tiles_of(maps)
        sheet = contact_sheet(
            LayerMaps(layer="conv", shown="", maps=maps), tiles=tiles, beside=beside, name="a.dcm", scale="tile"
        )
        assert sheet.ndim == 3
        assert sheet.std() > 10


def pictures(*places: tuple[int, int, float]) -> torch.Tensor:
    found = torch.zeros(len(places), 1, 6, 8)
    for at, (row, col, value) in enumerate(places):
        found[at, 0, row, col] = value
    return found


def test_the_strongest_pictures_come_first_with_their_places() -> None:
    shown = pictures((1, 1, 0.2), (4, 6, 0.9), (2, 3, 0.5))

    found = strongest_activations(known([ONE, MINUS]), [shown], each=2)

    assert found.picture[0].tolist() == [1, 2]
    assert found.value[0] == pytest.approx([0.9, 0.5])
    assert (found.row[0].tolist(), found.col[0].tolist()) == ([4, 2], [6, 3])
    assert found.mean[0] == pytest.approx((0.2 + 0.9 + 0.5) / 3)
    assert found.sd.tolist() == pytest.approx([np.std([0.2, 0.9, 0.5]), 0.0])
    assert found.most_variable(5) == [0]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_streaming_finds_what_one_batch_finds(size: int) -> None:
    shown = torch.rand(11, 1, 6, 8, generator=torch.Generator().manual_seed(0))
    network = known([ONE, ALL])

    whole = strongest_activations(network, [shown], each=4)
    streamed = strongest_activations(network, [shown[at : at + size] for at in range(0, 11, size)], each=4)

    for name in ("picture", "row", "col"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(streamed, name))
    np.testing.assert_allclose(whole.sd, streamed.sd)
    assert streamed.pictures == 11


def test_a_place_sees_what_its_kernel_covers() -> None:
    network = known([ALL])
    peaks = strongest_activations(network, [DOT])

    field = field_of(network, DOT, watched=peaks.watched, channel=0, row=2, col=3)

    assert field == Field(x0=2, y0=1, x1=5, y1=4, x=3.5, y=2.5)


def test_a_place_that_does_not_fire_sees_itself_alone() -> None:
    network = known([MINUS])
    peaks = strongest_activations(network, [DOT])

    field = field_of(network, DOT, watched=peaks.watched, channel=0, row=2, col=3)

    assert (field.x0, field.y0, field.x1, field.y1) == (3, 2, 4, 3)


def test_what_is_cut_out_stays_inside_the_picture() -> None:
    picture = np.arange(48, dtype=np.float32).reshape(6, 8)

    for field in (Field(x0=0, y0=0, x1=1, y1=1, x=0.5, y=0.5), Field(x0=7, y0=5, x1=8, y1=6, x=7.5, y=5.5)):
        crop, (x0, y0, x1, y1) = cut_out(picture, field, least_px=4)

        np.testing.assert_array_equal(crop, picture[y0:y1, x0:x1])
        assert crop.shape == (4, 4)


def test_channels_that_are_not_there_and_pictures_that_are_not_there_are_refused() -> None:
    peaks = strongest_activations(known([ONE, MINUS]), [DOT])

    with pytest.raises(BundleError, match="channel 2: layer 'stack.0.0' has 2, 0 to 1"):
        chosen_channels(peaks, [2])
    with pytest.raises(BundleError, match="every channel says the same of all 1 pictures"):
        chosen_channels(peaks, None)
    with pytest.raises(SourceError, match="there is no picture"):
        strongest_activations(known([ONE]), [])
