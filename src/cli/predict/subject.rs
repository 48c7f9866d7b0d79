//! What is to be classified: pictures, and images in files of tensors.

use super::super::{Failure, data::Data};
use rnet_runtime::data::picture;
use rnet_runtime::layout::to_physical;
use rnet_runtime::tensors::{self, Elements};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One image.
pub struct Subject {
    /// What it is called in the answer: the picture's path, or the file's with the image's number.
    pub name: String,
    image: Image,
}

enum Image {
    Picture(PathBuf),
    /// Elements of all images of a file, and which of them.
    Tensor(Arc<Vec<f32>>, usize),
}

/// The images of pictures and files of tensors, in order; the latter have to be of `dims` (channels, height, width).
pub fn subjects(paths: &[PathBuf], dims: [usize; 3]) -> Result<Vec<Subject>, Failure> {
    let mut subjects = Vec::new();
    for path in paths {
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            subjects.push(Subject { name: path.display().to_string(), image: Image::Picture(path.clone()) });
            continue;
        }
        let (images, values) = tensor(path, dims)?;
        let values = Arc::new(values);
        subjects.extend((0..images).map(|at| Subject {
            name: format!("{}[{at}]", path.display()),
            image: Image::Tensor(Arc::clone(&values), at),
        }));
    }
    if subjects.iter().any(|subject| subject.is_picture() != subjects[0].is_picture()) {
        return Err(Failure::new(
            "pictures and files of tensors have to be asked for one after the other, not at once",
        ));
    }
    Ok(subjects)
}

/// How many images a file has, and their elements.
fn tensor(path: &Path, dims: [usize; 3]) -> Result<(usize, Vec<f32>), Failure> {
    let misfit = |reason: String| Failure::new(format!("{}: {reason}", path.display()));
    let mut file = tensors::read(path).map_err(Failure::new)?;
    let image = file.remove("image").ok_or_else(|| misfit("it has no `image`".to_string()))?;
    if image.dims.len() != 4 || image.dims[1..] != dims {
        let [channels, height, width] = dims;
        let found = &image.dims;
        return Err(misfit(format!(
            "`image` has extents {found:?}, the model takes [N, {channels}, {height}, {width}]"
        )));
    }
    match image.elements {
        Elements::Real(_) if image.dims[0] == 0 => Err(misfit("`image` holds no image".to_string())),
        Elements::Real(values) => Ok((image.dims[0], values)),
        Elements::Whole(_) => Err(misfit("`image` should hold real numbers".to_string())),
    }
}

impl Subject {
    /// Whether it has to go through the pipeline.
    pub fn is_picture(&self) -> bool {
        matches!(self.image, Image::Picture(_))
    }

    /// Writes the image as the model takes it, [height, width, channels].
    pub fn write(&self, data: Option<&Data>, dims: [usize; 3], target: &mut [f32]) -> Result<(), String> {
        match &self.image {
            Image::Tensor(values, at) => {
                let [channels, height, width] = dims;
                let values = &values[at * target.len()..][..target.len()];
                to_physical(&[channels, height, width], &vec![1, 2, 0], values, target);
            }
            Image::Picture(path) => {
                let data = data.expect("pictures are looked at with a data section");
                let [_, pipeline] = &data.pipelines;
                picture::transformed(path, &data.dataset, pipeline, target).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}
