//! `one_primary`: nobody publishes under a lease that another has by then.

use squall::{Invariant, Record, check::Breach, history::Kind};

/// See the [module](self).
#[derive(Default)]
pub struct OnePrimary {
    /// The newest reign and the record that granted it.
    newest: Option<(i64, u64)>,
    exercised: u64,
}

impl Invariant for OnePrimary {
    fn name(&self) -> &str {
        "one_primary"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        let Some(epoch) = fields.int("epoch") else { return Ok(()) };
        match (&**name, self.newest) {
            ("effect.granted", _) => self.newest = Some((epoch, record.seq)),
            ("effect.published", Some((newest, granted))) => {
                self.exercised += 1;
                if epoch < newest {
                    return Err(Breach::of(
                        "two_primaries",
                        format!("nobody publishes in a reign before {newest}, which has been granted"),
                        format!("{node} published in reign {epoch}"),
                    )
                    .with_evidence([granted]));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}
