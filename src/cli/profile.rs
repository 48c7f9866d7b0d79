//! `rnet profile`: where the time of a training step goes, kernel by kernel.

use super::{Failure, Outcome, bench, model, print};
use rnet_runtime::machine;
use rnet_runtime::program::Launch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    #[command(flatten)]
    precision: model::PrecisionArgument,
    /// Timed steps
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Print JSON, one object a kernel
    #[arg(long)]
    json: bool,
    /// Also write the step's launches one after the other as a Chrome trace (chrome://tracing, ui.perfetto.dev)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut bench = bench::prepare(&arguments.model, &arguments.precision, arguments.batch, arguments.threads)?;
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
    if let Some(path) = &arguments.trace {
        write_trace(path, bench.executable.launches(), &times)?;
    }
    let total: u64 = times.iter().sum();
    let threads = bench.workers.count();
    let (peak, bandwidth) =
        (machine::peak_gflops(threads, bench.model.train.precision), machine::bandwidth_gbs(threads));
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
            "{:>9} {:>6} {:>5} {:>9} {:>8} {:>8} {:>8} {:>6}  kernel ({:.2} ms a step, peak {peak:.0} GFLOP/s, {bandwidth:.0} GB/s)\n",
            "us",
            "share",
            "calls",
            "MFLOP",
            "MB",
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
                "{:>9.1} {percent:>5.1}% {calls:>5} {:>9.1} {:>8.2} {gflops:>8.1} {gbs:>8.1} {:>5.0}%  {label}   {source}\n",
                time_f / 1e3,
                flops as f64 / 1e6,
                bytes as f64 / 1e6,
                100.0 * share
            );
        }
    }
    print(&text);
    Ok(())
}

/// Writes one complete event for each launch, in the trace event format: times in microseconds, launches end to end as they are timed.
fn write_trace(path: &Path, launches: &[Launch], nanoseconds: &[u64]) -> Outcome {
    let mut start = 0;
    let events: Vec<_> = launches
        .iter()
        .zip(nanoseconds)
        .map(|(launch, &time)| {
            let event = serde_json::json!({
                "name": launch.label, "cat": launch.label.split(' ').next(), "ph": "X", "pid": 1, "tid": 1,
                "ts": start as f64 / 1e3, "dur": time as f64 / 1e3,
                "args": {"source": launch.source, "tasks": launch.tasks, "wave": launch.wave, "flops": launch.flops, "bytes": launch.bytes},
            });
            start += time;
            event
        })
        .collect();
    let text = serde_json::json!({"traceEvents": events, "displayTimeUnit": "ms"}).to_string();
    std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
