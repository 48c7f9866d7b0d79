//! The data section: transforms with their arguments, and what is wrong with them.

use super::*;
use rnet_runtime::config::{Resize, Views};

/// The forward pass: only training mixes images.
fn forward() -> Options {
    Options { mode: Mode::Eval, ..options() }
}

fn file(train: &str, rest: &str) -> String {
    trained(&format!("data d {{ source = digits train = {train} {rest} }} train {{ data = d }}"))
}

#[test]
fn transforms_take_their_arguments() {
    let table = [
        ("random_flip(alternating = true)", Transform::RandomFlip { alternating: true }),
        ("translate(2)", Transform::Translate(2)),
        ("resize(256)", Transform::Resize(Resize::Shorter(256))),
        ("resize([224, 112 + 1])", Transform::Resize(Resize::To([224, 113]))),
        (
            "random_resized_crop(224)",
            Transform::RandomResizedCrop { side: 224, scale: [0.08, 1.0], ratio: [0.75, 4.0 / 3.0] },
        ),
        (
            "random_resized_crop(8, ratio = [1, 1], scale = [0.5, 1])",
            Transform::RandomResizedCrop { side: 8, scale: [0.5, 1.0], ratio: [1.0, 1.0] },
        ),
        (
            "color_jitter(0.4, hue = 0.1)",
            Transform::ColorJitter { brightness: 0.4, contrast: 0.0, saturation: 0.0, hue: 0.1 },
        ),
        ("rand_augment", Transform::RandAugment { operations: 2, magnitude: 9 }),
        ("rand_augment(n = 3, m = 30)", Transform::RandAugment { operations: 3, magnitude: 30 }),
        ("cutout(12)", Transform::Cutout(12)),
        ("mixup", Transform::Mixup(0.2)),
        ("cutmix(alpha = 0.5)", Transform::Cutmix(0.5)),
    ];
    for (text, expected) in table {
        let config = with(&file(text, ""), &forward()).data.expect("a data section");
        assert_eq!(config.train[..], *std::slice::from_ref(&expected), "{text}");
        assert_eq!(config.has_soft_labels(), matches!(expected, Transform::Mixup(_) | Transform::Cutmix(_)), "{text}");
        assert_eq!(config.views, Views::default());
    }
    let chain = "translate(2) -> random_flip -> cutout(2) -> normalize -> mixup -> cutmix";
    let averaged =
        with(&file(chain, "average_flips = true average_shift = 1"), &forward()).data.expect("a data section");
    assert_eq!(averaged.train.len(), 6);
    assert_eq!(averaged.views, Views { flips: true, shift: 1 });
}

#[test]
fn what_is_wrong_with_a_transform_is_said() {
    for (text, expected) in [
        ("translate(0)", "`by` lies between 1 and 65536, this is 0"),
        ("resize(0)", "`side` of `resize` is the shorter side, or a list of height and width"),
        ("resize([1, 2, 3])", "this is [1, 2, 3]"),
        ("random_resized_crop(8, scale = [0.5, 1.5])", "greater than 0 and at most 1; this is [0.5, 1.5]"),
        ("random_resized_crop(8, ratio = [2, 1])", "`ratio` is a list of the least and the greatest"),
        ("color_jitter", "changes nothing"),
        ("color_jitter(hue = 0.6)", "`hue` is between 0 and 0.5, this is 0.6"),
        ("rand_augment(m = 31)", "`m` lies between 0 and 30, this is 31"),
        ("cutout(0)", "`side` lies between 1 and 65536"),
        ("mixup(0)", "`alpha` is greater than 0"),
        ("normalize -> pad(1)", "`pad` comes after `normalize`"),
        ("mixup -> mixup", "`mixup` is there twice"),
    ] {
        let shown = refused(&file(text, ""));
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
    for random in ["random_crop(2)", "translate(1)", "cutout(1)", "rand_augment", "mixup"] {
        let shown = refused(&file("id", &format!("test = {random}")));
        assert!(shown.contains("test images are not changed at random"), "{random}\n{shown}");
    }
    let shown = refused(&file("id", "average_flips = 1"));
    assert!(shown.contains("`average_flips` is `true` or `false`"), "{shown}");
}
