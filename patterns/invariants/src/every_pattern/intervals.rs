//! X7: intervals are measured by monotonic time.

use std::{collections::BTreeMap, time::Duration};

use squall::{EventKind, Invariant, Record, check::Breach, history::Kind};

use crate::event::{int, unreadable};

/// `intervals_monotonic`: an interval that a process measures is as long as it is, whatever is done to its wall clock. Class:
/// `interval_mismeasured`.
pub struct IntervalsMonotonic {
    tolerance: Duration,
    /// By node, its life, and interval: when it began, and the record that says so.
    begun: BTreeMap<(String, u32, String), (Duration, u64)>,
    judged: u64,
}

impl IntervalsMonotonic {
    /// What is measured may differ by this.
    pub fn new(tolerance: Duration) -> Self {
        IntervalsMonotonic { tolerance, begun: BTreeMap::new(), judged: 0 }
    }
}

impl Invariant for IntervalsMonotonic {
    fn name(&self) -> &str {
        "intervals_monotonic"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, incarnation, name, fields } = &record.kind else { return Ok(()) };
        let began = match &**name {
            "interval.began" => true,
            "interval.ended" => false,
            _ => return Ok(()),
        };
        let interval = fields.get("interval").ok_or_else(|| unreadable("interval"))?.to_string();
        let key = (node.to_string(), *incarnation, interval);
        if began {
            self.begun.insert(key, (record.at, record.seq));
            return Ok(());
        }
        let elapsed = int(fields, "elapsed")?;
        // One that was begun in another life cannot have been measured by monotonic time.
        let Some((at, seq)) = self.begun.remove(&key) else { return Ok(()) };
        self.judged += 1;
        let real = record.at - at;
        let measured = Duration::from_millis(elapsed.max(0).unsigned_abs());
        if elapsed >= 0 && measured.abs_diff(real) <= self.tolerance {
            return Ok(());
        }
        Err(Breach::of(
            "interval_mismeasured",
            format!("{node} measures {} as {real:?}, give or take {:?}", key.2, self.tolerance),
            format!("it says that it took {elapsed} ms"),
        )
        .with_evidence([seq]))
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                EventKind::new("interval.began", &["interval"], "a process takes the time"),
                EventKind::new("interval.ended", &["interval", "elapsed"], "so many milliseconds ago"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    #[test]
    fn an_interval_is_as_long_as_it_is() {
        let began = |script: Script| script.event("n[0]", "interval.began", &[("interval", "lease".into())]);
        let ended = |script: Script, ms: i64| {
            script.event("n[0]", "interval.ended", &[("interval", "lease".into()), ("elapsed", ms.into())])
        };
        let after = |ms| began(Script::default()).later(Duration::from_millis(ms));
        // Each record takes a millisecond.
        let class = |script: Script| script.judge(&mut IntervalsMonotonic::new(Duration::from_millis(1)));
        assert_eq!(class(ended(after(499), 500)), None);
        assert_eq!(class(ended(after(499), 501)), None);
        assert_eq!(class(ended(after(499), 502)), Some("interval_mismeasured"));
        assert_eq!(class(ended(after(499), -3_600_000)), Some("interval_mismeasured"));
        let mut idle = IntervalsMonotonic::new(Duration::ZERO);
        assert_eq!((ended(Script::default(), 5).judge(&mut idle), idle.exercised()), (None, 0));
    }
}
