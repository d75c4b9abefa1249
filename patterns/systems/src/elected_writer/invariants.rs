//! What must hold of the register, judged by what the store did and by what clients were told.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

#[cfg(test)]
mod tests;

/// `writes_fenced`: the store takes tokens in rising order, each from one writer, and every write makes a new version.
///
/// Classes: `old_token`, `shared_token`, `version_reused`.
#[derive(Default)]
pub(super) struct Fenced {
    /// The highest token so far, its writer, and the record that showed it first.
    highest: Option<(i64, String, u64)>,
    version: i64,
    writes: u64,
}

impl Invariant for Fenced {
    fn name(&self) -> &str {
        "writes_fenced"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some((name @ ("effect.fenced" | "effect.written"), fields)) = record.event() else {
            return Ok(());
        };
        let (token, writer) = (int(fields, "token")?, text(fields, "writer")?);
        let message = match &self.highest {
            Some((highest, holder, _)) if token < *highest => Some((
                "old_token",
                format!("the store takes token {token} of {writer} after {highest} of {holder}"),
            )),
            Some((highest, holder, _)) if token == *highest && writer != holder => {
                Some(("shared_token", format!("{writer} and {holder} both have token {token}")))
            }
            _ => None,
        };
        if let (Some((class, message)), Some((_, _, seq))) = (message, &self.highest) {
            return Err(Breach::new(class, message).with_evidence([*seq]));
        }
        if self.highest.as_ref().is_none_or(|(highest, ..)| token > *highest) {
            self.highest = Some((token, writer.to_owned(), record.seq));
        }
        if name == "effect.written" {
            self.writes += 1;
            let version = int(fields, "version")?;
            if version <= self.version {
                let message = format!("{writer}'s write makes version {version}, which was made before");
                return Err(Breach::new("version_reused", message));
            }
            self.version = version;
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.writes
    }
}

/// `reads_current`: whoever reads sees at least what anyone had been told before the read began, and what was written.
///
/// Classes: `stale_read`, `wrong_value`.
#[derive(Default)]
pub(super) struct Current {
    /// The highest version that a client was told, and in which record.
    told: (i64, u64),
    /// By operation under way: what had been told when it began.
    begun: BTreeMap<u32, (i64, u64)>,
    /// By version: the value.
    written: BTreeMap<i64, i64>,
    reads: u64,
}

impl Invariant for Current {
    fn name(&self) -> &str {
        "reads_current"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { name, fields, .. } if name == "effect.written" => {
                self.written.insert(int(fields, "version")?, int(fields, "value")?);
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
                        let message =
                            format!("a read sees version {version} when {known} had been told before");
                        return Err(Breach::new("stale_read", message).with_evidence([seq]));
                    }
                }
                let written = self.written.get(&version).copied().unwrap_or(0);
                if value != written {
                    let message =
                        format!("version {version} is told to be {value}, and {written} was written");
                    return Err(Breach::new("wrong_value", message));
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

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Breach> {
    fields.text(name).ok_or_else(|| unreadable(name))
}

fn unreadable(field: &str) -> Breach {
    Breach::new("unreadable_event", format!("an event does not say what it must in the field `{field}`"))
}
