//! `counted_durably`: what an upstream has counted it never forgets or counts twice, whatever crashes (X2).
//!
//! Each committed count is one more than the one before, for each caller. Class: `count_lost`, `count_skipped`.

use std::collections::BTreeMap;

use squall::{Invariant, Record, check::Breach, history::Kind};

/// See the [module](self).
#[derive(Default)]
pub(super) struct CountedDurably {
    /// By upstream and caller: the last count, and the record that told it.
    counts: BTreeMap<(String, String), (i64, u64)>,
    judged: u64,
}

impl Invariant for CountedDurably {
    fn name(&self) -> &str {
        "counted_durably"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        if name != "effect.counted" {
            return Ok(());
        }
        self.judged += 1;
        let (Some(caller), Some(count)) = (fields.text("caller"), fields.int("count")) else {
            return Err(Breach::of(
                "unreadable_event",
                "a count has a caller and a number",
                fields.to_string(),
            ));
        };
        let last = self.counts.insert((node.to_string(), caller.to_owned()), (count, record.seq));
        let (before, seq) = last.unwrap_or((0, record.seq));
        let class = match count - before {
            1 => return Ok(()),
            2.. => "count_skipped",
            _ => "count_lost",
        };
        Err(Breach::of(
            class,
            format!("{node} counts {} next for {caller}", before + 1),
            format!("it counted {count}"),
        )
        .with_evidence([seq]))
    }

    fn exercised(&self) -> u64 {
        self.judged
    }
}

#[cfg(test)]
mod tests {
    use squall::Fields;

    use super::*;

    #[test]
    fn counts_go_up_by_one() {
        let class = |counts: &[i64]| {
            let mut invariant = CountedDurably::default();
            counts.iter().find_map(|count| {
                let fields = Fields::new().with("caller", "callers[0]").with("count", *count);
                let kind = Kind::Event {
                    node: "upstream[0]".into(),
                    incarnation: 1,
                    name: "effect.counted".into(),
                    fields,
                };
                let record = Record { seq: 0, at: std::time::Duration::ZERO, kind };
                invariant.observe(&record).err().map(|breach| breach.class)
            })
        };
        assert_eq!(class(&[1, 2, 3]), None);
        assert_eq!(class(&[1, 2, 2]), Some("count_lost"));
        assert_eq!(class(&[1, 3]), Some("count_skipped"));
    }
}
