//! `counted_durably`: what an upstream has counted it never forgets or counts twice, whatever crashes (X2).
//!
//! Each committed count is one more than the one before, for each caller. Class: `count_lost`, `count_skipped`.

use std::collections::BTreeMap;

use squall::{Invariant, Record, check::Breach, history::Kind};

use super::super::observed::{int, text};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct CountedDurably {
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
        let (caller, count) = (text(fields, "caller")?, int(fields, "count")?);
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
