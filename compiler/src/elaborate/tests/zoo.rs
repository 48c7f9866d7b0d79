//! The networks of lang-examples: how many parameters they have, and what these are called.

use super::*;

/// The rows of docs/zoo.md: file, and maybe a setting in backticks; parameters, billions of multiply-adds to three places.
fn zoo() -> Vec<(&'static str, u64, &'static str)> {
    let rows = include_str!("../../../../docs/zoo.md").lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        Some((cells[0], cells[2].replace(',', "").parse().ok()?, cells[3]))
    });
    rows.collect()
}

fn file_and_setting(cell: &str) -> (&str, Option<(&str, &str)>) {
    match cell.split_once(" `") {
        None => (cell, None),
        Some((file, setting)) => (file, setting.trim_end_matches('`').split_once('=')),
    }
}

/// Files of shared blocks, which are networks of their own by their defaults.
const SHARED: &[(&str, &str)] = &[("cifar", "resnet20"), ("imagenet", "resnet18"), ("vgg", "vgg16")];

#[test]
fn examples_have_the_published_parameters_and_multiply_adds() {
    let zoo = zoo();
    assert!(zoo.len() > 35, "only {} rows", zoo.len());
    let shared = SHARED.iter().map(|(file, like)| {
        let row = zoo.iter().find(|(name, ..)| name == like).expect("a network of the zoo");
        (*file, row.1, row.2)
    });
    for (name, wanted, billions) in zoo.iter().copied().chain(shared) {
        let (file, setting) = file_and_setting(name);
        let elaborated = example_set(file, setting.as_slice());
        assert_eq!(parameters(&elaborated), wanted, "{name}");
        let multiply_adds: u64 = elaborated.layers.iter().map(|layer| layer.multiply_adds).sum();
        assert_eq!(format!("{:.3}", multiply_adds as f64 / 1e9), billions, "{name}");
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
    let mut known: Vec<String> = zoo().into_iter().map(|(name, ..)| file_and_setting(name).0.to_string()).collect();
    known.extend(SHARED.iter().map(|(name, _)| name.to_string()));
    // Two models of which neither is meant more than the other; a network of the zoo with fewer classes.
    known.extend(["depth", "hymenoptera"].map(str::to_string));
    files.sort();
    known.sort();
    known.dedup();
    assert_eq!(files, known);
}

#[test]
fn the_network_for_photographs_is_resnet_18_but_for_its_classes() {
    let elaborated = example("hymenoptera");
    assert_eq!(parameters(&elaborated), 11_689_512 - 998 * 513);
    assert!(elaborated.data.is_some() && elaborated.warnings.is_empty(), "{:?}", elaborated.warnings);
}

#[test]
fn both_models_of_the_story_of_depth_compile() {
    for model in ["residual", "plain"] {
        let text = include_str!("../../../../lang-examples/depth.rnet");
        let elaborated = with(text, &Options { model: Some(model.to_string()), ..options() });
        assert!(elaborated.warnings.is_empty(), "{model}: {:?}", elaborated.warnings);
        // The stem, and the stack of which the file speaks.
        assert_eq!(elaborated.layers.iter().filter(|layer| layer.op == "conv2d").count(), 1 + 50, "{model}");
    }
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
