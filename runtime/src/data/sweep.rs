//! Going through many samples on all cores.

use super::DataError;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does something with each sample, on as many threads as there are cores. Each thread begins with an `empty` of its own; what becomes of
/// them is given back.
///
/// # Errors
/// The first sample's in order that fails.
pub fn sweep<T: Send>(
    samples: &[usize],
    empty: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, usize) -> Result<(), DataError> + Sync,
) -> Result<Vec<T>, DataError> {
    let (next, threads) = (AtomicUsize::new(0), thread::available_parallelism().map_or(1, NonZero::get));
    let one = || -> Result<T, Box<(usize, DataError)>> {
        let mut own = empty();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&sample) = samples.get(at) else { return Ok(own) };
            if let Err(error) = work(&mut own, sample) {
                return Err(Box::new((at, error)));
            }
        }
    };
    let done: Vec<Result<T, Box<(usize, DataError)>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let (mut results, mut mistakes) = (Vec::new(), Vec::new());
    for outcome in done {
        match outcome {
            Ok(own) => results.push(own),
            Err(mistake) => mistakes.push(*mistake),
        }
    }
    // Samples are taken in order, so that the first that fails has been looked at by someone.
    match mistakes.into_iter().min_by_key(|(at, _)| *at) {
        Some((_, error)) => Err(error),
        None => Ok(results),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_seen_once_and_the_first_mistake_counts() {
        let samples: Vec<usize> = (0..1000).collect();
        let push = |seen: &mut Vec<usize>, sample| {
            seen.push(sample);
            Ok(())
        };
        let mut seen = sweep(&samples, Vec::new, push).unwrap().concat();
        seen.sort_unstable();
        assert_eq!(seen, samples);
        let failing = |_: &mut (), sample: usize| match sample % 7 {
            6 => Err(DataError::NoTest { name: sample.to_string() }),
            _ => Ok(()),
        };
        let error = sweep(&samples, || (), failing).unwrap_err().to_string();
        assert!(error.starts_with("6 has"), "{error}");
    }
}
