//! The networks of lang-examples: how many parameters they have, and what these are called.

use super::*;

/// Every example: trained parameters, and billions of multiply-adds for one image to three places, as torchvision publishes both for
/// its networks. Those of CIFAR-10 are He et al.'s and Zagoruyko & Komodakis'; a plain network of theirs has those of its twin.
const ZOO: &[(&str, u64, &str)] = &[
    ("alexnet", 61_100_840, "0.714"),
    ("cifar", 269_722, "0.041"),
    ("densenet121", 7_978_856, "2.834"),
    ("digits", 77_754, "0.001"),
    ("googlenet", 5_871_914, "1.447"),
    ("imagenet", 11_689_512, "1.814"),
    ("lenet", 61_706, "0.000"),
    ("mlp", 269_322, "0.000"),
    ("plain110", 1_727_962, "0.253"),
    ("plain18", 11_515_688, "1.795"),
    ("plain20", 269_722, "0.041"),
    ("plain32", 464_154, "0.069"),
    ("plain34", 21_623_848, "3.644"),
    ("plain44", 658_586, "0.097"),
    ("plain56", 853_018, "0.125"),
    ("preact_resnet110", 1_727_962, "0.253"),
    ("resnet101", 44_549_160, "7.801"),
    ("resnet110", 1_727_962, "0.253"),
    ("resnet1202", 19_421_274, "2.829"),
    ("resnet152", 60_192_808, "11.514"),
    ("resnet18", 11_689_512, "1.814"),
    ("resnet20", 269_722, "0.041"),
    ("resnet32", 464_154, "0.069"),
    ("resnet34", 21_797_672, "3.664"),
    ("resnet44", 658_586, "0.097"),
    ("resnet50", 25_557_032, "4.089"),
    ("resnet56", 853_018, "0.125"),
    ("resnext50", 25_028_904, "4.230"),
    ("squeezenet", 1_235_496, "0.349"),
    ("vgg", 138_357_544, "15.470"),
    ("vgg11", 132_863_336, "7.609"),
    ("vgg11_bn", 132_868_840, "7.609"),
    ("vgg13", 133_047_848, "11.308"),
    ("vgg13_bn", 133_053_736, "11.308"),
    ("vgg16", 138_357_544, "15.470"),
    ("vgg16_bn", 138_365_992, "15.470"),
    ("vgg16_cifar", 14_724_042, "0.313"),
    ("vgg19", 143_667_240, "19.632"),
    ("vgg19_bn", 143_678_248, "19.632"),
    ("wide_resnet50_2", 68_883_240, "11.398"),
    ("wrn16_4", 2_748_890, "0.393"),
];

#[test]
fn examples_have_the_published_parameters_and_multiply_adds() {
    for (name, wanted, billions) in ZOO {
        let elaborated = example(name);
        assert_eq!(parameters(&elaborated), *wanted, "{name}");
        let multiply_adds: u64 = elaborated.layers.iter().map(|layer| layer.multiply_adds).sum();
        assert_eq!(format!("{:.3}", multiply_adds as f64 / 1e9), *billions, "{name}");
        verify(&elaborated.graph).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        // torchvision's VGG keeps biases before batch norm; nothing else in the examples is to be warned of.
        let odd = elaborated.warnings.iter().find(|warning| !(name.ends_with("_bn") && warning.code == "W010"));
        assert!(odd.is_none(), "{name}: {odd:?}");
    }
}

#[test]
fn no_example_is_forgotten() {
    let directory = format!("{}/../lang-examples", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .expect("the examples are there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".rnet").map(str::to_string))
        .collect();
    files.sort();
    assert_eq!(files, ZOO.iter().map(|(name, ..)| name.to_string()).collect::<Vec<_>>());
}

#[test]
fn resnet50_is_short() {
    let text = include_str!("../../../../lang-examples/resnet50.rnet");
    assert!(text.lines().count() < 30);
}

/// Name and extents.
type Tensor = (&'static str, &'static [usize]);

/// Tensors by torchvision's names and extents, a few of each network: the first, the last, and those that are easily miscounted.
const TORCHVISION: &[(&str, &[Tensor])] = &[
    (
        "alexnet",
        &[
            ("features.0.weight", &[64, 3, 11, 11]),
            ("features.10.bias", &[256]),
            ("classifier.6.weight", &[1000, 4096]),
        ],
    ),
    (
        "vgg16",
        &[
            ("features.28.weight", &[512, 512, 3, 3]),
            ("classifier.0.weight", &[4096, 25088]),
            ("classifier.6.bias", &[1000]),
        ],
    ),
    (
        "vgg16_bn",
        &[
            ("features.40.weight", &[512, 512, 3, 3]),
            ("features.41.running_var", &[512]),
            ("classifier.3.weight", &[4096, 4096]),
        ],
    ),
    ("vgg19_bn", &[("features.49.weight", &[512, 512, 3, 3]), ("features.50.running_mean", &[512])]),
    (
        "squeezenet",
        &[
            ("features.3.squeeze.weight", &[16, 64, 1, 1]),
            ("features.12.expand3x3.bias", &[256]),
            ("classifier.1.weight", &[1000, 512, 1, 1]),
        ],
    ),
    (
        "densenet121",
        &[
            ("features.conv0.weight", &[64, 3, 7, 7]),
            ("features.denseblock1.denselayer1.norm1.weight", &[64]),
            ("features.transition3.conv.weight", &[512, 1024, 1, 1]),
            ("features.denseblock4.denselayer16.conv2.weight", &[32, 128, 3, 3]),
            ("features.norm5.running_var", &[1024]),
            ("classifier.weight", &[1000, 1024]),
        ],
    ),
    ("resnet18", &[("layer2.0.downsample.1.running_mean", &[128]), ("layer4.1.conv2.weight", &[512, 512, 3, 3])]),
    ("resnext50", &[("layer1.0.conv2.weight", &[128, 4, 3, 3]), ("layer4.2.conv3.weight", &[2048, 1024, 1, 1])]),
    ("wide_resnet50_2", &[("layer1.0.conv2.weight", &[128, 128, 3, 3]), ("layer4.2.bn2.weight", &[1024])]),
];

#[test]
fn tensors_of_the_zoo_are_called_as_in_torchvision() {
    for (name, wanted) in TORCHVISION {
        let found = weights(&example(name).graph);
        for (tensor, dims) in *wanted {
            let there = found.iter().find(|(found, _)| found == tensor);
            assert_eq!(there.map(|(_, dims)| &dims[..]), Some(*dims), "{name}: {tensor}");
        }
    }
}

/// The tensors of torchvision's ResNet with bottlenecks, by its own constructor's order.
fn torchvision_resnet(blocks: [usize; 4]) -> Vec<(String, Vec<usize>)> {
    fn conv(all: &mut Vec<(String, Vec<usize>)>, path: &str, dims: [usize; 4]) {
        all.push((format!("{path}.weight"), dims.to_vec()));
    }
    fn norm(all: &mut Vec<(String, Vec<usize>)>, path: &str, c: usize) {
        for name in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{path}.{name}"), vec![c]));
        }
    }
    let mut all = Vec::new();
    conv(&mut all, "conv1", [64, 3, 7, 7]);
    norm(&mut all, "bn1", 64);
    let mut inputs = 64;
    for (stage, (count, width)) in blocks.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for block in 0..count {
            let path = format!("layer{}.{block}", stage + 1);
            let widths = [[width, inputs, 1, 1], [width, width, 3, 3], [4 * width, width, 1, 1]];
            for (at, dims) in widths.into_iter().enumerate() {
                conv(&mut all, &format!("{path}.conv{}", at + 1), dims);
                norm(&mut all, &format!("{path}.bn{}", at + 1), dims[0]);
            }
            if block == 0 {
                conv(&mut all, &format!("{path}.downsample.0"), [4 * width, inputs, 1, 1]);
                norm(&mut all, &format!("{path}.downsample.1"), 4 * width);
            }
            inputs = 4 * width;
        }
    }
    all.push(("fc.weight".to_string(), vec![1000, inputs]));
    all.push(("fc.bias".to_string(), vec![1000]));
    all
}

#[test]
fn weights_are_called_as_in_torchvision() {
    for (name, blocks) in [("resnet50", [3, 4, 6, 3]), ("resnet152", [3, 8, 36, 3])] {
        let (mut found, mut wanted) = (weights(&example(name).graph), torchvision_resnet(blocks));
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{name}");
    }
}
