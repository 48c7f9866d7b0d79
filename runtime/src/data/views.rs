//! The views of a test image that its answer is averaged over.

use crate::config::Views;

/// One view of every image of a batch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct View {
    /// Whether it is mirrored left to right.
    pub is_mirrored: bool,
    /// Pixels by which it is moved down and right.
    pub by: isize,
    /// Its weight in the average.
    pub weight: f32,
}

impl Views {
    /// The views, of which the first is the image as it is; the weights add up to 1.
    pub fn all(self) -> Vec<View> {
        let shift = self.shift as isize;
        let moved: &[(isize, f32)] = if shift == 0 { &[(0, 1.0)] } else { &[(0, 0.5), (-shift, 0.25), (shift, 0.25)] };
        let sides: &[bool] = if self.flips { &[false, true] } else { &[false] };
        let view = |&(by, weight): &(isize, f32)| {
            sides.iter().map(move |&is_mirrored| View { is_mirrored, by, weight: weight / sides.len() as f32 })
        };
        moved.iter().flat_map(view).collect()
    }
}

impl View {
    /// Writes the view of images of `dims` (channels, height, width), channels innermost. What comes in where an image is moved is
    /// its reflection at its edge.
    ///
    /// # Panics
    /// When the image is not larger than the way that it is moved.
    pub fn write(&self, images: &[f32], [channels, height, width]: [usize; 3], target: &mut [f32]) {
        let axis = |len: usize, is_mirrored: bool| -> Vec<usize> {
            let last = len as isize - 1;
            assert!(self.by.abs() <= last, "an image of {len} pixels moved by {}", self.by);
            let reflected = |position: isize| (last - (last - position.abs()).abs()) as usize;
            let mut axis: Vec<usize> = (0..=last).map(|position| reflected(position - self.by)).collect();
            if is_mirrored {
                axis.reverse();
            }
            axis
        };
        let (rows, columns) = (axis(height, false), axis(width, self.is_mirrored));
        let len = channels * height * width;
        for (image, target) in images.chunks_exact(len).zip(target.chunks_exact_mut(len)) {
            for (row, target) in rows.iter().zip(target.chunks_exact_mut(width * channels)) {
                let line = &image[row * width * channels..][..width * channels];
                for (column, pixel) in columns.iter().zip(target.chunks_exact_mut(channels)) {
                    pixel.copy_from_slice(&line[column * channels..][..channels]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_the_image_its_mirror_and_both_moved() {
        let views = Views { flips: true, shift: 1 }.all();
        assert_eq!(views.iter().map(|view| view.weight).collect::<Vec<_>>(), [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]);
        // Two images of 2x3 pixels of one channel.
        let images: Vec<f32> = (1..=12).map(|x| x as f32).collect();
        let seen = |view: &View| {
            let mut target = vec![0.0; 12];
            view.write(&images, [1, 2, 3], &mut target);
            target
        };
        assert_eq!(seen(&views[0]), images);
        assert_eq!(seen(&views[1])[..6], [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        // Up and left, down and right.
        assert_eq!(seen(&views[2])[..6], [5.0, 6.0, 5.0, 2.0, 3.0, 2.0]);
        assert_eq!(seen(&views[4])[..6], [5.0, 4.0, 5.0, 2.0, 1.0, 2.0]);
        assert_eq!(seen(&views[5])[6..], [11.0, 10.0, 11.0, 8.0, 7.0, 8.0]);
    }

    #[test]
    fn without_averaging_there_is_one_view() {
        assert_eq!(Views::default().all(), [View { is_mirrored: false, by: 0, weight: 1.0 }]);
        assert_eq!(Views { flips: true, shift: 0 }.all().len(), 2);
    }
}
