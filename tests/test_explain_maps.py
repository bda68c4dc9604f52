"""Maps of every method: closed forms, captum on the same network, completeness, batches, and what is refused."""

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, NoiseTunnel, Occlusion, Saliency
from torch import Tensor, nn

from mammoscope.errors import BundleError, RecipeError
from mammoscope.explain import (
    METHODS,
    MapSettings,
    activation_maps,
    attention_rollout,
    explain_inputs,
    integrated_gradients,
    layer_names,
    looked_at,
    occlusion,
    question_of,
    random_masks,
    rise,
    smooth_gradients,
    view_weights,
)
from mammoscope.models import (
    MALIGNANT,
    Classifier,
    Design,
    GlobalLocal,
    Inputs,
    LightCnn,
    SimpleCnn,
    Task,
    TimmModel,
    build,
)
from mammoscope.models.network import empty_inputs

KINDS = Task(name="lesion_kind", classes=("mass", "calcification", "other"), kind="nominal")
STEPS = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
CAMS = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")
QUICK = MapSettings(steps=8, samples=3, masks=40)


def shown(batch: int = 3, rows: int = 32, cols: int = 24) -> Inputs:
    return Inputs(torch.rand(batch, 1, rows, cols, generator=torch.Generator().manual_seed(0)))


def small(*tasks: Task, rows: int = 32, cols: int = 24) -> Classifier:
    """Batch normalisation that does something, and ReLU that writes into its input."""
    model = TimmModel(backbone="test_resnet")
    network = build(Design(model=model, tasks=tasks or (MALIGNANT,), rows=rows, cols=cols), seed=1)
    with torch.no_grad():
        network(torch.rand(8, 1, rows, cols, generator=torch.Generator().manual_seed(2)))
    return network.eval()


def transformer() -> Classifier:
    return build(Design(model=TimmModel(backbone="test_vit"), rows=64, cols=48), seed=0).eval()


class Still(nn.Module):
    """Two channels, the picture and its negative; the mean of each."""

    width = 2

    def forward_features(self, pixels: Tensor) -> Tensor:
        return torch.cat([pixels, -pixels], dim=1)

    def pooled(self, features: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002 - as encoders are asked
        return features.mean(dim=(2, 3))

    def blocks(self) -> list[nn.Module]:
        return []


def known(weight: float = 1.0, other: float = 0.0, *, rows: int = 6, cols: int = 4) -> Classifier:
    """Its logit is `weight` times the mean of the picture less `other` times it."""
    network = Classifier(Still(), design=Design(model=SimpleCnn(mean=0, std=1), rows=rows, cols=cols))
    with torch.no_grad():
        network.head.last[0].weight.copy_(torch.tensor([[weight, other]]))
        network.head.last[0].bias.zero_()
    return network.eval()


@pytest.mark.parametrize("layer", ["backbone.layer1", "backbone.layer2.0", "backbone.bn1", None])
def test_grad_cam_is_captums_at_any_layer(layer: str | None) -> None:
    network, inputs = small(KINDS, rows=96, cols=64), shown(3, 96, 64)
    still = deepcopy(network)  # captum's is of what a later ReLU wrote over the layer's map
    for module in still.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    named = dict(still.network.named_modules())["backbone.layer4" if layer is None else layer]
    cam = LayerGradCam(still, named)
    expected = torch.cat([cam.attribute(inputs.pixels, target=of, relu_attributions=True) for of in range(3)])

    asked = [question_of(network.tasks, of=of) for of in range(3)]
    found = torch.cat([activation_maps(network, inputs, question=one, layer=layer) for one in asked])

    assert float(found.max()) > 0
    torch.testing.assert_close(found, expected.detach()[:, 0], rtol=1e-4, atol=1e-7)


def test_integrated_gradients_are_captums() -> None:
    network, inputs = small(KINDS), shown()
    expected = IntegratedGradients(network).attribute(inputs.pixels, target=1, n_steps=20)

    found, _ = integrated_gradients(network, inputs, question=question_of(network.tasks, of=1), steps=20)

    torch.testing.assert_close(found, expected.float()[:, 0], rtol=1e-3, atol=1e-6)


def test_occlusion_is_captums_with_a_square_that_does_not_fit_evenly() -> None:
    network, inputs = small(KINDS), shown()
    expected = Occlusion(network).attribute(inputs.pixels, target=0, sliding_window_shapes=(1, 7, 7), strides=(1, 5, 5))

    found = occlusion(network, inputs, question=question_of(network.tasks, of=0), window_px=7, stride_px=5)

    torch.testing.assert_close(found, expected[:, 0], rtol=1e-4, atol=1e-5)


def test_without_noise_smooth_gradients_are_captums_saliency() -> None:
    network, inputs = small(KINDS), shown()
    expected = Saliency(network).attribute(inputs.pixels.clone().requires_grad_(), target=0)

    found = smooth_gradients(network, inputs, question=question_of(network.tasks, of=0), samples=2, noise=1e-9)

    torch.testing.assert_close(found, expected[:, 0], rtol=1e-3, atol=1e-6)


def test_with_noise_smooth_gradients_come_near_captums_noise_tunnel() -> None:
    network, inputs = small(KINDS), shown(1)
    torch.manual_seed(0)
    spread = 0.15 * float(inputs.pixels.max() - inputs.pixels.min())
    tunnel = NoiseTunnel(Saliency(network)).attribute(
        inputs.pixels, nt_samples=200, stdevs=spread, target=0, abs=False, nt_type="smoothgrad"
    )

    found = smooth_gradients(network, inputs, question=question_of(network.tasks, of=0), samples=200)

    assert np.corrcoef(found.flatten(), tunnel.abs().flatten())[0, 1] > 0.9


@pytest.mark.parametrize("of", ["A", "C", "D"])
def test_integrated_gradients_add_up_to_what_the_evidence_rose_by(of: str) -> None:
    network, inputs = small(STEPS), shown()
    question = question_of(network.tasks, of=of)
    numbers = question.numbers(network(inputs.pixels))
    risen = question.evidence(network(inputs.pixels), numbers) - question.evidence(
        network(torch.zeros_like(inputs.pixels)), numbers
    )

    found, gap = integrated_gradients(network, inputs, question=question, steps=100)

    torch.testing.assert_close(found.sum(dim=(1, 2)), risen.detach(), rtol=0.03, atol=3e-3)
    torch.testing.assert_close(gap, found.sum(dim=(1, 2)) - risen.detach(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", CAMS)
def test_of_a_network_that_reads_the_mean_every_cam_is_the_picture(method: str) -> None:
    inputs = shown(2, 6, 4)

    maps = explain_inputs(known(), inputs, method=method)

    for at in range(2):
        np.testing.assert_allclose(maps.heat(at), (inputs.pixels[at, 0] / inputs.pixels[at, 0].max()), atol=1e-6)


def test_of_a_linear_network_integrated_gradients_are_the_picture_by_its_weight() -> None:
    inputs = shown(2, 6, 4)

    values, gap = integrated_gradients(known(3.0, 1.0), inputs, question=question_of([MALIGNANT]), steps=1)

    torch.testing.assert_close(values, inputs.pixels[:, 0] * 2 / 24)
    torch.testing.assert_close(gap, torch.zeros(2), atol=1e-6, rtol=0)


def test_of_a_linear_network_occlusion_is_the_sum_under_the_square() -> None:
    inputs = shown(1, 6, 4)

    found = occlusion(known(24.0), inputs, question=question_of([MALIGNANT]), window_px=2, stride_px=2)

    under = inputs.pixels[0, 0].view(3, 2, 2, 2).sum(dim=(1, 3))
    torch.testing.assert_close(found[0], under.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_hires_cam_and_grad_cam_differ_where_the_gradient_differs_by_place() -> None:
    """One channel x, the head reads x in one pixel alone: HiResCAM lights that pixel, Grad-CAM the whole channel."""

    class Corner(Still):
        width = 1

        def forward_features(self, pixels: Tensor) -> Tensor:
            return pixels

        def pooled(self, features: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002 - as encoders are asked
            return features[:, :, 5, 3]

    network = Classifier(Corner(), design=Design(model=SimpleCnn(mean=0, std=1), rows=6, cols=4))
    with torch.no_grad():
        network.head.last[0].weight.fill_(1.0)
    inputs = Inputs(torch.full((1, 1, 6, 4), 0.5))
    one = np.zeros((6, 4))
    one[5, 3] = 1.0

    exact, broad = (explain_inputs(network, inputs, method=method).heat(0) for method in ("hires-cam", "grad-cam"))

    np.testing.assert_array_equal(exact, one)
    np.testing.assert_array_equal(broad, np.ones((6, 4)))


def test_grad_cam_plus_plus_is_its_formula_written_out() -> None:
    features = torch.rand(1, 2, 3, 2, dtype=torch.float64)
    gradient = torch.randn(1, 2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    from mammoscope.explain.cam import _combined

    expected = np.zeros((3, 2))
    for k in range(2):
        weight = 0.0
        for i in range(3):
            for j in range(2):
                g = float(gradient[0, k, i, j])
                weight += g**2 / (2 * g**2 + float(features[0, k].sum()) * g**3) * max(g, 0.0)
        expected += weight * features[0, k].numpy()

    found = _combined(features, gradient, method="grad-cam++")

    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-12)


def test_rise_finds_the_place_that_a_network_reads() -> None:
    pixels = torch.zeros(1, 1, 56, 56)
    pixels[..., 8:16, 40:48] = 1.0

    maps = explain_inputs(
        known(400.0, rows=56, cols=56), Inputs(pixels), method="rise", settings=MapSettings(masks=400)
    )

    heat = maps.heat(0)
    row, col = np.unravel_index(int(heat.argmax()), heat.shape)
    assert 4 <= row < 20
    assert 36 <= col < 52


def test_rise_is_the_papers_sum_less_the_mean_answer() -> None:
    network, inputs = small(KINDS), shown(1)
    masks = random_masks(24, shape=(32, 24), cells=7, keep=0.5, seed=0)
    said = torch.stack([torch.softmax(network(inputs.pixels * one), dim=1)[0, 1] for one in masks]).detach()
    paper = (said.view(-1, 1, 1) * masks).sum(0) / (24 * 0.5)

    found = rise(network, inputs, question=question_of(network.tasks, of=1), masks=24)

    torch.testing.assert_close(found[0], paper - said.mean() * masks.sum(0) / (24 * 0.5), rtol=1e-4, atol=1e-6)


def test_random_masks_show_the_share_that_is_asked_for() -> None:
    masks = random_masks(600, shape=(30, 20), cells=5, keep=0.3, seed=1)

    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1
    assert abs(float(masks.mean()) - 0.3) < 0.02


def test_rollout_is_the_product_of_attentions_taken_with_hooks() -> None:
    network, inputs = transformer(), shown(2, 64, 48)
    attentions = []
    for block in network.network.backbone.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _m, _i, out: attentions.append(out.mean(1)))
    network(inputs.pixels)
    flow = torch.eye(attentions[0].shape[-1]).expand_as(attentions[0])
    for one in attentions:
        flow = (0.5 * one + 0.5 * torch.eye(one.shape[-1])) @ flow

    found = attention_rollout(network, inputs)

    torch.testing.assert_close(found.flatten(1), flow[:, 0, 1:].detach(), rtol=1e-4, atol=1e-7)


def test_rollout_leaves_the_fast_attention_as_it_was() -> None:
    network = transformer()
    before = [block.attn.fused_attn for block in network.network.backbone.blocks]

    attention_rollout(network, shown(1, 64, 48))

    assert [block.attn.fused_attn for block in network.network.backbone.blocks] == before
    assert not any(module._forward_hooks for module in network.modules())


def suited(method: str) -> tuple[Classifier, Inputs]:
    match method:
        case "attention-rollout":
            return transformer(), shown(3, 64, 48)
        case "saliency":
            coarse, fine = LightCnn(channels=(4, 8)), SimpleCnn(channels=(4,))
            model = GlobalLocal(coarse=coarse, fine=fine, factor=2, patches=2, patch_px=16)
            return build(Design(model=model, rows=64, cols=48), seed=0), shown(3, 64, 48)
        case _:
            return small(KINDS), shown(3)


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_the_same_alone_and_in_a_batch(method: str) -> None:
    network, inputs = suited(method)

    together = explain_inputs(network, inputs, method=method, settings=QUICK)
    alone = [explain_inputs(network, Inputs(one[None]), method=method, settings=QUICK) for one in inputs.pixels]

    assert together.values.shape == (3, *inputs.pixels.shape[2:])
    np.testing.assert_allclose(
        together.values, np.concatenate([one.values for one in alone]), rtol=1e-3, atol=1e-5 * together.values.max()
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_network_is_left_as_it_was(method: str) -> None:
    network, inputs = suited(method)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}

    explain_inputs(network, inputs, method=method, settings=QUICK)

    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_each_task_and_class_has_its_own_map() -> None:
    network, inputs = small(KINDS, STEPS), shown(1)

    asked = [("lesion_kind", "mass"), ("lesion_kind", "other"), ("density", "A"), ("density", "D")]
    found = [
        explain_inputs(network, inputs, method="integrated-gradients", task=task, of=of, settings=QUICK).values
        for task, of in asked
    ]

    assert all(np.abs(one - two).max() > 1e-6 for at, one in enumerate(found) for two in found[:at])


def test_of_two_classes_the_negative_one_has_the_opposite_evidence() -> None:
    network, inputs = small(), shown(2)

    yes, no = (
        explain_inputs(network, inputs, method="integrated-gradients", of=name, settings=QUICK)
        for name in ("yes", "no")
    )

    np.testing.assert_allclose(yes.values, -no.values, atol=1e-7)


def test_without_a_class_each_picture_is_asked_about_the_class_it_is_called() -> None:
    network, inputs = small(KINDS), shown(4)
    called = network(inputs.pixels).argmax(dim=1).tolist()

    free = explain_inputs(network, inputs, method="hires-cam")
    for at, of in enumerate(called):
        asked = explain_inputs(network, Inputs(inputs.pixels[at : at + 1]), method="hires-cam", of=of)

        np.testing.assert_allclose(free.values[at], asked.values[0], rtol=1e-3, atol=1e-6)


def test_a_bag_has_a_map_for_every_picture_that_is_there_and_their_weights() -> None:
    network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=24, bags=True), seed=0).eval()
    inputs = empty_inputs(network.design, batch=2)
    inputs = inputs._replace(pixels=torch.rand(2, 2, 1, 32, 24), present=torch.tensor([[True, False], [True, True]]))

    maps = explain_inputs(network, inputs, method="layer-cam")
    weights = view_weights(network, inputs)

    assert maps.values.shape == (3, 32, 24)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert weights[0].tolist() == [1.0, 0.0]


def test_saliency_is_what_the_global_local_network_says_itself() -> None:
    network, inputs = suited("saliency")
    looked = looked_at(network, inputs)
    expected = np.stack([cv2.resize(one.numpy(), (48, 64), interpolation=cv2.INTER_LINEAR) for one in looked.saliency])

    maps = explain_inputs(network, inputs, method="saliency")

    np.testing.assert_allclose(maps.values, expected, atol=1e-5)
    assert maps.grid == tuple(looked.saliency.shape[1:])


@pytest.mark.parametrize(
    ("backbone", "ending"), [("test_convnext", "mlp.fc2"), ("swin_tiny_patch4_window7_224", "layers.1.blocks.0")]
)
def test_channels_that_come_last_are_recognised(backbone: str, ending: str) -> None:
    rows, cols = (64, 32) if backbone.startswith("test") else (224, 224)
    network = build(Design(model=TimmModel(backbone=backbone), rows=rows, cols=cols), seed=0)
    inside = next(name for name in layer_names(network) if name.endswith(ending))

    maps = [explain_inputs(network, shown(1, rows, cols), layer=layer, method="layer-cam") for layer in (None, inside)]

    assert all(one.grid[0] * cols == one.grid[1] * rows for one in maps)


def test_an_all_zero_map_is_not_defined_and_never_a_picture() -> None:
    maps = explain_inputs(known(-1.0), shown(2, 6, 4))

    assert maps.defined.tolist() == [False, False]
    assert maps.heat(0) is None


def test_what_cannot_be_asked_is_refused_with_the_nearest_name() -> None:
    network, inputs = small(KINDS), shown(1)
    simple = build(Design(model=SimpleCnn(channels=(4,), norm="none"), rows=32, cols=24), seed=0)

    with pytest.raises(BundleError, match="layer 'backbone.layer9': the network has no such layer; did you mean"):
        explain_inputs(network, inputs, layer="backbone.layer9")
    with pytest.raises(RecipeError, match="method 'gradcam' is not one of .*did you mean 'grad-cam'"):
        explain_inputs(network, inputs, method="gradcam")
    with pytest.raises(RecipeError, match="layer 'backbone': occlusion has no layer"):
        explain_inputs(network, inputs, method="occlusion", layer="backbone")
    with pytest.raises(BundleError, match="class 'masss': lesion_kind has mass, calcification, other; did you mean"):
        explain_inputs(network, inputs, of="masss")
    with pytest.raises(BundleError, match="class 3: lesion_kind has"):
        explain_inputs(network, inputs, of=3)
    with pytest.raises(BundleError, match="task 'densitie': the model has lesion_kind"):
        explain_inputs(network, inputs, task="densitie")
    with pytest.raises(BundleError, match="attention-rollout is not defined for this network"):
        explain_inputs(network, inputs, method="attention-rollout")
    with pytest.raises(BundleError, match="only one of kind 'global-local' has its own"):
        explain_inputs(simple, inputs, method="saliency")
    with pytest.raises(BundleError, match="view weights are not defined: this network reads one picture"):
        view_weights(simple, inputs)


def test_a_transformer_has_no_class_activation_map_and_the_message_names_what_it_has() -> None:
    with pytest.raises(BundleError, match="HiResCAM is not defined .* 3 axes.*attention-rollout"):
        explain_inputs(transformer(), shown(1, 64, 48), method="hires-cam")


def test_an_estimator_in_place_of_the_last_layer_is_explained_by_its_answers_alone() -> None:
    class Brightness(nn.Module):
        def forward(self, vectors: Tensor) -> Tensor:
            return vectors[:, :1] * 24

    network, inputs = known(-1.0), shown(1, 6, 4)
    network.estimator = Brightness()

    found = occlusion(network, inputs, question=question_of(network.tasks), window_px=1, stride_px=1)

    torch.testing.assert_close(found[0], inputs.pixels[0, 0], rtol=1e-4, atol=1e-5)
    with pytest.raises(BundleError, match="an estimator answers in its place. Use occlusion or rise"):
        explain_inputs(network, inputs)
