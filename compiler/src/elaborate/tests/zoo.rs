//! The networks of lang-examples: how many parameters they have, and what these are called.

use super::*;

/// torchvision's trained parameters, and He et al.'s for CIFAR-10.
const COUNTS: &[(&str, u64)] = &[
    ("resnet20", 269_722),
    ("resnet56", 853_018),
    ("resnet110", 1_727_962),
    ("plain20", 269_722),
    ("plain56", 853_018),
    ("resnet18", 11_689_512),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
    ("resnet101", 44_549_160),
    ("resnet152", 60_192_808),
    ("lenet", 61_706),
];

#[test]
fn examples_have_the_published_number_of_parameters() {
    for (name, wanted) in COUNTS {
        assert_eq!(parameters(&example(name)), *wanted, "{name}");
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
