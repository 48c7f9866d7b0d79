//! Threads that prepare the next batches while the current one is computed.
//!
//! Which samples a batch holds, and what happens to each, depends on the seed, the epoch and the sample alone: neither the
//! number of threads nor where a run starts changes anything.

use super::{DataError, Dataset, Draws, Pipeline, Samples};
use crate::random::{Stream, permutation};
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Keeps the stream of shuffling apart from those of augmentation.
const SHUFFLE: u64 = 1;

/// Batches that each thread may have ready.
const READY: usize = 2;

/// Which samples, and in which order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The training samples, shuffled anew in each epoch.
    Train {
        /// Determines order and augmentation.
        seed: u64,
    },
    /// The test samples as they are stored.
    Test,
}

/// The samples of one step.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// Transformed images, [N, height, width, channels].
    pub images: Vec<f32>,
    /// Their classes.
    pub labels: Vec<i32>,
    /// Where images are mixed, each one's share of each class, [N, classes].
    pub targets: Option<Vec<f32>>,
}

/// Threads that keep the step fed: one, or where pictures have to be decoded as many as there are cores.
pub fn threads(samples: &Samples) -> usize {
    if samples.are_pictures() { std::thread::available_parallelism().map_or(1, NonZero::get) } else { 1 }
}

/// Delivers batches in order, or the first mistake in the data, after which there is nothing more. Those of all epochs are numbered through, from 0; the last of an epoch holds what is left
/// and may be smaller than the others.
pub struct Loader {
    /// One for each thread; thread t prepares every batch whose number is t modulo the number of threads.
    ready: Vec<Receiver<Result<Batch, DataError>>>,
    threads: Vec<JoinHandle<()>>,
    next: u64,
    end: u64,
}

impl Loader {
    /// Starts to prepare the batches of a range of numbers.
    ///
    /// # Panics
    /// When the batch size or the number of threads is zero, or there are no samples.
    pub fn start(
        dataset: &Arc<Dataset>,
        pipeline: &Pipeline,
        order: Order,
        batch: usize,
        numbers: Range<u64>,
        threads: usize,
    ) -> Loader {
        assert!(batch > 0 && threads > 0, "a loader of {batch} images on {threads} threads");
        assert!(!samples(dataset, order).is_empty(), "a loader without samples");
        let (mut ready, mut handles) = (Vec::new(), Vec::new());
        for thread in 0..threads as u64 {
            let (sender, receiver) = sync_channel(READY);
            let numbers = (numbers.start + thread..numbers.end).step_by(threads);
            let (dataset, pipeline) = (Arc::clone(dataset), pipeline.clone());
            let prepare = move || prepare(&dataset, &pipeline, order, batch, numbers, &sender);
            let handle = std::thread::Builder::new().name(format!("loader-{thread}")).spawn(prepare);
            handles.push(handle.unwrap_or_else(|error| panic!("no thread for loading data: {error}")));
            ready.push(receiver);
        }
        Loader { ready, threads: handles, next: numbers.start, end: numbers.end }
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        // The first receiver belongs to the thread with the next batch.
        match self.ready[0].recv() {
            Ok(batch) => {
                self.next = if batch.is_ok() { self.next + 1 } else { self.end };
                self.ready.rotate_left(1);
                self.threads.rotate_left(1);
                Some(batch)
            }
            Err(_) => {
                let thread = self.threads.swap_remove(0);
                let panic = thread.join().expect_err("a loader thread ends early only by a panic");
                std::panic::resume_unwind(panic)
            }
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Without receivers the threads stop at their next batch.
        self.ready.clear();
        for thread in self.threads.drain(..) {
            // A panic that matters has been passed on by `next`.
            let _ = thread.join();
        }
    }
}

fn samples(dataset: &Dataset, order: Order) -> &Samples {
    match order {
        Order::Train { .. } => &dataset.train,
        Order::Test => &dataset.test,
    }
}

/// Prepares the batches of the given numbers until nobody wants them any more.
fn prepare(
    dataset: &Dataset,
    pipeline: &Pipeline,
    order: Order,
    batch: usize,
    numbers: impl Iterator<Item = u64>,
    sender: &SyncSender<Result<Batch, DataError>>,
) {
    let samples = samples(dataset, order);
    let batches = samples.len().div_ceil(batch) as u64;
    let mut shuffled: Option<(u64, Vec<u32>)> = None;
    for number in numbers {
        let epoch = number / batches;
        let first = (number % batches) as usize * batch;
        let places = first..samples.len().min(first + batch);
        let chosen: Vec<usize> = match order {
            Order::Test => places.collect(),
            Order::Train { seed } => {
                if shuffled.as_ref().is_none_or(|(of, _)| *of != epoch) {
                    shuffled = Some((epoch, permutation(samples.len(), Stream::new(&[seed, SHUFFLE, epoch]))));
                }
                let (_, shuffled) = shuffled.as_ref().expect("shuffled above");
                shuffled[places].iter().map(|&sample| sample as usize).collect()
            }
        };
        let batch = load(samples, pipeline, order, epoch, &chosen);
        if sender.send(batch).is_err() {
            return;
        }
    }
}

/// The batch of the samples `chosen`.
fn load(
    samples: &Samples,
    pipeline: &Pipeline,
    order: Order,
    epoch: u64,
    chosen: &[usize],
) -> Result<Batch, DataError> {
    let image_len: usize = pipeline.dims().iter().product();
    let mut images = vec![0.0; chosen.len() * image_len];
    for (&sample, target) in chosen.iter().zip(images.chunks_exact_mut(image_len)) {
        let draws = match order {
            Order::Train { seed } => Draws::train(seed, epoch, sample),
            Order::Test => Draws::none(),
        };
        pipeline.load(samples, sample, draws, target)?;
    }
    let labels: Vec<i32> = chosen.iter().map(|&sample| samples.label(sample) as i32).collect();
    let targets = match order {
        Order::Train { seed } => pipeline.mix(&mut images, &labels, seed, epoch, chosen),
        Order::Test => None,
    };
    Ok(Batch { images, labels, targets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Holdout, Resize, Source, Transform};
    use crate::data::{Image, encode_png};

    fn digits() -> (Arc<Dataset>, Pipeline) {
        let dataset = Dataset::read(&Source::Digits).unwrap();
        let transforms = [Transform::Pad(1), Transform::RandomCrop(8), Transform::RandomFlip { alternating: true }];
        let pipeline = Pipeline::new(&transforms, &dataset).unwrap();
        (Arc::new(dataset), pipeline)
    }

    #[test]
    fn an_epoch_delivers_every_sample_once() {
        let (dataset, _) = digits();
        let pipeline = Pipeline::new(&[], &dataset).unwrap();
        for epoch in 0..2 {
            let numbers = epoch * 15..(epoch + 1) * 15;
            let batches: Vec<Batch> = Loader::start(&dataset, &pipeline, Order::Train { seed: 3 }, 100, numbers, 2)
                .map(Result::unwrap)
                .collect();
            assert_eq!(batches.iter().map(|batch| batch.labels.len()).collect::<Vec<_>>()[13..], [100, 38]);
            let mut got: Vec<Vec<u8>> = batches
                .iter()
                .flat_map(|batch| batch.images.chunks_exact(64))
                .map(|image| image.iter().map(|value| (value * 16.0) as u8).collect())
                .collect();
            let mut all: Vec<Vec<u8>> =
                (0..1438).map(|index| dataset.train.image(index).unwrap().planes.to_vec()).collect();
            assert_ne!(got, all);
            got.sort_unstable();
            all.sort_unstable();
            assert_eq!(got, all);
        }
    }

    #[test]
    fn neither_threads_nor_the_start_change_anything() {
        let (dataset, pipeline) = digits();
        let load = |numbers, threads| -> Vec<Batch> {
            Loader::start(&dataset, &pipeline, Order::Train { seed: 3 }, 200, numbers, threads)
                .map(Result::unwrap)
                .collect()
        };
        let reference = load(0..20, 1);
        assert_eq!(reference.len(), 20);
        assert_eq!(reference, load(0..20, 3));
        assert_eq!(reference[11..], load(11..20, 2));
        assert_ne!(reference[0], reference[8]);
    }

    #[test]
    fn pictures_come_the_same_from_any_number_of_threads_and_from_memory() {
        let directory = tempfile::tempdir().unwrap();
        for (class, folder) in ["ant", "bee"].into_iter().enumerate() {
            std::fs::create_dir_all(directory.path().join(folder)).unwrap();
            for at in 0..20 {
                let [height, width] = [8 + at % 3, 9 + at % 5];
                let planes = (0..3 * height * width).map(|x| (x * (at + 3) + class * 100) as u8).collect();
                let image = Image { dims: [3, height, width], white: 255, planes };
                std::fs::write(directory.path().join(format!("{folder}/{at}.png")), encode_png(&image).unwrap())
                    .unwrap();
            }
        }
        let source = Source::Folder { path: directory.path().display().to_string(), skip_corrupt: false };
        let dataset = Arc::new(Dataset::open(&source, Some(&Holdout { share: 0.25, seed: 1 })).unwrap());
        assert_eq!((dataset.train.len(), dataset.test.len()), (30, 10));
        let crop = Transform::RandomResizedCrop { side: 6, scale: [0.5, 1.0], ratio: [0.8, 1.25] };
        let chains = [vec![crop.clone()], vec![Transform::Resize(Resize::Shorter(7)), Transform::RandomCrop(6)]];
        for transforms in chains {
            let pipeline = Pipeline::new(&transforms, &dataset).unwrap();
            let load = |pipeline: &Pipeline, threads| -> Vec<Batch> {
                Loader::start(&dataset, pipeline, Order::Train { seed: 3 }, 7, 0..15, threads)
                    .map(Result::unwrap)
                    .collect()
            };
            let reference = load(&pipeline, 1);
            assert_eq!(reference.iter().map(|batch| batch.labels.len()).sum::<usize>(), 90);
            assert_eq!(load(&pipeline, 3), reference);
            // Room for all, for some, for none; and what is there already.
            for bytes in [1 << 20, 3_000, 0] {
                let cached = pipeline.clone().cached(&dataset.train, bytes);
                assert!(load(&cached, 2) == reference && load(&cached, 1) == reference, "{bytes} bytes");
            }
        }
        // Mistakes come in order too.
        let file = dataset.train.file(11).unwrap().to_path_buf();
        std::fs::write(&file, "junk").unwrap();
        let pipeline = Pipeline::new(&[crop], &dataset).unwrap();
        let mut loader = Loader::start(&dataset, &pipeline, Order::Train { seed: 3 }, 1, 0..60, 3);
        let good = loader.by_ref().take_while(Result::is_ok).count();
        assert!(good < 30 && loader.next().is_none());
    }

    #[test]
    fn test_samples_come_in_order() {
        let (dataset, pipeline) = digits();
        let batches: Vec<Batch> =
            Loader::start(&dataset, &pipeline, Order::Test, 300, 0..2, 2).map(Result::unwrap).collect();
        let labels: Vec<i32> = batches.iter().flat_map(|batch| batch.labels.clone()).collect();
        assert_eq!(labels.len(), 359);
        assert!(labels.iter().enumerate().all(|(index, &label)| label == dataset.test.label(index) as i32));
    }

    #[test]
    fn a_loader_that_is_dropped_early_ends_its_threads() {
        let (dataset, pipeline) = digits();
        let mut loader = Loader::start(&dataset, &pipeline, Order::Test, 1, 0..359, 2);
        assert!(loader.next().is_some());
        drop(loader);
        assert_eq!(Arc::strong_count(&dataset), 1);
    }
}
