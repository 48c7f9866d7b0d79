//! Random numbers by counter: each is a function of a key and a position, so that the order in which threads ask for
//! them, and where a resumed run starts to ask, change nothing.

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that scatters neighbouring counters.
pub fn scatter(counter: u64) -> u64 {
    let mut x = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A stream of random numbers that is determined by its key.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    counter: u64,
}

impl Stream {
    /// The stream of a key of several parts, such as (seed, purpose, epoch, sample).
    pub fn new(key: &[u64]) -> Stream {
        // Each part is added to a scattered state, so that neither order nor neighbouring values can cancel out.
        let key = key.iter().fold(0, |state, &part| scatter(scatter(state) ^ part));
        Stream { key, counter: 0 }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.counter += 1;
        scatter(self.key ^ scatter(self.counter))
    }

    /// The next number below `bound`, which is at least 1. The bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// The next number in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A number of the distribution Beta(alpha, alpha), where alpha is greater than 0.
    ///
    /// Up to alpha = 1 by Joehnk's method (1964), in logarithms where powers vanish; above it as the ratio of two numbers of the
    /// gamma distribution.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        if alpha > 1.0 {
            let (x, y) = (self.gamma(alpha), self.gamma(alpha));
            return x / (x + y);
        }
        loop {
            let [x, y] = [0, 1].map(|_| (1.0 - self.unit()).ln() / alpha);
            if x.exp() + y.exp() <= 1.0 {
                // x / (x + y), by the difference of the logarithms alone.
                return 1.0 / (1.0 + (y - x).exp());
            }
        }
    }

    /// A number of the gamma distribution of a shape of at least 1 (Marsaglia and Tsang, 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            // Normal, by Box and Muller (1958).
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let x = radius * (std::f64::consts::TAU * self.unit()).cos();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// The next toss of a fair coin.
    pub fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }
}

/// The numbers 0..len in random order (Fisher and Yates).
pub fn permutation(len: usize, mut stream: Stream) -> Vec<u32> {
    assert!(u32::try_from(len).is_ok(), "a permutation of {len} elements");
    let mut order: Vec<u32> = (0..len as u32).collect();
    for last in (1..len).rev() {
        order.swap(last, stream.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_different_keys_differ() {
        let first = |key: &[u64]| Stream::new(key).bits();
        let keys: [&[u64]; 6] = [&[0], &[1], &[0, 0], &[0, 1], &[1, 0], &[1, 1]];
        let mut values: Vec<u64> = keys.iter().map(|key| first(key)).collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), keys.len());
    }

    #[test]
    fn numbers_below_a_bound_are_evenly_spread() {
        let mut stream = Stream::new(&[7]);
        let mut counts = [0; 9];
        for _ in 0..90_000 {
            counts[stream.below(9)] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let heads = (0..10_000).filter(|_| stream.coin()).count();
        assert!((4_800..5_200).contains(&heads), "{heads}");
    }

    #[test]
    fn beta_numbers_have_the_mean_and_the_variance_of_their_distribution() {
        for alpha in [0.01, 0.2, 1.0, 3.0] {
            let mut stream = Stream::new(&[5]);
            let numbers: Vec<f64> = (0..20_000).map(|_| stream.beta(alpha)).collect();
            assert!(numbers.iter().all(|x| (0.0..=1.0).contains(x)));
            let mean = numbers.iter().sum::<f64>() / 20_000.0;
            let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(
                (mean - 0.5).abs() < 0.012 && (variance / expected - 1.0).abs() < 0.03,
                "{alpha}: {mean} {variance}"
            );
        }
    }

    #[test]
    fn a_permutation_holds_every_number_once_and_depends_on_the_key() {
        let order = permutation(1000, Stream::new(&[1]));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        assert_ne!(order, sorted);
        assert_ne!(order, permutation(1000, Stream::new(&[2])));
        assert_eq!(order, permutation(1000, Stream::new(&[1])));
        assert!(permutation(0, Stream::new(&[1])).is_empty());
    }
}
