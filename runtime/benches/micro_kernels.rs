//! Times the micro-kernels on the matrix products that convolutions are made of, one core, operands in the near caches:
//! `cargo bench -p rnet-runtime --bench micro_kernels`.

use rnet_runtime::buffer::Buffer;
use rnet_runtime::kernels::{Gemm, Isa};
use rnet_runtime::machine;
use rnet_runtime::program::{GemmShape, Precision};
use std::time::Instant;

/// The product of an output row of a direct 3x3 convolution: A runs over the window's rows in a tile with its halo.
fn direct(columns: usize, channels: usize) -> GemmShape {
    let (c, line) = (channels as i64, ((columns + 2) * channels) as i64);
    GemmShape {
        m: columns,
        n: channels,
        k: 3 * channels,
        a_m: c,
        a_k: 1,
        b_k: c,
        c_m: c,
        batch: (0..3).map(|row| (row * line, row * 3 * c * c)).collect(),
        accumulate: false,
        precision: Precision::F32,
        paired: false,
    }
}

/// The weight gradient's product for a row of the window over a block of 256 pixels: A with its channels as rows.
fn weight_grad(columns: usize, channels: usize) -> GemmShape {
    let (c, line) = (channels as i64, ((columns + 2) * channels) as i64);
    let rows = (256 / columns) as i64;
    GemmShape {
        m: 3 * channels,
        n: channels,
        k: columns,
        a_m: 1,
        a_k: c,
        b_k: c,
        c_m: c,
        batch: (0..rows).map(|row| (row * line, row * (columns * channels) as i64)).collect(),
        accumulate: true,
        precision: Precision::F32,
        paired: false,
    }
}

/// A plain product, as Winograd's points and 1x1 windows have it.
fn plain(m: usize, n: usize, k: usize) -> GemmShape {
    let (n_, k_) = (n as i64, k as i64);
    GemmShape {
        m,
        n,
        k,
        a_m: k_,
        a_k: 1,
        b_k: n_,
        c_m: n_,
        batch: vec![(0, 0)],
        accumulate: false,
        precision: Precision::F32,
        paired: false,
    }
}

/// GFLOP/s of a product: the best of a few tries of some milliseconds.
fn measure(shape: &GemmShape, isa: Isa) -> f64 {
    let reach = |offset: fn(&(i64, i64)) -> i64, steps: [(i64, usize); 2]| {
        let first = shape.batch.iter().map(offset).max().unwrap_or(0);
        (first + steps.iter().map(|&(stride, count)| stride * (count as i64 - 1)).sum::<i64>() + 1) as usize
    };
    let mut a = Buffer::zeroed(reach(|entry| entry.0, [(shape.a_m, shape.m), (shape.a_k, shape.k)]));
    let mut b = Buffer::zeroed(reach(|entry| entry.1, [(shape.b_k, shape.k), (1, shape.n)]));
    let mut c = Buffer::zeroed(reach(|_| 0, [(shape.c_m, shape.m), (1, shape.n)]));
    let gemm = Gemm::new(shape, isa);
    let flops = 2 * shape.m * shape.n * shape.k * shape.batch.len();
    let calls = (20_000_000 / flops).max(1);
    let once = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            // SAFETY: each buffer reaches as far as the greatest offset plus all strides of the shape; they are three
            // allocations, so C overlaps neither operand, and no other thread knows of them.
            unsafe { gemm.run(a.pointer(), b.pointer(), c.pointer()) };
        }
        (flops * calls) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..20).map(once).fold(0.0, f64::max)
}

fn main() {
    let shapes = [
        ("3x3 forward, 16 channels, 32 columns", direct(32, 16)),
        ("3x3 forward, 32 channels, 16 columns", direct(16, 32)),
        ("3x3 forward, 64 channels, 8 columns", direct(8, 64)),
        ("3x3 weight gradient, 16 channels", weight_grad(32, 16)),
        ("3x3 weight gradient, 32 channels", weight_grad(16, 32)),
        ("3x3 weight gradient, 64 channels", weight_grad(8, 64)),
        ("a point of F(4x4, 3x3), 32 tiles, 16 channels", plain(32, 16, 16)),
        ("a point of F(4x4, 3x3), 16 tiles, 32 channels", plain(16, 32, 32)),
        ("a point of F(4x4, 3x3), 16 tiles, 64 channels", plain(16, 64, 64)),
        ("1x1 forward, 256 to 64 channels, 56 columns", plain(56, 64, 256)),
        ("1x1 forward, 64 to 256 channels, 56 columns", plain(56, 256, 64)),
    ];
    for isa in Isa::supported() {
        for precision in [Precision::F32, Precision::Bf16].into_iter().filter(|&precision| isa.supports(precision)) {
            let peak = machine::peak_gflops(1, precision);
            println!("\n{}, {}: one core, peak {peak:.0} GFLOP/s", isa.name(), precision.name());
            for (name, shape) in &shapes {
                let gflops = measure(&GemmShape { precision, ..shape.clone() }, isa);
                println!("{gflops:>8.1} GFLOP/s {:>4.0}%  {name}", 100.0 * gflops / peak);
            }
        }
    }
}
