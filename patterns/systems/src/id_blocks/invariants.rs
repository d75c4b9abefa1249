//! What must hold of the numbers, judged by what the sequencer and the allocators report of their effects.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    Condition, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

#[cfg(test)]
mod tests;

/// `ids_unique`: no number is handed out twice, whoever hands it out. Class: `issued_twice`.
#[derive(Default)]
pub(super) struct Unique {
    /// By number: who handed it out, and in which record.
    issued: BTreeMap<i64, (String, u64)>,
}

impl Invariant for Unique {
    fn name(&self) -> &str {
        "ids_unique"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        if name != "effect.issued" {
            return Ok(());
        }
        let id = int(fields, "id")?;
        match self.issued.insert(id, (node.to_string(), record.seq)) {
            None => Ok(()),
            Some((other, seq)) => Err(Breach::of(
                "issued_twice",
                format!("{id} is handed out once"),
                format!("{node} hands it out, which {other} had handed out"),
            )
            .with_evidence([seq])),
        }
    }

    fn exercised(&self) -> u64 {
        self.issued.len() as u64
    }
}

/// `blocks_disjoint`: no two requests get the same number reserved, and what is reserved is never forgotten. Class: `overlap`.
#[derive(Default)]
pub(super) struct Disjoint {
    /// By first number: its size, for which request of whom, and in which record.
    blocks: BTreeMap<i64, (i64, (String, String), u64)>,
}

impl Invariant for Disjoint {
    fn name(&self) -> &str {
        "blocks_disjoint"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(("effect.reserved", fields)) = record.event() else { return Ok(()) };
        let (first, size) = (int(fields, "first")?, int(fields, "size")?);
        let request = (text(fields, "allocator")?.to_owned(), text(fields, "request")?.to_owned());
        // All blocks so far are disjoint, so only the last that begins before this one ends can overlap it.
        if let Some((before, (length, holder, seq))) = self.blocks.range(..first + size).next_back()
            && before + length > first
        {
            // A repetition. What it repeats may never have been reported: its process died between commit and report.
            if (*before, *length, holder) == (first, size, &request) {
                return Ok(());
            }
            return Err(Breach::of(
                "overlap",
                format!(
                    "no number is reserved twice: {}'s request {} has {length} from {before}",
                    holder.0, holder.1
                ),
                format!("{}'s request {} gets {size} from {first}", request.0, request.1),
            )
            .with_evidence([*seq]));
        }
        self.blocks.insert(first, (size, request, record.seq));
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.blocks.len() as u64
    }
}

/// `allocators_stocked`: whoever asked for a block last has got it.
#[derive(Default)]
pub(super) struct Stocked {
    waiting: BTreeSet<String>,
}

impl Condition for Stocked {
    fn name(&self) -> &str {
        "allocators_stocked"
    }

    fn observe(&mut self, record: &Record) {
        match &record.kind {
            Kind::Event { node, name, .. } if name == "allocator.unanswered" => {
                self.waiting.insert(node.to_string());
            }
            Kind::Event { node, name, .. } if name == "allocator.stocked" => {
                self.waiting.remove(&**node);
            }
            // One that has just started has none.
            Kind::Node { node, change: Lifecycle::Started, .. } if node.starts_with("allocators[") => {
                self.waiting.insert(node.to_string());
            }
            _ => {}
        }
    }

    fn holds(&self) -> bool {
        self.waiting.is_empty()
    }

    fn because(&self) -> String {
        let waiting: Vec<_> = self.waiting.iter().map(String::as_str).collect();
        format!("the sequencer has not answered {}", waiting.join(", "))
    }
}

fn int(fields: &Fields, name: &str) -> Result<i64, Breach> {
    fields.int(name).ok_or_else(|| unreadable(name))
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Breach> {
    fields.text(name).ok_or_else(|| unreadable(name))
}

fn unreadable(field: &str) -> Breach {
    Breach::of(
        "unreadable_event",
        format!("an event has the field `{field}`"),
        "it is missing, or of another type",
    )
}
