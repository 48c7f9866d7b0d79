//! How a network judges the images of a test set: which classes it takes for which, and where it is most wrong.

use std::collections::BTreeMap;

/// How many of the worst mistakes are kept.
const MISTAKES: usize = 36;

/// An image that was taken for one of another class.
#[derive(Clone, PartialEq, Debug)]
pub struct Mistake {
    /// Its position in the test set.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The class that was found the most likely.
    pub predicted: usize,
    /// The probability that was given to that one, 0 to 1.
    pub probability: f64,
    /// The cross-entropy of its own class, `-ln p`.
    pub loss: f64,
}

/// The judgement of all images so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Evaluation {
    /// How many images of a class were taken for a class: by (label, predicted), those that occur.
    pub confusion: BTreeMap<(usize, usize), u64>,
    /// The mistakes with the highest losses, the worst first; of equal ones the earlier image first.
    pub mistakes: Vec<Mistake>,
    /// Images so far.
    pub images: usize,
}

impl Evaluation {
    /// Adds the next images of the test set, by their classes and their logits, `[N, classes]`.
    ///
    /// # Panics
    /// When there are not as many logits for one image as for another.
    pub fn add(&mut self, labels: &[i32], logits: &[f32]) {
        let classes = logits.len() / labels.len().max(1);
        assert_eq!(labels.len() * classes, logits.len(), "evaluation: logits of {} images", labels.len());
        for (&label, logits) in labels.iter().zip(logits.chunks_exact(classes.max(1))) {
            let label = label as usize;
            // As `correct` counts: of equal logits the first one.
            let predicted = (1..classes).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
            *self.confusion.entry((label, predicted)).or_default() += 1;
            if predicted != label {
                let above = |class: usize| f64::from(logits[class]) - f64::from(logits[predicted]);
                let sum: f64 = (0..classes).map(|class| above(class).exp()).sum();
                let (probability, loss) = (1.0 / sum, sum.ln() - above(label));
                self.mistake(Mistake { index: self.images, label, predicted, probability, loss });
            }
            self.images += 1;
        }
    }

    fn mistake(&mut self, mistake: Mistake) {
        let place = self.mistakes.partition_point(|known| known.loss >= mistake.loss);
        if place < MISTAKES {
            self.mistakes.insert(place, mistake);
            self.mistakes.truncate(MISTAKES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_counted_by_class_and_mistakes_are_ranked() {
        let mut evaluation = Evaluation::default();
        evaluation.add(&[0, 1], &[3.0, 1.0, 0.0, 2.0, 0.0, 0.0]);
        evaluation.add(&[2, 2, 0], &[0.0, 5.0, 0.0, 0.0, 1.0, 4.0, 1.0, 1.0, 0.0]);
        let expected = [((0, 0), 2), ((1, 0), 1), ((2, 1), 1), ((2, 2), 1)];
        assert_eq!(evaluation.confusion, BTreeMap::from(expected));
        let [worst, other] = &evaluation.mistakes[..] else { panic!("{:?}", evaluation.mistakes) };
        assert_eq!((worst.index, worst.label, worst.predicted), (2, 2, 1));
        assert!((worst.loss - (2.0 + 5.0f64.exp()).ln()).abs() < 1e-12, "{}", worst.loss);
        assert!((worst.probability - 5.0f64.exp() / (2.0 + 5.0f64.exp())).abs() < 1e-12);
        assert_eq!((other.index, evaluation.images), (1, 5));
    }

    #[test]
    fn the_worst_are_kept_in_order_however_many_there_are() {
        let mut evaluation = Evaluation::default();
        for index in 0..200 {
            // Losses come up and down, some of them twice.
            evaluation.add(&[0], &[0.0, ((index * 37) % 100) as f32]);
        }
        assert_eq!(evaluation.mistakes.len(), MISTAKES);
        let ranked = |pair: &[Mistake]| {
            pair[0].loss > pair[1].loss || (pair[0].loss == pair[1].loss && pair[0].index < pair[1].index)
        };
        assert!(evaluation.mistakes.windows(2).all(ranked), "{:?}", evaluation.mistakes);
        assert_eq!(evaluation.mistakes[0].loss.round(), 99.0);
    }
}
