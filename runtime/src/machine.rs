//! What the machine can do: its own multiply-add peak and memory bandwidth, measured, so that a share of peak is one of the same minute.

use crate::program::Precision;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains of multiply-adds, enough to hide the latency of any current core.
const CHAINS: usize = 12;

/// Runs `rounds` rounds of `CHAINS` multiply-adds in every lane of the widest vectors; returns the operations done.
fn multiply_adds(rounds: usize, precision: Precision) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        if precision == Precision::Bf16 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
        {
            // SAFETY: the CPU has AVX-512F and AVX512_BF16, which is all that the function asks for.
            unsafe { wide::avx512_pairs(rounds) };
            return 2 * 32 * (CHAINS * rounds) as u64;
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has AVX-512F, which is all that the function asks for.
            unsafe { wide::avx512(rounds) };
            return 2 * 16 * (CHAINS * rounds) as u64;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has AVX2 and FMA, which is all that the function asks for.
            unsafe { wide::avx2(rounds) };
            return 2 * 8 * (CHAINS * rounds) as u64;
        }
    }
    let mut lanes = [[0.5f32; 4]; CHAINS];
    for _ in 0..rounds {
        for lane in &mut lanes {
            for value in lane {
                *value = *value * 0.999 + 0.001;
            }
        }
    }
    black_box(lanes);
    2 * 4 * (CHAINS * rounds) as u64
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use super::CHAINS;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_fmadd_ps,
        _mm512_set1_ps,
    };
    use std::hint::black_box;

    #[target_feature(enable = "avx512f")]
    pub fn avx512(rounds: usize) {
        let (scale, shift) = (_mm512_set1_ps(0.999), _mm512_set1_ps(0.001));
        let mut chains: [__m512; CHAINS] = [_mm512_set1_ps(0.5); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(*chain, scale, shift);
            }
        }
        black_box(chains);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn avx512_pairs(rounds: usize) {
        let operand = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5), _mm512_set1_ps(0.5));
        let mut chains: [__m512; CHAINS] = [_mm512_set1_ps(0.5); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm512_dpbf16_ps(*chain, operand, operand);
            }
        }
        black_box(chains);
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(rounds: usize) {
        let (scale, shift) = (_mm256_set1_ps(0.999), _mm256_set1_ps(0.001));
        let mut chains: [__m256; CHAINS] = [_mm256_set1_ps(0.5); CHAINS];
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(*chain, scale, shift);
            }
        }
        black_box(chains);
    }
}

/// Runs `work` on that many threads at once and adds up what it returns, over the seconds of the slowest.
fn together(threads: usize, work: impl Fn() -> u64 + Sync) -> f64 {
    let (work, start) = (&work, Instant::now());
    let done: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("the measurement does not panic")).sum()
    });
    done as f64 / start.elapsed().as_secs_f64()
}

/// Multiply-adds into f32 (two operations each) of `threads` cores together, in GFLOP/s: the best of a few tries of some 20 ms.
/// Where the machine has no instruction for bf16, those of f32.
pub fn peak_gflops(threads: usize, precision: Precision) -> f64 {
    (0..5).map(|_| together(threads, || multiply_adds(6_000_000, precision))).fold(0.0, f64::max) / 1e9
}

/// Memory bandwidth of `threads` cores together, in GB/s: each adds up 64 MiB of its own, which no cache holds.
pub fn bandwidth_gbs(threads: usize) -> f64 {
    const LEN: usize = 16 << 20;
    let read = |data: &[f32]| {
        let sum: f32 = data.chunks_exact(16).fold([0.0f32; 16], |mut sum, chunk| {
            sum.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
            sum
        })[0];
        black_box(sum);
        4 * data.len() as u64
    };
    let arrays: Vec<Vec<f32>> = (0..threads).map(|_| vec![1.0; LEN]).collect();
    let best = (0..3).map(|_| {
        let start = Instant::now();
        let bytes: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = arrays.iter().map(|array| scope.spawn(|| read(array))).collect();
            threads.into_iter().map(|thread| thread.join().expect("the measurement does not panic")).sum()
        });
        bytes as f64 / start.elapsed().as_secs_f64()
    });
    best.fold(0.0, f64::max) / 1e9
}

/// The most memory that this process has had resident, in bytes; 0 where the system does not say.
pub fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Bytes of main memory; as many as can be counted where the system does not say.
pub fn memory_bytes() -> u64 {
    let kilobytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    });
    kilobytes.map_or(u64::MAX, |kilobytes| kilobytes.saturating_mul(1024))
}

/// What the processor calls itself; its architecture where the system does not say.
pub fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    let name = line.map(|line| line.trim_start_matches([' ', '\t', ':']).trim());
    name.filter(|name| !name.is_empty()).unwrap_or(std::env::consts::ARCH).to_string()
}
