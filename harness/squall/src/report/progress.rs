//! The progress bar on a terminal.

use std::{fmt, path::Path, time::Duration};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::explore::{Progress, count};

/// A bar on standard error over the seeds of all specs; invisible where standard error is no terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// Seeds that specs before the present one had.
    done: u64,
}

impl Bar {
    /// A bar for so many seeds in all.
    pub(crate) fn new(seeds: u64) -> Self {
        let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A bar that cannot be written is no reason to stop.
            let _ = write!(out, "{:.0}", state.per_sec());
        };
        let style =
            ProgressStyle::with_template("{bar:24} {pos}/{len} runs, {rate}/s, {eta} left  {wide_msg}")
                .expect("the template is well-formed")
                .with_key("rate", rate)
                .progress_chars("=> ");
        let bar = ProgressBar::new(seeds).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar, done: 0 }
    }

    /// No bar, wherever standard error goes.
    pub(crate) fn hidden() -> Self {
        Bar { bar: ProgressBar::hidden(), done: 0 }
    }

    /// A spec begins.
    pub(crate) fn begin(&self, spec: &Path) {
        self.bar.set_message(spec.display().to_string());
    }

    /// Something happened, or nothing for a while.
    pub(crate) fn tell(&self, spec: &Path, progress: Progress<'_>) {
        if let Progress::Run { failing, states, .. } = progress {
            self.bar.inc(1);
            let failing = if failing > 0 { format!(", {failing} failing") } else { String::new() };
            self.bar.set_message(format!("{}: {}{failing}", spec.display(), count(states as u64, "state")));
        }
    }

    /// A spec ended, before or after all its seeds.
    pub(crate) fn end(&mut self, seeds: u64) {
        self.done += seeds;
        self.bar.set_position(self.done);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
