//! What happens to an image: from bytes, planar, straight into the f32 of a batch, channels last.
//!
//! One file a transform. Those that move pixels only change which pixel comes from where, those that change them work on bytes,
//! and normalising is a table from byte to f32 for each channel, so it costs nothing.

mod adjust;
mod canvas;
mod color_jitter;
mod crop;
mod cutout;
mod mix;
mod normalize;
mod pad;
mod rand_augment;
mod random_flip;
mod random_resized_crop;
mod resize;
mod translate;

use super::cache::Cache;
use super::{DataError, Dataset, Image, Samples, View};
use crate::config::{Transform, Views};
use crate::random::Stream;
use canvas::Canvas;
use std::borrow::Cow;
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

/// Keep the streams of augmentation, of choices that hold for all epochs, and of mixing apart from those of the loader.
const AUGMENT: u64 = 2;
const SAMPLE: u64 = 4;
const MIX: u64 = 5;

/// Height and width of images, as far as they are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// The least height.
    pub height: usize,
    /// The least width.
    pub width: usize,
    /// Whether every image has just these.
    pub is_exact: bool,
}

impl Display for Extents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Extents { height, width, is_exact } = *self;
        match (is_exact, height.max(width)) {
            (true, _) => write!(f, "{height}x{width}"),
            (false, 1) => write!(f, "of any size"),
            (false, _) => write!(f, "at least {height}x{width}"),
        }
    }
}

/// The random numbers of one sample.
#[derive(Clone, Debug)]
pub struct Draws {
    stream: Stream,
    /// Those that are the same in each epoch.
    of_sample: Stream,
    epoch: u64,
}

impl Draws {
    /// Those of a training sample in an epoch.
    pub fn train(seed: u64, epoch: u64, sample: usize) -> Draws {
        let sample = sample as u64;
        let stream = Stream::new(&[seed, AUGMENT, epoch, sample]);
        Draws { stream, of_sample: Stream::new(&[seed, SAMPLE, sample]), epoch }
    }

    /// Those of an image that nothing random happens to.
    pub fn none() -> Draws {
        Draws { stream: Stream::new(&[AUGMENT]), of_sample: Stream::new(&[SAMPLE]), epoch: 0 }
    }
}

/// A transform that is ready to run.
trait Step: Debug + Send + Sync {
    /// Extents of the result for images of given ones; `name` is the data set's.
    fn extents(&self, given: &Extents, name: &str) -> Result<Extents, DataError>;

    /// Transforms an image.
    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws);
}

/// The transforms of a training or test image, ready to run.
#[derive(Clone, Debug)]
pub struct Pipeline {
    steps: Vec<Arc<dyn Step>>,
    /// How many of them, from the first on, do the same to an image each time.
    fixed: usize,
    /// Pictures that have gone through those.
    cache: Option<Arc<Cache>>,
    /// Extents of the result: channels, height, width.
    dims: [usize; 3],
    /// The value of each byte, for each channel.
    values: Vec<[f32; 256]>,
    mix: mix::Mix,
    classes: usize,
    views: Vec<View>,
}

impl Pipeline {
    /// Checks the transforms against the images of a data set, of which `normalize` uses mean and deviation where it has none of
    /// its own.
    ///
    /// # Errors
    /// When a transform does not fit its images, or they are not of one size in the end.
    ///
    /// # Panics
    /// When the transforms are not in order: see [`Transform::misplaced`].
    pub fn new(transforms: &[Transform], dataset: &Dataset) -> Result<Pipeline, DataError> {
        let (name, channels) = (&dataset.name, dataset.channels);
        let mut extents = dataset.train.extents();
        let (mut steps, mut mix) = (Vec::new(), mix::Mix::default());
        let mut values = vec![normalize::raw(dataset.white, 0.0, 1.0); channels];
        for (at, transform) in transforms.iter().enumerate() {
            assert_eq!(transform.misplaced(&transforms[..at]), None, "the transforms are not in order");
            match transform {
                Transform::Normalize { mean, std } => values = normalize::table(dataset, mean, std)?,
                Transform::Mixup(alpha) => mix.mixup = Some(*alpha),
                Transform::Cutmix(alpha) => mix.cutmix = Some(*alpha),
                other => {
                    let step = step(other, channels);
                    extents = step.extents(&extents, name)?;
                    steps.push(step);
                }
            }
        }
        if !extents.is_exact {
            return Err(DataError::Sizes { name: name.clone(), images: extents.to_string() });
        }
        let dims = [channels, extents.height, extents.width];
        let (classes, views) = (dataset.classes.len(), Views::default().all());
        let fixed = transforms[..steps.len()].iter().take_while(|transform| transform.is_fixed()).count();
        Ok(Pipeline { steps, fixed, cache: None, dims, values, mix, classes, views })
    }

    /// The same, which keeps up to so many bytes of decoded pictures, if those samples are pictures. It serves no others after that.
    pub fn cached(self, samples: &Samples, bytes: u64) -> Pipeline {
        let cache = samples.are_pictures().then(|| Arc::new(Cache::new(samples.len(), bytes)));
        Pipeline { cache, ..self }
    }

    /// The same with answers averaged over views of each image.
    ///
    /// # Errors
    /// When an image would be moved out of sight.
    pub fn averaged(self, views: Views, name: &str) -> Result<Pipeline, DataError> {
        let [_, height, width] = self.dims;
        if views.shift >= height.min(width) {
            let (name, images) = (name.to_string(), format!("{height}x{width}"));
            return Err(DataError::Shift { by: views.shift, name, images });
        }
        Ok(Pipeline { views: views.all(), ..self })
    }

    /// The views of an image that its answer is averaged over; one, where it is not.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Extents of a transformed image: channels, height, width.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Transforms a sample into `target`, as [`Pipeline::apply`] does.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn load(&self, samples: &Samples, sample: usize, draws: Draws, target: &mut [f32]) -> Result<(), DataError> {
        let Some(cache) = &self.cache else {
            self.apply(&samples.image(sample)?, draws, target);
            return Ok(());
        };
        let passed_by;
        let prepared = match cache.get(sample) {
            Some(image) => image,
            None => match cache.keep(sample, self.prepared(samples.image(sample)?)) {
                Ok(image) => image,
                Err(image) => {
                    passed_by = image;
                    &passed_by
                }
            },
        };
        self.canvas(prepared, self.fixed, draws).write(&self.values, target);
        Ok(())
    }

    /// What the first, fixed steps make of an image.
    fn prepared(&self, image: Image) -> Image<'static> {
        if self.fixed == 0 {
            return Image { planes: Cow::Owned(image.planes.into_owned()), ..image };
        }
        let mut canvas = Canvas::new(&image);
        let mut draws = Draws::none();
        self.steps[..self.fixed].iter().for_each(|step| step.apply(&mut canvas, &mut draws));
        canvas.into_image()
    }

    /// Transforms one image into `target`, as [height, width, channels].
    ///
    /// # Panics
    /// When the image has other channels, or `target` another length.
    pub fn apply(&self, image: &Image, draws: Draws, target: &mut [f32]) {
        self.canvas(image, 0, draws).write(&self.values, target);
    }

    /// Transforms one image but for its normalisation and what is mixed into it, as somebody would look at it.
    pub fn picture(&self, image: &Image, draws: Draws) -> Image<'static> {
        self.canvas(image, 0, draws).into_image()
    }

    /// An image after the steps from `first` on.
    fn canvas<'a>(&self, image: &'a Image, first: usize, mut draws: Draws) -> Canvas<'a> {
        assert_eq!(image.dims[0], self.dims[0], "the image has other channels");
        let mut canvas = Canvas::new(image);
        self.steps[first..].iter().for_each(|step| step.apply(&mut canvas, &mut draws));
        assert_eq!(canvas.extents(), self.dims[1..], "the image has other extents");
        canvas
    }

    /// Mixes the images of a batch with each other, in place; they are the training samples `samples` of an epoch. Returns each
    /// one's share of each class, [N, classes], or nothing if the pipeline does not mix.
    pub fn mix(
        &self,
        images: &mut [f32],
        labels: &[i32],
        seed: u64,
        epoch: u64,
        samples: &[usize],
    ) -> Option<Vec<f32>> {
        let mut targets = self.unmixed(labels)?;
        let [_, height, width] = self.dims;
        let stream = |at: usize| Stream::new(&[seed, MIX, epoch, samples[at] as u64]);
        let shares = self.mix.apply(images, [height, width], labels.len(), stream);
        for (at, (target, share)) in targets.chunks_exact_mut(self.classes).zip(shares).enumerate() {
            target[labels[at] as usize] = share;
            target[labels[(at + 1) % labels.len()] as usize] += 1.0 - share;
        }
        Some(targets)
    }

    /// Each class as shares of the classes, [N, classes], if the pipeline mixes: what [`Pipeline::mix`] returns of images that are
    /// left as they are.
    pub fn unmixed(&self, labels: &[i32]) -> Option<Vec<f32>> {
        self.mix.mixup.or(self.mix.cutmix)?;
        let mut targets = vec![0.0; labels.len() * self.classes];
        labels.iter().enumerate().for_each(|(at, &label)| targets[at * self.classes + label as usize] = 1.0);
        Some(targets)
    }
}

/// A transform of pixels, ready to run on images of so many channels.
fn step(transform: &Transform, channels: usize) -> Arc<dyn Step> {
    match *transform {
        Transform::Pad(by) => Arc::new(pad::Pad(by)),
        Transform::RandomCrop(side) => Arc::new(crop::Crop { side, is_random: true }),
        Transform::CenterCrop(side) => Arc::new(crop::Crop { side, is_random: false }),
        Transform::RandomFlip { alternating } => Arc::new(random_flip::RandomFlip { alternating }),
        Transform::Translate(by) => Arc::new(translate::Translate(by)),
        Transform::Resize(resize) => Arc::new(resize::Resize(resize)),
        Transform::RandomResizedCrop { side, scale, ratio } => {
            Arc::new(random_resized_crop::RandomResizedCrop { side, scale, ratio })
        }
        Transform::ColorJitter { brightness, contrast, saturation, hue } => {
            Arc::new(color_jitter::ColorJitter { brightness, contrast, saturation, hue, channels })
        }
        Transform::RandAugment { operations, magnitude } => {
            Arc::new(rand_augment::RandAugment { operations, magnitude })
        }
        Transform::Cutout(side) => Arc::new(cutout::Cutout(side)),
        Transform::Normalize { .. } | Transform::Mixup(_) | Transform::Cutmix(_) => {
            unreachable!("`{}` is no step of its own", transform.name())
        }
    }
}

#[cfg(test)]
mod tests;
