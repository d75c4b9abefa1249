//! The progress bar on a terminal.

use std::{
    collections::VecDeque,
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::{
    explore::{Progress, count},
    screen,
};

/// How often a person is told something new.
const REFRESH: Duration = Duration::from_millis(100);

/// A bar on standard error over the runs of all specs; invisible where standard error is no terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// How many runs each spec will have, as far as that is known.
    expected: Vec<u64>,
    /// Which spec it is, and its file.
    nth: usize,
    spec: String,
    /// Runs done in the specs before, and in the present one.
    before: u64,
    done: u64,
    /// Failing runs in the specs before, and in the present one.
    failed: u64,
    failing: u64,
    states: usize,
    /// Runs that this session executed: others cost no time.
    executed: u64,
    pace: Pace,
    since: Instant,
    told: Option<Instant>,
}

impl Bar {
    /// A bar for specs with so many runs, as far as that is known before they begin.
    pub(crate) fn new(expected: &[u64]) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} runs, {wide_msg}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
        let bar = ProgressBar::new(expected.iter().sum()).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar::over(bar, expected)
    }

    /// No bar, wherever standard error goes.
    pub(crate) fn hidden() -> Self {
        Bar::over(ProgressBar::hidden(), &[])
    }

    fn over(bar: ProgressBar, expected: &[u64]) -> Self {
        Bar {
            bar,
            expected: expected.to_vec(),
            nth: 0,
            spec: String::new(),
            before: 0,
            done: 0,
            failed: 0,
            failing: 0,
            states: 0,
            executed: 0,
            pace: Pace::default(),
            since: Instant::now(),
            told: None,
        }
    }

    /// The `nth` spec begins.
    pub(crate) fn begin(&mut self, nth: usize, spec: &Path) {
        self.nth = nth;
        self.spec = screen::in_a_line(&spec.display().to_string());
        self.states = 0;
        self.show();
    }

    /// Something happened, or nothing for a while.
    pub(crate) fn tell(&mut self, progress: Progress<'_>) {
        if let Progress::Run { failing, states, total, past, .. } = progress {
            self.done += 1;
            self.executed += u64::from(!past);
            (self.failing, self.states) = (failing, states);
            if let Some(expected) = self.expected.get_mut(self.nth) {
                *expected = total.max(self.done);
            }
        }
        if self.told.is_none_or(|told| told.elapsed() >= REFRESH) {
            self.show();
        }
    }

    /// A spec ended after so many runs, whatever was expected.
    pub(crate) fn end(&mut self, runs: u64) {
        if let Some(expected) = self.expected.get_mut(self.nth) {
            *expected = runs;
        }
        self.before += runs;
        self.done = 0;
        self.failed += self.failing;
        self.failing = 0;
        self.show();
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&mut self) {
        if self.bar.is_hidden() {
            return;
        }
        self.told = Some(Instant::now());
        let (done, total) = (self.before + self.done, self.expected.iter().sum::<u64>());
        self.pace.note(self.since.elapsed(), self.executed);
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(self.message(total.saturating_sub(done)));
    }

    /// What is said beside the bar, when so many runs are left.
    fn message(&self, left: u64) -> String {
        let mut parts = Vec::new();
        let rate = self.pace.per_second();
        parts.extend(rate.map(|rate| format!("{rate:.0}/s")));
        let failing = self.failed + self.failing;
        if failing > 0 {
            parts.push(format!("{failing} failing"));
        }
        if self.states > 0 {
            parts.push(count(self.states as u64, "state"));
        }
        if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
            let time = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
            parts.push(format!("{:#} left", HumanDuration(time)));
        }
        format!("{}  {}", parts.join(", "), self.spec)
    }
}

/// How fast something goes, over the last seconds.
#[derive(Default)]
struct Pace {
    /// When there were how many.
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Over how long the pace is taken.
    const SPAN: Duration = Duration::from_secs(10);

    fn note(&mut self, at: Duration, count: u64) {
        self.samples.push_back((at, count));
        while self.samples.get(1).is_some_and(|(then, _)| *then + Pace::SPAN <= at) {
            self.samples.pop_front();
        }
    }

    /// None as long as there is nothing to compare.
    fn per_second(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.samples.front()?, self.samples.back()?);
        let time = last.saturating_sub(*first);
        (time >= REFRESH).then(|| (to - from) as f64 / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RunReport, Verdict};

    fn tell(bar: &mut Bar, past: bool, failing: u64, total: u64) {
        let report = RunReport::lost(0.into(), Verdict::Passed);
        bar.tell(Progress::Run { report: &report, failing, states: 7, total, past });
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_second(), None);
        for second in 0..=30 {
            pace.note(Duration::from_secs(second), if second <= 15 { 0 } else { (second - 15) * 100 });
        }
        assert_eq!(pace.per_second(), Some(100.0));
    }

    #[test]
    fn runs_of_an_earlier_session_count_at_once_and_are_no_pace() {
        let mut bar = Bar::over(ProgressBar::hidden(), &[100, 50]);
        bar.begin(0, Path::new("specs/a.yaml"));
        (0..40).for_each(|_| tell(&mut bar, true, 1, 100));
        assert_eq!((bar.done, bar.executed), (40, 0));
        bar.pace.note(Duration::ZERO, bar.executed);
        (0..20).for_each(|_| tell(&mut bar, false, 1, 100));
        bar.pace.note(Duration::from_secs(2), bar.executed);
        assert_eq!(bar.message(90), "10/s, 1 failing, 7 states, 9s left  specs/a.yaml");
    }

    #[test]
    fn what_is_expected_follows_what_becomes_known() {
        let mut bar = Bar::over(ProgressBar::hidden(), &[1, 50]);
        bar.begin(0, Path::new("a.yaml"));
        tell(&mut bar, false, 0, 1);
        tell(&mut bar, false, 0, 300);
        assert_eq!(bar.expected, [300, 50], "a strategy that surveys first learns how many there are");
        bar.end(2);
        bar.begin(1, Path::new("b.yaml"));
        tell(&mut bar, false, 1, 50);
        bar.end(1);
        assert_eq!(
            (bar.expected, bar.before, bar.failed),
            (vec![2, 1], 3, 1),
            "and one that is decided has no more"
        );
    }
}
