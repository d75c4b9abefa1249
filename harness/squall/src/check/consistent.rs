//! The general consistency checkers of [`squall_checkers`] over what clients asked and were told: they know nothing of the system.
//!
//! A check says what the operations are to it in one of two ways.
//!
//! - **By versions**, the vocabulary of [`session`](super::session): operations return `read` or `wrote`, a key, and its `version`. Each is then a
//!   transaction of one access, and the order of a key's versions is known. Whatever is read and was written by no operation that is known to have succeeded was
//!   written by somebody else, at a time that nobody knows.
//! - **By a model**: `{ model: register, key: account, value: balance, ops: { look: read, set: write } }`. Operations are given as calls on an object (a register, a
//!   queue, ..), their arguments and results are fields.
//!
//! A read that is declared `stale` is judged by nothing here. The history is judged at the end of a run, within a budget of steps, which are the same on every
//! machine; a run whose budget runs out is undecided.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use squall_checkers::{
    Budget, Verdict,
    draw::{self, Band},
    formats::{Call, Datum, Ended, Place, Recorded},
    judge::{self, Consistency, Explanation, Model, Question},
    sessions,
    transactions::{self, Assume, History, HistoryError, Level, Txn},
};

use super::{
    Breach, End, Invariant,
    label::label,
    specific::{Told, datum, datum_of},
};
use crate::{
    history::{Fields, Kind, Record},
    language::{
        model::{Check, Consistent as Spec, FieldNames, Scalar, Spanned},
        promises::promise,
    },
};

/// How many steps stand for a second of budget; a step is about 100 ns.
const STEPS_A_SECOND: f64 = 10_000_000.0;

/// Draws what the check of consistency of this name found wrong with a history, with the faults as bands. Nothing if it is no such check.
pub(crate) fn picture(checks: &[Spanned<Check>], violated: &str, history: &[Record]) -> Option<String> {
    let check = checks.iter().find(|check| label(check) == violated)?;
    let check = match &check.value {
        Check::Consistent(consistent) => Consistent::new(label(check), consistent),
        Check::Named(name) => Consistent::builtin(name)?,
        _ => return None,
    };
    check.picture(history)
}

/// The check of one promise, fresh for one run.
pub(crate) struct Consistent {
    label: String,
    promise: Consistency,
    by: By,
    budget: Budget,
    operations: Vec<Operation>,
    /// By id, where it stands in `operations`.
    open: BTreeMap<u32, usize>,
    exercised: u64,
    undecided: Option<String>,
}

enum By {
    Versions,
    Model { model: Model, key: Vec<String>, initial: Datum, told: Told },
}

/// What a client asked and was told.
struct Operation {
    client: u32,
    name: Cow<'static, str>,
    input: Fields,
    invoked: u64,
    invoked_at: Duration,
    /// The record of the answer, when it came, and what it said.
    answer: Option<(u64, Duration, Fields)>,
    ended: Ended,
}

impl Consistent {
    /// The check that a spec writes with arguments.
    pub fn new(label: String, spec: &Spec) -> Self {
        let by = match &spec.of.model {
            None => By::Versions,
            Some(model) => By::Model {
                model: Model::of(&model.value).expect("a valid spec names known models"),
                key: spec.of.key.as_ref().map_or_else(Vec::new, FieldNames::names),
                initial: match &spec.of.initial {
                    None => Datum::Nil,
                    Some(Scalar::Bool(b)) => Datum::Bool(*b),
                    Some(Scalar::Int(i)) => Datum::Int(*i),
                    Some(Scalar::Float(x)) => Datum::Float(*x),
                    Some(Scalar::Text(text)) => Datum::Text(text.as_str().into()),
                },
                told: Told::new(
                    spec.of.ops.iter().map(|(name, meaning)| (name.as_str(), meaning)),
                    spec.of.value.as_ref(),
                ),
            },
        };
        let steps =
            spec.of.budget.as_ref().map(|budget| (budget.value.0.as_secs_f64() * STEPS_A_SECOND) as u64);
        let promise = promise(&spec.promise).expect("only promises are read as such");
        Self {
            budget: Budget { steps: steps.unwrap_or(Budget::default().steps), ..Budget::default() },
            ..Self::of(label, promise, by)
        }
    }

    /// The check that is named without arguments.
    pub fn builtin(name: &str) -> Option<Self> {
        Some(Self::of(name.to_owned(), promise(name)?, By::Versions))
    }

    fn of(label: String, promise: Consistency, by: By) -> Self {
        Consistent {
            label,
            promise,
            by,
            budget: Budget::default(),
            operations: Vec::new(),
            open: BTreeMap::new(),
            exercised: 0,
            undecided: None,
        }
    }

    /// Draws what is wrong with a history, with its faults as bands; nothing if nothing is, or a version was made twice.
    pub fn picture(mut self, history: &[Record]) -> Option<String> {
        for record in history {
            let _ = self.observe(record);
        }
        let bands = bands(history);
        let verdict = self.judge().ok()?;
        draw::explanation(verdict.explanation()?, &bands)
    }

    fn judge(&mut self) -> Result<Verdict<Explanation>, Unjudged> {
        match &self.by {
            By::Versions => self.by_versions(),
            By::Model { model, key, initial, told } => {
                let calls = self.calls(key, told);
                self.exercised = calls.iter().filter(|call| call.ended == Ended::Ok).count() as u64;
                if calls.is_empty() {
                    return Ok(Verdict::Legal { by: "nothing to judge" });
                }
                let question = Question {
                    consistency: Some(self.promise),
                    initial: initial.clone(),
                    budget: self.budget,
                    ..Question::new(*model)
                };
                match judge::judge(&Recorded::Calls(calls), &question) {
                    Ok(judgement) => Ok(judgement.verdict),
                    Err(error) => {
                        let help =
                            if error.help.is_empty() { String::new() } else { format!(". {}", error.help) };
                        // The place of a call is the record of its invocation.
                        let which = self.operations.iter().find(|one| one.invoked == error.place.line);
                        let of = which.map_or_else(String::new, |one| format!(" `{}`", one.name));
                        Err(Unjudged::Malformed(format!(
                            "`{}` cannot judge{of}: {}{help}",
                            self.label, error.message
                        )))
                    }
                }
            }
        }
    }

    /// The operations as calls on an object.
    fn calls(&self, key: &[String], told: &Told) -> Vec<Call> {
        let of_input = |operation: &Operation, names: &[String]| {
            datum_of(names, |name| operation.input.get(name).map(datum))
        };
        let of_result = |operation: &Operation, names: &[String]| {
            let (_, _, fields) = operation.answer.as_ref()?;
            datum_of(names, |name| fields.get(name).map(datum))
        };
        let mut calls = Vec::new();
        for operation in &self.operations {
            let verb = match told.verb(&operation.name, &operation.input) {
                Some(verb) => verb,
                None if told.is_all() => &*operation.name,
                None => continue,
            };
            let value = told.value_of(&operation.name);
            if operation.answer.as_ref().is_some_and(|(_, _, fields)| fields.bool("stale") == Some(true)) {
                continue;
            }
            let asked = of_input(operation, &value).unwrap_or(Datum::Nil);
            // A swap is asked with what it expects and what it puts there.
            let input = match operation.input.get("expected").map(datum) {
                Some(expected) if verb == "cas" => Datum::List(vec![expected, asked]),
                _ => asked,
            };
            let answered = operation.answer.as_ref().filter(|_| operation.ended == Ended::Ok);
            calls.push(Call {
                process: operation.client.into(),
                f: verb.into(),
                key: (!key.is_empty())
                    .then(|| of_input(operation, key).or_else(|| of_result(operation, key)))
                    .flatten(),
                output: of_result(operation, &value).unwrap_or(Datum::Nil),
                input,
                ended: operation.ended,
                invoked: operation.invoked,
                returned: answered.map(|(seq, ..)| *seq),
                times: (Some(operation.invoked_at), answered.map(|(_, at, _)| *at)),
                place: Place { line: operation.invoked, column: 1 },
            });
        }
        calls
    }

    /// The operations as transactions of one access, the order of whose versions is known.
    fn by_versions(&mut self) -> Result<Verdict<Explanation>, Unjudged> {
        let mut builder = History::builder();
        let mut made: BTreeMap<(String, i64), Txn> = BTreeMap::new();
        let mut unwritten: Vec<(String, i64)> = Vec::new();
        let mut judged = 0;
        for operation in &self.operations {
            let (Some((returned, _, fields)), Ended::Ok) = (&operation.answer, operation.ended) else {
                continue;
            };
            // What reads and writes says one version, the one that it made.
            let access = match super::session::access(fields, "wrote")? {
                Some(access) => Some((true, access)),
                None if fields.bool("stale") == Some(true) => None,
                None => super::session::access(fields, "read")?.map(|access| (false, access)),
            };
            let Some((wrote, (name, version))) = access else { continue };
            judged += 1;
            let key = builder.key(&name);
            let transaction = builder.begin(operation.client).at(operation.invoked);
            if wrote {
                let txn = transaction.write(key, version).commit(*returned);
                made.entry((name, version)).or_insert(txn);
            } else {
                // 0 is the version of a key that is not there.
                transaction.read(key, Some(version).filter(|version| *version != 0)).commit(*returned);
                if version != 0 {
                    unwritten.push((name, version));
                }
            }
        }
        self.exercised = judged;
        unwritten.sort_unstable();
        unwritten.dedup();
        unwritten.retain(|version| !made.contains_key(version));
        for (nth, (name, version)) in unwritten.into_iter().enumerate() {
            let key = builder.key(&name);
            // Of a session of its own, and begun before all else: nothing orders it but its version.
            let txn = builder.begin(u32::MAX - nth as u32).at(0).write(key, version).unknown();
            made.insert((name, version), txn);
        }
        let mut versions: BTreeMap<transactions::Key, Vec<Txn>> = BTreeMap::new();
        for ((name, _), txn) in &made {
            versions.entry(builder.key(name)).or_default().push(*txn);
        }
        let history = builder.build().map_err(|error| self.no_history(&error))?;
        let assume = Assume { versions, ..Assume::default() };
        let verdict = match self.promise {
            Consistency::Session(guarantee) => sessions::check(&history, guarantee, self.budget),
            promise => {
                let level = match promise {
                    Consistency::Linearizable => Level::StrictSerializable,
                    Consistency::Sequential => Level::StrongSessionSerializable,
                    Consistency::Level(level) => level,
                    Consistency::Session(_) | Consistency::Property(_) => {
                        unreachable!("sessions are judged above, and no promise is a property")
                    }
                };
                transactions::check(&history, level, &assume, self.budget)
            }
        };
        Ok(verdict.map(Explanation::Transactions))
    }

    /// Two operations that both made one version.
    fn no_history(&self, error: &HistoryError) -> Breach {
        let HistoryError::WrittenTwice { key, value, .. } = error else {
            return Breach::new("malformed_operation", error.to_string());
        };
        let makes = |operation: &&Operation| {
            operation.answer.as_ref().is_some_and(|(_, _, fields)| {
                operation.ended == Ended::Ok
                    && fields.get("wrote").is_some_and(|wrote| wrote.to_string() == *key)
                    && fields.int("version") == Some(*value)
            })
        };
        let both: Vec<&Operation> = self.operations.iter().filter(makes).collect();
        let clients: Vec<String> =
            both.iter().map(|operation| format!("client {}", operation.client)).collect();
        Breach::of(
            "version_made_twice",
            format!("each write of {key} makes a version of its own"),
            format!("{} were both told that theirs made version {value}", clients.join(" and ")),
        )
        .with_evidence(both.iter().filter_map(|operation| operation.answer.as_ref().map(|(seq, ..)| *seq)))
    }

    fn breach(&self, explanation: &Explanation) -> Breach {
        let expected = format!("a history that is {}", self.promise);
        match explanation {
            Explanation::Object(violation) => {
                let seqs = violation.operations.iter().flat_map(|shown| {
                    [Some(shown.invoked.index), shown.returned.map(|returned| returned.index)]
                });
                Breach::of(self.class(), expected, violation.to_string().trim_end().to_owned())
                    .with_evidence(seqs.flatten())
            }
            Explanation::Transactions(anomalies) => match anomalies.first() {
                Some(anomaly) => Breach::of(anomaly.kind.name(), expected, anomaly.to_string())
                    .with_evidence(
                        anomaly
                            .transactions
                            .iter()
                            .flat_map(|transaction| [transaction.start, transaction.end])
                            .flatten(),
                    ),
                None => Breach::new(self.class(), expected),
            },
            Explanation::LongFork(fork) => Breach::of(self.class(), expected, fork.about.clone()),
            Explanation::Property(finding) => {
                Breach::of(finding.class, finding.expected.clone(), finding.seen.clone())
            }
        }
    }

    fn class(&self) -> &'static str {
        match self.promise {
            Consistency::Linearizable => "not_linearizable",
            Consistency::Sequential => "not_sequential",
            Consistency::Level(_) | Consistency::Session(_) | Consistency::Property(_) => "inconsistent",
        }
    }
}

/// Why there is no verdict.
enum Unjudged {
    /// It is wrong before any checker looks at it.
    Broken(Breach),
    /// It says nothing to the checker.
    Malformed(String),
}

impl From<Breach> for Unjudged {
    fn from(breach: Breach) -> Self {
        Unjudged::Broken(breach)
    }
}

/// When faults lasted. One that never heals lasts to the end.
fn bands(history: &[Record]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for record in history {
        match &record.kind {
            Kind::FaultStart { fault, .. } => {
                open.insert(fault, bands.len());
                bands.push(Band { label: fault.to_string(), from: record.at, to: None });
            }
            Kind::FaultHeal { fault, .. } => {
                if let Some(at) = open.remove(&**fault) {
                    bands[at].to = Some(record.at);
                }
            }
            _ => {}
        }
    }
    bands
}

impl Invariant for Consistent {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let (operation, fields, ended) = match &record.kind {
            Kind::Invoke(operation, fields) => {
                self.open.insert(operation.id, self.operations.len());
                self.operations.push(Operation {
                    client: operation.client,
                    name: operation.name.clone(),
                    input: fields.clone(),
                    invoked: record.seq,
                    invoked_at: record.at,
                    answer: None,
                    ended: Ended::Info,
                });
                return Ok(());
            }
            Kind::Ok(operation, fields) => (operation, fields, Ended::Ok),
            Kind::Fail(operation, fields) => (operation, fields, Ended::Fail),
            Kind::Info(operation, fields) => (operation, fields, Ended::Info),
            _ => return Ok(()),
        };
        if let Some(at) = self.open.remove(&operation.id) {
            self.operations[at].answer = Some((record.seq, record.at, fields.clone()));
            self.operations[at].ended = ended;
        }
        Ok(())
    }

    fn finish(&mut self, _end: &End) -> Result<(), Breach> {
        let verdict = match self.judge() {
            Ok(verdict) => verdict,
            Err(Unjudged::Broken(breach)) => return Err(breach),
            Err(Unjudged::Malformed(why)) => {
                self.undecided = Some(why);
                return Ok(());
            }
        };
        match verdict {
            Verdict::Legal { .. } => Ok(()),
            Verdict::Illegal(explanation) => Err(self.breach(&explanation)),
            Verdict::Unknown { reason } => {
                self.undecided = Some(format!(
                    "`{}` {reason}: give it more with `budget`, or the spec fewer operations",
                    self.label
                ));
                Ok(())
            }
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn undecided(&self) -> Option<String> {
        self.undecided.clone()
    }
}

#[cfg(test)]
mod tests;
