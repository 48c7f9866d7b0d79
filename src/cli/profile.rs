//! `rnet profile`: where the time of a training step goes, kernel by kernel.

use super::{Outcome, bench, model, print};
use rnet_runtime::machine;
use std::collections::BTreeMap;

/// Time every kernel of the training step: share, GFLOP/s, GB/s, share of its own roofline
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// Images a step [default: the file's]
    #[arg(long)]
    batch: Option<usize>,
    /// Threads to compute with [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Timed steps
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Print JSON, one object a kernel
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut bench = bench::prepare(&arguments.model, arguments.batch, arguments.threads)?;
    let mut nanoseconds: Vec<Vec<u64>> = vec![Vec::new(); bench.executable.launches().len()];
    for round in 0..arguments.steps.max(1) + 2 {
        let times = bench.executable.run_timed(&bench.workers, &mut bench.state);
        if round >= 2 {
            nanoseconds.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let median = |times: &mut Vec<u64>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let times: Vec<u64> = nanoseconds.iter_mut().map(median).collect();
    let total: u64 = times.iter().sum();
    let threads = bench.workers.count();
    let (peak, bandwidth) = (machine::peak_gflops(threads), machine::bandwidth_gbs(threads));
    // Launches of one label and source line are one row.
    let mut rows: BTreeMap<(String, String), [u64; 4]> = BTreeMap::new();
    for (launch, &time) in bench.executable.launches().iter().zip(&times) {
        let row = rows.entry((launch.label.clone(), launch.source.clone())).or_default();
        for (sum, value) in row.iter_mut().zip([1, time, launch.flops, launch.bytes]) {
            *sum += value;
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(_, [_, time, ..])| std::cmp::Reverse(*time));
    let roof = |flops: u64, bytes: u64| (flops as f64 / peak).max(bytes as f64 / bandwidth);
    let mut text = String::new();
    if !arguments.json {
        text += &format!(
            "{:>9} {:>6} {:>8} {:>8} {:>6}  kernel ({:.2} ms a step, peak {peak:.0} GFLOP/s, {bandwidth:.0} GB/s)\n",
            "us",
            "share",
            "GFLOP/s",
            "GB/s",
            "roof",
            total as f64 / 1e6
        );
    }
    for ((label, source), [calls, time, flops, bytes]) in rows {
        let time_f = (time as f64).max(1.0);
        let (gflops, gbs, share) = (flops as f64 / time_f, bytes as f64 / time_f, roof(flops, bytes) / time_f);
        if arguments.json {
            let object = serde_json::json!({"kernel": label, "source": source, "calls": calls, "us": time_f / 1e3, "share": time_f / total as f64,
                "flops": flops, "bytes": bytes, "gflops": gflops, "gb_per_s": gbs, "share_of_roofline": share});
            text += &format!("{object}\n");
        } else {
            let percent = 100.0 * time_f / total as f64;
            text += &format!(
                "{:>9.1} {percent:>5.1}% {gflops:>8.1} {gbs:>8.1} {:>5.0}%  {label}   {source}\n",
                time_f / 1e3,
                100.0 * share
            );
        }
    }
    print(&text);
    Ok(())
}
