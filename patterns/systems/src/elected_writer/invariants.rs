//! What must hold of the register, judged by what the store did and by what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

#[cfg(test)]
mod tests;

/// `reads_current`: whoever reads sees at least what anyone had been told before the read began, and what was written.
///
/// Classes: `stale_read`, `wrong_value`.
#[derive(Default)]
pub(super) struct Current {
    /// The highest version that a client was told, and in which record.
    told: (i64, u64),
    /// By operation under way: what had been told when it began.
    begun: BTreeMap<u32, (i64, u64)>,
    /// By version: the value, and the record of its write.
    written: BTreeMap<i64, (i64, u64)>,
    reads: u64,
}

impl Invariant for Current {
    fn name(&self) -> &str {
        "reads_current"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { name, fields, .. } if name == "effect.written" => {
                self.written.insert(int(fields, "version")?, (int(fields, "value")?, record.seq));
            }
            Kind::Invoke(operation, _) => {
                self.begun.insert(operation.id, self.told);
            }
            Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                self.begun.remove(&operation.id);
            }
            Kind::Ok(operation, fields) => {
                let (version, value) = (int(fields, "version")?, int(fields, "value")?);
                let (known, seq) = self.begun.remove(&operation.id).unwrap_or_default();
                if operation.name == "read" {
                    self.reads += 1;
                    if version < known {
                        return Err(Breach::of(
                            "stale_read",
                            format!("a read sees version {known} or later, which a client had been told before it began"),
                            format!("read {} of client {} sees version {version}", operation.id, operation.client),
                        )
                        .with_evidence([seq]));
                    }
                }
                let (written, by) =
                    self.written.get(&version).map_or((0, None), |(value, by)| (*value, Some(*by)));
                if value != written {
                    return Err(Breach::of(
                        "wrong_value",
                        format!("version {version} is {written}, as it was written"),
                        format!("client {} is told that it is {value}", operation.client),
                    )
                    .with_evidence(by));
                }
                if version > self.told.0 {
                    self.told = (version, record.seq);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.reads
    }
}

/// `writer_elected`: somebody holds the role.
#[derive(Default)]
pub(super) struct Elected {
    holders: BTreeSet<String>,
}

impl Condition for Elected {
    fn name(&self) -> &str {
        "writer_elected"
    }

    fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Event { node, name, .. } if name == "role.acquired" => {
                self.holders.insert(node.to_string());
            }
            Kind::Event { node, name, .. } if name == "role.lost" => {
                self.holders.remove(&**node);
            }
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                self.holders.remove(&**node);
            }
            _ => {}
        }
    }

    fn holds(&self) -> bool {
        !self.holders.is_empty()
    }

    fn because(&self) -> String {
        "no writer is elected".to_owned()
    }
}

fn int(fields: &Fields, name: &str) -> Result<i64, Breach> {
    fields.int(name).ok_or_else(|| unreadable(name))
}

fn unreadable(field: &str) -> Breach {
    Breach::of(
        "unreadable_event",
        format!("an event has the field `{field}`"),
        "it is missing, or of another type",
    )
}
