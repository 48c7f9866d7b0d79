"""Runs exported networks in ONNX Runtime, holds its logits against rnet's, and prints the table of docs/export.md.

    python tests/against_onnxruntime.py target/release/rnet [NAME ..]      (needs onnx, onnxruntime, numpy and safetensors)

Each network starts as `rnet init` makes it, then its running statistics and the scales and biases of its batch norms are drawn at random,
as training would move them; otherwise folding would have nothing to do. It is exported folded and unfolded, for any number of images
and for a fixed one; onnx.checker looks at each file, shapes are inferred strictly, and ONNX Runtime runs it on images of noise. The
numbers are norms of differences over norms of rnet's answer; one of 1e-4 or more is a failure.
"""
import pathlib
import subprocess
import sys
import tempfile

EXAMPLES = pathlib.Path(__file__).parent.parent / "lang-examples"
TOLERANCE = 1e-4
IMAGES = 3

# All but resnet1202, through whose 600 blocks such statistics drive activations beyond single precision, and airbench94, whose first filters are
# made of training images.
NETWORKS = [
    "mlp", "lenet", "digits",
    "resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "plain20", "plain32", "plain44", "plain56", "plain110",
    "preact_resnet110", "wrn16_4", "googlenet_cifar", "vgg16_cifar",
    "alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "plain18", "plain34", "resnext50", "wide_resnet50_2", "se_resnet50",
    "densenet121", "squeezenet", "googlenet", "mobilenet_v2",
]

# Ops and uses of them that the networks leave out.
CONSTRUCTS = {
    "windows that are no squares": "conv2d(4, kernel = [1, 5], stride = [1, 2], pad = [0, 2], dilation = 1) -> max_pool([2, 3], stride = [2, 1]) -> flatten",
    "groups, dilation, channels": "conv(6, dilation = 2, groups = 3) -> bn -> depthwise(6, stride = 2) -> bn -> subsample(2) -> pad_channels(9) -> flatten",
    "branches": "concat(id, conv1x1(4) -> relu, avg_pool(3, stride = 1, pad = 1)) -> mul(id, conv3x3 -> bn) -> add(id, relu, conv5x5) -> global_avg_pool",
    "pools that stand out": "max_pool(2, stride = 2, ceil = true) -> avg_pool(2, stride = 2, ceil = true) -> flatten",
    "dilated pools": "max_pool(3, dilation = 2, stride = 1, pad = 2) -> avg_pool([3, 2], dilation = [2, 3], stride = 1, pad = [1, 1]) -> flatten",
    "resampling": "upsample(2) -> upsample([2, 1], mode = \"bilinear\") -> adaptive_avg_pool([5, 7]) -> conv3x3(4) -> adaptive_avg_pool(1) -> flatten",
    "adaptive pools": "concat(adaptive_max_pool([2, 5]), adaptive_avg_pool([2, 5])) -> conv3x3(4) -> adaptive_max_pool(1) -> flatten",
    "squeeze and excite": "conv3x3(8) -> bn -> silu -> scale_channels(global_avg_pool -> dense(2) -> relu -> dense(8) -> sigmoid) -> flatten",
    "activations": "concat(relu6, leaky_relu(0.2), sigmoid, tanh, gelu, gelu(approximate = \"tanh\"), silu, hardsigmoid, hardswish) -> flatten",
    "other norms": "conv3x3(6) -> group_norm(3) -> layer_norm -> local_response_norm(5) -> flatten -> dense(8) -> layer_norm -> softmax",
    "shared weights": "(x => { let t = shared(conv3x3 -> bn -> relu)\n x -> t -> t -> t }) -> flatten",
    "batch norm alone, biases": "bn -> conv(8, kernel = 3, bias = true) -> bn -> relu -> flatten -> dense(8) -> bn -> relu",
}


def constructs(directory):
    for number, (name, body) in enumerate(CONSTRUCTS.items()):
        file = directory / f"construct{number}.rnet"
        file.write_text(f"model m {{ input image: f32[N, 3, 9, 9]\n image -> {body} -> dense(5) }}\n")
        yield name, file


def hold(rnet, file, directory):
    """The differences folded and unfolded, and the operators of the folded file."""
    import numpy
    import onnx
    import onnxruntime
    from safetensors.numpy import load_file, save_file

    paths = {part: str(directory / part) for part in ("weights.safetensors", "batch.safetensors", "logits.safetensors")}
    weights, batch, logits = paths.values()
    run(rnet, "init", file, "--seed", "3", "--out", weights)
    random = numpy.random.default_rng(5)
    tensors = load_file(weights)
    statistics = [name[: -len("running_mean")] for name in tensors if name.endswith("running_mean")]
    for layer in statistics:
        for name, low, high in (("weight", 0.5, 1.5), ("bias", -0.2, 0.2), ("running_mean", -0.2, 0.2), ("running_var", 0.5, 1.5)):
            tensors[layer + name] = random.uniform(low, high, tensors[layer + name].shape).astype("f4")
    save_file(tensors, weights)

    differences, operators, image = [], 0, None
    for folding in ([], ["--no-fold"]):
        worst = 0.0
        for images in ("dynamic", IMAGES):
            written = directory / "net.onnx"
            run(rnet, "export", file, "--weights", weights, "--onnx", written, "--batch", images, *folding)
            model = onnx.load(str(written))
            onnx.checker.check_model(model, full_check=True)
            onnx.shape_inference.infer_shapes(model, strict_mode=True)
            if not folding:
                operators = len(model.graph.node)
            session = onnxruntime.InferenceSession(str(written), providers=["CPUExecutionProvider"])
            if image is None:
                extents = [extent.dim_value for extent in model.graph.input[0].type.tensor_type.shape.dim[1:]]
                image = random.standard_normal([IMAGES, *extents]).astype("f4")
                save_file({"image": image}, batch)
                run(rnet, "predict", file, "--weights", weights, "--logits", logits, batch)
                wanted = load_file(logits)["logits"].astype("f8")
            found = session.run(["logits"], {"image": image})[0]
            worst = max(worst, float(numpy.linalg.norm(found - wanted) / numpy.linalg.norm(wanted)))
        differences.append(worst)
    return differences, operators


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")


def main():
    try:
        import onnx
        import onnxruntime
        import safetensors.numpy
    except ImportError as missing:
        print(f"SKIPPED, nothing was compared: {missing}; pip install onnx onnxruntime safetensors", file=sys.stderr)
        return
    rnet, names = sys.argv[1], sys.argv[2:] or NETWORKS
    wrong = []
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}\n")
    print("| network | operators | folded | not folded |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        cases = [(name, EXAMPLES / f"{name}.rnet") for name in names]
        for name, file in cases + ([] if sys.argv[2:] else list(constructs(directory))):
            differences, operators = hold(rnet, file, directory)
            print(f"| {name} | {operators} |" + "".join(f" {number:.1e} |" for number in differences), flush=True)
            if not all(difference < TOLERANCE for difference in differences):
                wrong.append(name)
    if wrong:
        sys.exit(f"the logits of {', '.join(wrong)} differ by {TOLERANCE} or more")


if __name__ == "__main__":
    main()
