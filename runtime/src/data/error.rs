//! What can be wrong with data.

use std::path::PathBuf;

/// Why data cannot be used: which file, what was expected, what was found, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not there.
    #[error("{}: {what} is not there\n  help: {hint}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What the file is for.
        what: &'static str,
        /// How to get it.
        hint: String,
    },
    /// The system refuses to read a file.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A gzip file cannot be unpacked.
    #[error("{}: expected a gzip file, cannot unpack it: {source}\n  help: {hint}", path.display())]
    Unpack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
        /// How to get a whole one.
        hint: String,
    },
    /// A file does not start as its format demands.
    #[error("{}: expected {expected}, found {found}\n  help: {hint}", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// The right start, in words.
        expected: String,
        /// What the file starts with.
        found: String,
        /// How to get the right one.
        hint: String,
    },
    /// A file is too short, too long, or cut off within a record.
    #[error("{}: expected {expected}, found {found} bytes\n  help: the file is damaged or not complete; {hint}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The right length, in words.
        expected: String,
        /// The length that it has.
        found: usize,
        /// How to get a whole one.
        hint: String,
    },
    /// A label names a class that does not exist.
    #[error("{}: sample {sample} has label {label}, expected 0 to {}\n  help: the file is damaged or of another data set; {hint}",
        path.display(), classes - 1)]
    Label {
        /// The file.
        path: PathBuf,
        /// The sample's place in it, from 0.
        sample: usize,
        /// Its label.
        label: u8,
        /// How many classes there are.
        classes: usize,
        /// How to get the right file.
        hint: String,
    },
    /// Two files that belong together do not agree.
    #[error("{}: {found}, but {} has {expected}\n  help: the two files belong together; {hint}", path.display(), other.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The file that it should agree with.
        other: PathBuf,
        /// What the other one has.
        expected: String,
        /// What this one has.
        found: String,
        /// How to get the right ones.
        hint: String,
    },
    /// A picture cannot be decoded.
    #[error("{}: the picture is damaged, or none: {reason}\n  \
             help: replace or remove it, or leave such pictures out: `folder(path, skip_corrupt = true)`", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        reason: String,
    },
    /// A folder of pictures is not laid out as it should be.
    #[error("{}: expected {expected}, found {found}\n  help: {hint}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What should be in it.
        expected: String,
        /// What is.
        found: String,
        /// How it should be.
        hint: String,
    },
    /// A file of arrays does not hold what it should.
    #[error("{}: {reason}\n  help: {hint}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What should be in it.
        hint: String,
    },
    /// There are no test samples.
    #[error(
        "{name} has no samples for testing\n  help: `holdout = 0.1` in the data section holds a tenth of the training samples out"
    )]
    NoTest {
        /// The data set.
        name: String,
    },
    /// Holding out leaves one half without samples.
    #[error(
        "`holdout = {share}`: of the {samples} training samples of {name} none would be left to train or to test on"
    )]
    Holdout {
        /// The share.
        share: f64,
        /// Training samples before.
        samples: usize,
        /// The data set.
        name: String,
    },
    /// A crop does not fit into the image.
    #[error(
        "`{transform}({side})`: the images of {name} are {images} at this point, smaller than the crop\n  \
             help: use a side of at most {least}, or `pad` or `resize` first"
    )]
    Crop {
        /// `random_crop` or `center_crop`.
        transform: &'static str,
        /// The side it asks for.
        side: usize,
        /// The data set.
        name: String,
        /// Extents of the images that it is given.
        images: String,
        /// The shorter of them.
        least: usize,
    },
    /// An image would be moved out of sight.
    #[error(
        "`translate({by})`: the images of {name} are {images} at this point; they can be moved by less than a side"
    )]
    Translate {
        /// Pixels.
        by: usize,
        /// The data set.
        name: String,
        /// Extents of the images that it is given.
        images: String,
    },
    /// A view of an image would be moved out of sight.
    #[error(
        "`average_shift = {by}`: the images of {name} are {images} in the end; views are moved by less than a side"
    )]
    Shift {
        /// Pixels.
        by: usize,
        /// The data set.
        name: String,
        /// Extents of its images.
        images: String,
    },
    /// The images of a batch would differ in size.
    #[error(
        "the images of {name} are {images} in the end, but those of a batch are all of one size\n  \
             help: `random_resized_crop(side)` for training and `resize(side) -> center_crop(side)` for testing see to that"
    )]
    Sizes {
        /// The data set.
        name: String,
        /// What is known of their extents.
        images: String,
    },
    /// Colour is to be changed where there is none.
    #[error(
        "`color_jitter`: the images of {name} have {channels} channels, but saturation and hue are of three\n  \
             help: leave `saturation` and `hue` out"
    )]
    Colorless {
        /// The data set.
        name: String,
        /// Its channels.
        channels: usize,
    },
    /// `normalize` has the wrong number of values.
    #[error(
        "`normalize`: `{argument}` has {found} values, but the images of {name} have {expected} channels\n  \
             help: give one value for each channel, or none to use the training set's own"
    )]
    Channels {
        /// `mean` or `std`.
        argument: &'static str,
        /// Channels of the data set.
        expected: usize,
        /// Values given.
        found: usize,
        /// The data set.
        name: String,
    },
    /// `normalize` would divide by zero, or by something that is no positive number.
    #[error(
        "`normalize`: the deviation of channel {channel} of {name} is {value}, which cannot be divided by\n  \
             help: give positive values, `normalize(mean = [..], std = [..])`"
    )]
    Deviation {
        /// The channel.
        channel: usize,
        /// Its standard deviation.
        value: f64,
        /// The data set.
        name: String,
    },
}
