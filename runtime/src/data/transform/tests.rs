use super::*;
use crate::config::Resize;
use crate::data::{Bytes, Part, Samples};
use std::borrow::Cow;

/// One image of 2 channels, 3 rows and 4 columns, with values 1 to 24, both for training and for testing.
fn dataset() -> Dataset {
    dataset_of(1)
}

fn dataset_of(white: u8) -> Dataset {
    let samples = || {
        let part = Part { bytes: Bytes::Owned((1..=24).collect()), offset: 0, stride: 24, count: 1 };
        Samples::of_parts(vec![part], vec![0], [2, 3, 4], white)
    };
    let classes = vec!["one".to_string(), "other".to_string()];
    Dataset {
        name: "tiny".to_string(),
        channels: 2,
        white,
        classes,
        train: samples(),
        test: samples(),
        skipped: vec![],
    }
}

const FLIP: Transform = Transform::RandomFlip { alternating: false };

/// The one image after the transforms, in an epoch.
fn run_in(transforms: &[Transform], epoch: u64, seed: u64) -> ([usize; 3], Vec<f32>) {
    let dataset = dataset();
    let pipeline = Pipeline::new(transforms, &dataset).unwrap();
    let mut target = vec![f32::NAN; pipeline.dims().iter().product()];
    pipeline.apply(&dataset.train.image(0).unwrap(), Draws::train(seed, epoch, 0), &mut target);
    (pipeline.dims(), target)
}

fn run(transforms: &[Transform], seed: u64) -> ([usize; 3], Vec<f32>) {
    run_in(transforms, 0, seed)
}

/// What `apply` should do, one transform after the other on planar images.
fn naive(transforms: &[Transform], seed: u64) -> Vec<f32> {
    let mut random = Draws::train(seed, 0, 0).stream;
    let (mut height, mut width) = (3usize, 4usize);
    let mut planes: Vec<Vec<f32>> = vec![(1..=12).map(|x| x as f32).collect(), (13..=24).map(|x| x as f32).collect()];
    let mut window = |planes: &mut Vec<Vec<f32>>, top: isize, left: isize, h: usize, w: usize| {
        for plane in planes {
            let at = |y: isize, x: isize| {
                let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                if inside { plane[y as usize * width + x as usize] } else { 0.0 }
            };
            *plane = (0..h * w).map(|i| at((i / w) as isize + top, (i % w) as isize + left)).collect();
        }
        (height, width) = (h, w);
        (height, width)
    };
    let (mut h, mut w) = (3usize, 4usize);
    for transform in transforms {
        (h, w) = match *transform {
            Transform::Pad(by) => window(&mut planes, -(by as isize), -(by as isize), h + 2 * by, w + 2 * by),
            Transform::RandomCrop(side) => {
                let top = random.below(h - side + 1) as isize;
                let left = random.below(w - side + 1) as isize;
                window(&mut planes, top, left, side, side)
            }
            Transform::CenterCrop(side) => {
                window(&mut planes, ((h - side) / 2) as isize, ((w - side) / 2) as isize, side, side)
            }
            Transform::RandomFlip { .. } => {
                if random.coin() {
                    planes.iter_mut().for_each(|plane| plane.chunks_mut(w).for_each(|row| row.reverse()));
                }
                (h, w)
            }
            ref other => unreachable!("{other:?}"),
        };
    }
    (0..h * w).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect()
}

#[test]
fn nothing_to_do_is_a_transposition() {
    let (dims, target) = run(&[], 0);
    assert_eq!(dims, [2, 3, 4]);
    assert_eq!(target[..6], [1.0, 13.0, 2.0, 14.0, 3.0, 15.0]);
}

#[test]
fn composed_transforms_agree_with_one_after_the_other() {
    use Transform::{CenterCrop, Pad, RandomCrop};
    let chains: [&[Transform]; 7] = [
        &[Pad(2), RandomCrop(3), FLIP],
        &[FLIP, Pad(1), RandomCrop(4)],
        &[CenterCrop(2), Pad(2)],
        &[FLIP, CenterCrop(3), FLIP, Pad(1), RandomCrop(2)],
        &[RandomCrop(2), Pad(3), FLIP, RandomCrop(5), Pad(1)],
        &[Pad(5), RandomCrop(2), FLIP, Pad(1)],
        &[RandomCrop(1), FLIP, Pad(1)],
    ];
    for chain in chains {
        for seed in 0..200 {
            assert_eq!(run(chain, seed).1, naive(chain, seed), "{chain:?} with seed {seed}");
        }
    }
}

#[test]
fn padding_is_zero_before_normalisation() {
    let normalize = Transform::Normalize { mean: vec![1.0, 2.0], std: vec![2.0, 4.0] };
    let (dims, target) = run(&[Transform::Pad(1), normalize], 0);
    assert_eq!(dims, [2, 5, 6]);
    assert_eq!(target[..2], [-0.5, -0.5]);
    assert_eq!(target[14..18], [0.0, 2.75, 0.5, 3.0]);
}

#[test]
fn the_data_sets_own_statistics_normalise_to_mean_zero_and_deviation_one() {
    let (_, target) = run(&[Transform::Normalize { mean: vec![], std: vec![] }], 0);
    for channel in 0..2 {
        let values = || target[channel..].iter().step_by(2).map(|&x| f64::from(x));
        assert!(values().sum::<f64>().abs() < 1e-5);
        assert!((values().map(|x| x * x).sum::<f64>() / 12.0 - 1.0).abs() < 1e-5);
    }
}

#[test]
fn an_alternating_flip_shows_the_other_side_in_each_epoch() {
    let alternating = [Transform::RandomFlip { alternating: true }];
    let plain = run(&[], 0).1;
    let mut first_sides = [0, 0];
    for seed in 0..100 {
        let sides: Vec<bool> = (0..4).map(|epoch| run_in(&alternating, epoch, seed).1 == plain).collect();
        assert_eq!(sides, [sides[0], !sides[0], sides[0], !sides[0]], "seed {seed}");
        first_sides[usize::from(sides[0])] += 1;
    }
    assert!(first_sides.iter().all(|&count| count > 30), "{first_sides:?}");
    // A flip by chance shows one side twice in a row at times.
    let repeats = (0..100).filter(|&seed| run_in(&[FLIP], 0, seed) == run_in(&[FLIP], 1, seed)).count();
    assert!((30..70).contains(&repeats), "{repeats}");
}

#[test]
fn a_translated_image_is_reflected_at_its_edge() {
    // The first channel's middle row is 5 6 7 8; every shift of up to two to either side occurs.
    let rows: [[f32; 4]; 5] =
        [[7.0, 8.0, 7.0, 6.0], [6.0, 7.0, 8.0, 7.0], [5.0, 6.0, 7.0, 8.0], [6.0, 5.0, 6.0, 7.0], [7.0, 6.0, 5.0, 6.0]];
    let mut seen = [0; 5];
    for seed in 0..300 {
        let (dims, image) = run(&[Transform::Translate(2)], seed);
        assert_eq!(dims, [2, 3, 4]);
        let row: Vec<f32> = (0..4).map(|x| image[(4 + x) * 2]).collect();
        // Rows move as well: by how much tells the first column modulo 4.
        let down = ((row.iter().sum::<f32>() / 4.0 - 1.0) / 4.0) as usize as f32 * 4.0 - 4.0;
        let expected = rows.iter().position(|expected| expected.iter().zip(&row).all(|(x, y)| x + down == *y));
        seen[expected.unwrap_or_else(|| panic!("{row:?}"))] += 1;
    }
    assert!(seen.iter().all(|&count| count > 30), "{seen:?}");
}

#[test]
fn cutout_blots_out_a_square_after_normalisation() {
    let normalize = Transform::Normalize { mean: vec![-1.0, -1.0], std: vec![1.0, 1.0] };
    let mut sizes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (_, image) = run(&[Transform::Cutout(2), normalize.clone()], seed);
        let blank: Vec<usize> = (0..12).filter(|&pixel| image[2 * pixel] == 0.0).collect();
        assert!(blank.iter().all(|&pixel| image[2 * pixel + 1] == 0.0));
        let rows: std::collections::BTreeSet<usize> = blank.iter().map(|pixel| pixel / 4).collect();
        let columns: std::collections::BTreeSet<usize> = blank.iter().map(|pixel| pixel % 4).collect();
        assert_eq!(rows.len() * columns.len(), blank.len(), "{blank:?} is no rectangle");
        sizes.insert(blank.len());
    }
    // At an edge a half of it lies outside, in a corner three quarters.
    assert!(sizes.into_iter().eq([1, 2, 4]));
}

#[test]
fn resizing_keeps_the_proportion_or_takes_both_extents() {
    for (resize, expected) in [
        (Resize::Shorter(6), [2, 6, 8]),
        (Resize::Shorter(3), [2, 3, 4]),
        (Resize::Shorter(1), [2, 1, 1]),
        (Resize::To([5, 2]), [2, 5, 2]),
    ] {
        let (dims, image) = run(&[Transform::Resize(resize)], 0);
        assert_eq!(dims, expected);
        // Interpolation stays within the range of the values, and keeps their mean up to rounding.
        let channel: Vec<f32> = image.iter().step_by(2).copied().collect();
        assert!(channel.iter().all(|x| (1.0..=12.0).contains(x)), "{channel:?}");
        let mean = channel.iter().sum::<f32>() / channel.len() as f32;
        assert!((mean - 6.5).abs() <= 0.5, "{mean}");
    }
    // Twice as large: the values that lie between, a quarter and three quarters of the way.
    let (_, image) = run(&[Transform::Resize(Resize::To([3, 8]))], 0);
    let row: Vec<f32> = image[..16].iter().step_by(2).copied().collect();
    assert!(
        row.iter().zip([1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]).all(|(x, y)| (x - y).abs() <= 0.5),
        "{row:?}"
    );
}

#[test]
fn random_steps_depend_on_seed_epoch_and_sample_alone() {
    let chain = [
        Transform::RandomResizedCrop { side: 4, scale: [0.3, 1.0], ratio: [0.75, 1.3] },
        Transform::ColorJitter { brightness: 0.5, contrast: 0.5, saturation: 0.0, hue: 0.0 },
        Transform::RandAugment { operations: 2, magnitude: 15 },
    ];
    let dataset = dataset_of(24);
    let image = dataset.train.image(0).unwrap();
    for transform in &chain {
        let pipeline = Pipeline::new(std::slice::from_ref(transform), &dataset).unwrap();
        let run = |seed, epoch, sample| pipeline.picture(&image, Draws::train(seed, epoch, sample));
        assert_eq!(run(7, 3, 1), run(7, 3, 1));
        let differ = |other: &dyn Fn(u64) -> Image<'static>| (0..20).filter(|&at| run(7, at, 0) != other(at)).count();
        let different = [differ(&|at| run(8, at, 0)), differ(&|at| run(7, at + 1, 0)), differ(&|at| run(7, at, 1))];
        assert!(different.iter().all(|&count| count > 10), "{transform:?}: {different:?}");
    }
}

#[test]
fn mixed_batches_have_soft_labels() {
    let dataset = dataset();
    let pipeline = Pipeline::new(&[Transform::Mixup(0.5)], &dataset).unwrap();
    let mut images = vec![0.0; 48];
    images[24..].fill(1.0);
    let targets = pipeline.mix(&mut images, &[0, 1], 1, 2, &[5, 6]).unwrap();
    // The first image is black, the second white: an image's value is the share of the second class.
    for (image, target) in images.chunks_exact(24).zip(targets.chunks_exact(2)) {
        assert!((target[0] + target[1] - 1.0).abs() < 1e-6 && (image[0] - target[1]).abs() < 1e-6, "{target:?}");
    }
    assert!(Pipeline::new(&[FLIP], &dataset).unwrap().mix(&mut images, &[0, 1], 1, 2, &[5, 6]).is_none());
}

#[test]
fn a_picture_shows_what_happened_to_an_image() {
    let dataset = dataset();
    let normalize = Transform::Normalize { mean: vec![], std: vec![] };
    let pipeline = Pipeline::new(&[Transform::Pad(1), Transform::Cutout(3), normalize], &dataset).unwrap();
    let image = pipeline.picture(&dataset.train.image(0).unwrap(), Draws::train(0, 0, 0));
    assert_eq!((image.dims, image.white), ([2, 5, 6], 1));
    assert!(image.planes.iter().filter(|&&x| x == 0).count() > 36);
    assert!(matches!(image.planes, Cow::Owned(_)));
}

#[test]
fn what_is_wrong_is_said() {
    let check = |transforms: &[Transform], expected: &str| {
        let text = Pipeline::new(transforms, &dataset()).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    };
    let normalize = |mean: &[f64], std: &[f64]| Transform::Normalize { mean: mean.to_vec(), std: std.to_vec() };
    check(&[Transform::RandomCrop(4)], "`random_crop(4)`: the images of tiny are 3x4 at this point");
    check(&[Transform::Pad(1), Transform::CenterCrop(6)], "are 5x6 at this point");
    check(&[Transform::CenterCrop(0)], "`center_crop(0)`");
    check(&[Transform::Translate(3)], "`translate(3)`: the images of tiny are 3x4");
    let jitter = Transform::ColorJitter { brightness: 0.0, contrast: 0.0, saturation: 0.1, hue: 0.0 };
    check(&[jitter], "the images of tiny have 2 channels");
    check(&[normalize(&[1.0], &[1.0, 1.0])], "`mean` has 1 values, but the images of tiny have 2 channels");
    check(&[normalize(&[1.0, 1.0], &[1.0, 0.0])], "the deviation of channel 1 of tiny is 0");
    // The order is the compiler's to check, in the same words.
    let misplaced = |transform: &Transform, before: &[Transform]| transform.misplaced(before).unwrap_or_default();
    let normalize = normalize(&[], &[]);
    assert!(misplaced(&FLIP, std::slice::from_ref(&normalize)).contains("`random_flip` comes after `normalize`"));
    assert!(misplaced(&normalize, std::slice::from_ref(&normalize)).contains("twice"));
    assert!(misplaced(&Transform::Pad(1), &[Transform::Cutout(1)]).contains("after `cutout`"));
    assert!(misplaced(&normalize, &[Transform::Mixup(1.0)]).contains("after `mixup`"));
    assert_eq!(misplaced(&Transform::Cutmix(1.0), &[normalize, Transform::Mixup(1.0)]), "");
    assert_eq!(misplaced(&Transform::Cutout(1), &[FLIP, Transform::Cutout(2)]), "");
}
