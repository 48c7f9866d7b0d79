//! Trained tensors: how they start, and what `@` annotations say of them.

/// How a tensor starts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Init {
    /// Normal, deviation sqrt(2 / fan_out): He et al. 2015, so that a ReLU network keeps the size of its gradients.
    HeNormal,
    /// Uniform with the same deviation.
    HeUniform,
    /// Normal, deviation sqrt(2 / (fan_in + fan_out)): Glorot & Bengio 2010.
    XavierNormal,
    /// Uniform with the same deviation.
    XavierUniform,
    /// Uniform in +-1/sqrt(fan_in), as PyTorch starts dense layers.
    FanIn,
    /// Normal with that deviation.
    Normal(f64),
    /// Uniform between minus and plus that bound.
    Uniform(f64),
    /// The same number everywhere.
    Constant(f64),
    /// The first filters of a convolution pass on an input channel each; the others are uniform in +-1/sqrt(fan_in).
    Dirac,
    /// The filters of a convolution make the patches of training images white; this much is added to variances.
    Whitening(f64),
}

impl Init {
    /// The attributes `init` and `init_value` for a tensor whose elements meet `fan_in` inputs and `fan_out` outputs.
    pub fn attributes(self, fan_in: usize, fan_out: usize) -> (&'static str, f64) {
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        match self {
            Init::HeNormal => ("normal", (2.0 / fan_out).sqrt()),
            Init::HeUniform => ("uniform", (6.0 / fan_out).sqrt()),
            Init::XavierNormal => ("normal", (2.0 / (fan_in + fan_out)).sqrt()),
            Init::XavierUniform => ("uniform", (6.0 / (fan_in + fan_out)).sqrt()),
            Init::FanIn => ("uniform", 1.0 / fan_in.sqrt()),
            Init::Normal(deviation) => ("normal", deviation),
            Init::Uniform(bound) => ("uniform", bound),
            Init::Constant(value) => ("constant", value),
            Init::Dirac => ("dirac", 1.0 / fan_in.sqrt()),
            Init::Whitening(eps) => ("whitening", eps),
        }
    }
}

/// What `@` annotations around a layer say of its parameters; the innermost word counts.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Annotations {
    /// `@init(..)`: of the weight.
    pub init: Option<Init>,
    /// `@frozen`
    pub frozen: bool,
    /// `@lr(factor)`
    pub lr: Option<f64>,
    /// `@decay(factor)`
    pub decay: Option<f64>,
}

impl Annotations {
    /// `self` where it says something, else what is said further out.
    pub fn over(self, outer: Annotations) -> Annotations {
        Annotations {
            init: self.init.or(outer.init),
            frozen: self.frozen || outer.frozen,
            lr: self.lr.or(outer.lr),
            decay: self.decay.or(outer.decay),
        }
    }
}

/// The multiply-adds of a layer and how many numbers it trains.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    pub parameters: u64,
    pub multiply_adds: u64,
}
