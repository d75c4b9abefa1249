//! The cheap checkers of [`squall_checkers`] over what clients asked and were told, and over what nodes report: each knows one property
//! (ids are unique, a queue loses nothing, ..) and nothing of the system.
//!
//! A check says what operations and events are to it, by verbs: `unique_ids: { ops: { take: give }, value: id }`. An operation is told to
//! the checker at its invocation and at its end, an event is a call that begins and ends where it stands. So the run stops at the violation;
//! what only the end can tell (what a queue lost, replicas that differ) is told there. A result that is declared `stale` is judged by nothing.
//!
//! What says nothing to a checker (a field that is not there, a value that is no number) is no violation: the run is undecided.

use std::{collections::BTreeMap, time::Duration};

use squall_checkers::{
    formats::Datum,
    judge::{Finding, Heard, Stage, Terms, Trouble, Watch},
};

use super::{Breach, End, Invariant};
use crate::{
    history::{Fields, Kind, Lifecycle, Record, Value},
    language::{
        diagnostic::name_help,
        model::{FieldNames, Meaning, Scalar, Specific as Spec},
    },
};

/// Operations and events that are told to checkers, and where their values are.
pub(super) struct Told {
    meanings: Vec<(String, Meaning)>,
    value: Vec<String>,
}

impl Told {
    pub(super) fn new<'a>(
        ops: impl Iterator<Item = (&'a str, &'a Meaning)>,
        value: Option<&FieldNames>,
    ) -> Self {
        Told {
            meanings: ops.map(|(name, meaning)| (name.to_owned(), meaning.clone())).collect(),
            value: value.map_or_else(|| vec!["value".to_owned()], FieldNames::names),
        }
    }

    /// Whether all is told, each under its own name.
    pub(super) fn is_all(&self) -> bool {
        self.meanings.is_empty()
    }

    /// What an operation or an event is to the checker; none if that has nothing to do with it.
    pub(super) fn verb(&self, name: &str, fields: &Fields) -> Option<&str> {
        let (_, meaning) = self.meanings.iter().find(|(known, _)| known == name)?;
        let holds = |(field, value): (&crate::language::Spanned<String>, &Scalar)| {
            fields.get(field).is_some_and(|found| found.to_string() == text_of(value))
        };
        meaning.fields.iter().all(holds).then_some(&meaning.verb)
    }

    /// The fields that hold its value.
    pub(super) fn value_of(&self, name: &str) -> Vec<String> {
        let own = self.meanings.iter().find(|(known, _)| known == name);
        own.and_then(|(_, meaning)| meaning.value.as_ref())
            .map_or_else(|| self.value.clone(), FieldNames::names)
    }
}

fn text_of(value: &Scalar) -> String {
    match value {
        Scalar::Bool(b) => b.to_string(),
        Scalar::Int(i) => i.to_string(),
        Scalar::Float(x) => x.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

pub(super) fn datum(value: &Value) -> Datum {
    match value {
        Value::Bool(b) => Datum::Bool(*b),
        Value::Int(i) => Datum::Int(*i),
        Value::Float(x) => Datum::Float(*x),
        Value::Text(text) => Datum::Text(text.as_str().into()),
    }
}

/// A value without the marks that tell a text from a name.
fn plain(value: &Datum) -> String {
    value.text().map_or_else(|| value.to_string(), str::to_owned)
}

/// What these fields hold together. None if one of them is not there.
pub(super) fn datum_of(names: &[String], at: impl Fn(&str) -> Option<Datum>) -> Option<Datum> {
    match names {
        [only] => at(only),
        several => several.iter().map(|name| at(name)).collect::<Option<Vec<Datum>>>().map(Datum::List),
    }
}

/// The check of one property, fresh for one run.
pub(crate) struct Specific {
    label: String,
    watch: Watch,
    told: Told,
    key: Vec<String>,
    by: Vec<String>,
    /// Open operations: their arguments.
    open: BTreeMap<u32, Fields>,
    /// The records of what was heard, with their times.
    heard: Vec<(u64, Duration)>,
    undecided: Option<String>,
}

/// An operation or an event, as far as it has come.
struct Said<'a> {
    /// A number of its own.
    call: u64,
    name: &'a str,
    who: Who<'a>,
    asked: &'a Fields,
    told: &'a Fields,
    seq: u64,
    at: Duration,
}

/// Who asks or reports.
enum Who<'a> {
    Client(u32),
    Node(&'a str),
}

impl Said<'_> {
    fn field(&self, name: &str) -> Option<Datum> {
        let found = self.told.get(name).or_else(|| self.asked.get(name)).map(datum);
        found.or_else(|| match (&self.who, name) {
            (Who::Client(client), "client") => Some(Datum::Int((*client).into())),
            (Who::Node(node), "node") => Some(Datum::Text((*node).into())),
            _ => None,
        })
    }

    /// What names an object, for people: `account 0, version 3`. None if one of the fields is not there.
    fn key(&self, names: &[String]) -> Option<Datum> {
        let named = |name: &String| self.field(name).map(|value| format!("{name} {}", plain(&value)));
        let parts = names.iter().map(named).collect::<Option<Vec<String>>>()?;
        Some(Datum::Text(parts.join(", ").into()))
    }

    /// Its fields, by name.
    fn fields(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.told.iter().chain(self.asked.iter()).map(|(name, _)| name).collect();
        names.push(match self.who {
            Who::Client(_) => "client",
            Who::Node(_) => "node",
        });
        names
    }
}

impl Specific {
    /// The check that a spec writes.
    pub fn new(label: String, spec: &Spec) -> Self {
        let of = &spec.of;
        let names = |names: &Option<FieldNames>| names.as_ref().map_or_else(Vec::new, FieldNames::names);
        let gives_back = |meaning: &Meaning| matches!(meaning.verb.as_str(), "release" | "unlock" | "lose");
        let usual = Terms::default();
        let terms = Terms {
            keyed: of.key.is_some(),
            stale_reads: of.stale_reads.unwrap_or(usual.stale_reads),
            total: of.total,
            overdraft: of.overdraft.unwrap_or(usual.overdraft),
            drained: of.drained.unwrap_or(usual.drained),
            released: of.ops.values().any(gives_back),
        };
        Specific {
            label,
            watch: Watch::new(spec.property, terms),
            told: Told::new(of.ops.iter().map(|(name, meaning)| (name.as_str(), meaning)), of.value.as_ref()),
            key: names(&of.key),
            by: names(&of.by),
            open: BTreeMap::new(),
            heard: Vec::new(),
            undecided: None,
        }
    }

    fn hear(&mut self, said: &Said<'_>, stage: Stage) -> Result<(), Breach> {
        let Some(verb) = self.told.verb(said.name, said.asked) else { return Ok(()) };
        if self.undecided.is_some() {
            return Ok(());
        }
        self.heard.push((said.seq, said.at));
        let key = (!self.key.is_empty()).then(|| said.key(&self.key)).flatten();
        let names = self.told.value_of(said.name);
        let value = datum_of(&names, |name| said.field(name)).unwrap_or(Datum::Nil);
        let by = match (&self.by.is_empty(), &said.who) {
            (true, Who::Client(client)) => format!("client {client}"),
            (true, Who::Node(node)) => (*node).to_owned(),
            (false, _) => match datum_of(&self.by, |name| said.field(name)) {
                Some(by) => plain(&by),
                // Only what took effect needs to say it.
                None if stage != Stage::Ok => String::new(),
                None => {
                    self.malformed(said, &self.by.clone(), "nobody is named", "");
                    return Ok(());
                }
            },
        };
        let heard = Heard {
            call: said.call,
            by: &by,
            f: verb,
            key: key.as_ref(),
            value: &value,
            stage,
            index: said.seq,
        };
        match self.watch.hear(&heard) {
            Ok(()) => Ok(()),
            Err(Trouble::Illegal(finding)) => Err(breach(finding)),
            Err(Trouble::Malformed(message, help)) => {
                let looked_at = if message.contains("key") { self.key.clone() } else { names };
                self.malformed(said, &looked_at, &message, &help);
                Ok(())
            }
        }
    }

    /// Says that nothing can be judged, with the fields that there are.
    fn malformed(&mut self, said: &Said<'_>, looked_at: &[String], message: &str, help: &str) {
        let fields = said.fields();
        let missing = looked_at.iter().find(|name| said.field(name).is_none());
        let help = match missing {
            Some(name) => name_help(name, &format!("`{}` has no `{name}`; its fields", said.name), &fields),
            None => help.to_owned(),
        };
        self.undecided = Some(format!("`{}` cannot judge `{}`: {message}. {help}", self.label, said.name));
    }
}

fn breach(finding: Finding) -> Breach {
    let Finding { class, expected, seen, indices } = finding;
    Breach::of(class, expected, seen).with_evidence(indices)
}

impl Invariant for Specific {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let none = Fields::new();
        let Record { seq, at, .. } = *record;
        match &record.kind {
            Kind::Invoke(operation, asked) => {
                self.open.insert(operation.id, asked.clone());
                let (call, who) = (operation.id.into(), Who::Client(operation.client));
                let said = Said { call, name: &operation.name, who, asked, told: &none, seq, at };
                self.hear(&said, Stage::Invoked)
            }
            Kind::Ok(operation, told) | Kind::Fail(operation, told) | Kind::Info(operation, told) => {
                let Some(asked) = self.open.remove(&operation.id) else { return Ok(()) };
                let (call, who) = (operation.id.into(), Who::Client(operation.client));
                let said = Said { call, name: &operation.name, who, asked: &asked, told, seq, at };
                let stage = match &record.kind {
                    Kind::Ok(..) if told.bool("stale") != Some(true) => Stage::Ok,
                    Kind::Fail(..) => Stage::Failed,
                    _ => Stage::Unknown,
                };
                self.hear(&said, stage)
            }
            Kind::Event { node, name, fields, .. } => {
                // Operations have numbers of 32 bits.
                let (call, who) = (1 << 32 | seq, Who::Node(node));
                let said = Said { call, name, who, asked: fields, told: &none, seq, at };
                self.hear(&said, Stage::Invoked).and_then(|()| self.hear(&said, Stage::Ok))
            }
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                self.watch.gone(node);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        if self.undecided.is_some() {
            return Ok(());
        }
        let settled =
            self.heard.iter().find(|(_, at)| *at >= end.healed_at).map_or(u64::MAX, |(seq, _)| *seq);
        self.watch.finish(settled).map_err(breach)
    }

    fn exercised(&self) -> u64 {
        self.watch.judged()
    }

    fn undecided(&self) -> Option<String> {
        self.undecided.clone()
    }
}

#[cfg(test)]
mod tests;
