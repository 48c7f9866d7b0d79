//! rnet: an autodiff compiler for neural networks.

fn main() {}
