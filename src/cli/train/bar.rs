//! How a run goes, for whoever looks on.

use crate::cli::{tell, thousands};
use indicatif::{ProgressBar, ProgressStyle};
use rnet_runtime::metrics::{Record, Split};
use rnet_runtime::train::{Progress, Trainer};
use std::io::IsTerminal;
use std::time::Duration;

/// A progress bar on a terminal, plain lines elsewhere.
pub struct Bar {
    bar: Option<ProgressBar>,
    steps: u64,
    per_epoch: u64,
    /// Images a second, smoothed over about the last twenty steps.
    rate: f64,
}

impl Bar {
    /// Of a run that goes on from where its trainer is.
    pub fn new(trainer: &Trainer) -> Bar {
        let (steps, per_epoch) = (trainer.steps(), trainer.steps_per_epoch());
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps).with_position(trainer.position.step);
            bar.reset_eta();
            // A narrow terminal has room for the numbers alone, the most wanted first; what does not fit is cut off.
            let template = match console::Term::stderr().size() {
                (_, 100..) => "{wide_bar} step {human_pos}/{human_len}  {msg}  {eta} left",
                _ => "step {human_pos}/{human_len}  {eta} left  {wide_msg}",
            };
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.expect("the template is well formed"));
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        });
        Bar { bar, steps, per_epoch, rate: 0.0 }
    }

    /// A step is done.
    pub fn step(&mut self, progress: &Progress) {
        let rate = progress.images as f64 / progress.elapsed.as_secs_f64().max(1e-9);
        self.rate = if self.rate == 0.0 { rate } else { 0.95 * self.rate + 0.05 * rate };
        if let Some(bar) = &self.bar {
            bar.set_position(progress.step);
            bar.set_message(format!(
                "epoch {}  loss {:.4}  accuracy {:.2}%  {} images/s",
                progress.epoch,
                progress.meter.mean_loss(),
                100.0 * progress.meter.top1(),
                thousands(self.rate as u64)
            ));
        }
    }

    /// A line of the metrics is due.
    pub fn record(&self, record: &Record) {
        let split = match record.split {
            Split::Train => "train",
            Split::Test => "test ",
        };
        let line = format!(
            "epoch {:>width$}  step {:>steps_width$}  {split}  loss {:.4}  accuracy {:>6.2}%  {} images/s\n",
            record.epoch,
            record.step,
            record.loss,
            100.0 * record.top1,
            thousands(record.images_per_s as u64),
            width = self.steps.div_ceil(self.per_epoch).to_string().len(),
            steps_width = self.steps.to_string().len(),
        );
        match &self.bar {
            // The bar shows the lines within an epoch.
            Some(_) if record.split == Split::Train && !record.step.is_multiple_of(self.per_epoch) => {}
            Some(bar) => bar.suspend(|| tell(&line)),
            None => tell(&line),
        }
    }

    /// The run is at its end.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
