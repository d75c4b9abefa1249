//! Judges what a [file](crate::formats) holds: from calls with untyped values to the question that a checker answers.
//!
//! ```
//! use squall_checkers::{formats::{self, Format}, judge::{self, Model, Question}};
//!
//! let file = r#"{"process": 0, "type": "invoke", "f": "write", "value": 1}
//! {"process": 0, "type": "ok", "f": "write", "value": 1}
//! {"process": 1, "type": "invoke", "f": "read"}
//! {"process": 1, "type": "ok", "f": "read", "value": null}
//! "#;
//! let recorded = formats::read(file.as_bytes(), Format::JsonLines)?;
//! let judgement = judge::judge(&recorded, &Question::new(Model::Register))?;
//! assert!(judgement.verdict.is_illegal());
//! # Ok::<(), formats::FormatError>(())
//! ```

use std::{fmt, time::Duration};

use crate::{
    explain,
    formats::{Call, Datum, Ended, FormatError, Place, Recorded},
    sessions::Guarantee,
    transactions::{Anomaly, Holds, Level, LongFork},
    verdict::{Budget, Verdict},
};

mod object;
mod objects;
mod property;
mod transactions;

pub use self::property::{Finding, Heard, Property, Stage, Terms, Trouble, Watch};

/// What kind of thing the calls of a history are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Model {
    /// One cell: `read`, `write`, `cas` of `[old new]`. It holds nothing (nil) at first, or [`Question::initial`].
    Register,
    /// Texts under keys: `get` (or `read`), `put` (or `write`), `append`, `delete`. Nothing and the empty text are the same.
    Kv,
    /// Elements: `add`, `remove`, `contains`; or read as a whole: `read`.
    Set,
    /// First in, first out: `enqueue`, `dequeue`; taking nil found it empty.
    Queue,
    /// Last in, first out: `push`, `pop`; taking nil found it empty.
    Stack,
    /// The smallest first: `push`, `pop`; taking nil found it empty.
    PriorityQueue,
    /// A number, 0 at first: `add`, `read`.
    Counter,
    /// A lock: `acquire`, `release`.
    Mutex,
    /// A lock with tokens that rise: `acquire` answered with the token, `release`.
    FencedMutex,
    /// Transactions (`txn`) of `[append KEY VALUE]` and `[r KEY LIST]`.
    ListAppend,
    /// Transactions (`txn`) of `[w KEY VALUE]` and `[r KEY VALUE]`; or single `read` and `write` calls with a key.
    RwRegister,
    /// As `rw-register`, each key written once: did two readers see two writes in opposite orders?
    LongFork,
    /// What one of the cheap checkers watches.
    Property(Property),
}

impl Model {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Model); 19] = [
        ("register", Model::Register),
        ("kv", Model::Kv),
        ("set", Model::Set),
        ("queue", Model::Queue),
        ("stack", Model::Stack),
        ("priority-queue", Model::PriorityQueue),
        ("counter", Model::Counter),
        ("mutex", Model::Mutex),
        ("fenced-mutex", Model::FencedMutex),
        ("list-append", Model::ListAppend),
        ("rw-register", Model::RwRegister),
        ("long-fork", Model::LongFork),
        ("unique-ids", Model::Property(Property::UniqueIds)),
        ("growing-set", Model::Property(Property::GrowingSet)),
        ("total-queue", Model::Property(Property::TotalQueue)),
        ("counter-bounds", Model::Property(Property::CounterBounds)),
        ("bank", Model::Property(Property::Bank)),
        ("mutual-exclusion", Model::Property(Property::MutualExclusion)),
        ("convergence", Model::Property(Property::Convergence)),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Model::ALL.iter().find(|(_, model)| *model == self).map_or("", |(name, _)| name)
    }

    /// The model of a name; `cas-register` and a few other common names are understood too.
    pub fn of(name: &str) -> Option<Model> {
        let name = name.replace('_', "-");
        let name = match &*name {
            "cas-register" | "rw" => "register",
            "key-value" => "kv",
            "fifo-queue" => "queue",
            "lock" => "mutex",
            name => name,
        };
        Model::ALL.iter().find(|(known, _)| *known == name).map(|(_, model)| *model)
    }

    /// What can be asked of an object, by the usual names. What a [property](Property::verbs) is about, it says itself.
    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Model::Property(_) => &[],
            Model::Register => &["read", "write", "cas"],
            Model::Kv => &["get", "read", "put", "write", "append", "delete", "remove"],
            Model::Set => &["add", "remove", "contains", "read"],
            Model::Queue | Model::Stack | Model::PriorityQueue => {
                &["enqueue", "push", "put", "insert", "dequeue", "pop", "take", "poll"]
            }
            Model::Counter => &["add", "increment", "inc", "read"],
            Model::Mutex | Model::FencedMutex => &["acquire", "lock", "release", "unlock"],
            Model::ListAppend | Model::RwRegister | Model::LongFork => &["txn"],
        }
    }

    /// Whether its calls are transactions.
    pub fn is_of_transactions(self) -> bool {
        matches!(self, Model::ListAppend | Model::RwRegister | Model::LongFork)
    }

    /// Whether its calls are on an object, of which one can ask whether they are linearizable.
    pub fn is_of_objects(self) -> bool {
        !self.is_of_transactions() && !matches!(self, Model::Property(_))
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Each call takes effect at one moment between its invocation and its return.
    Linearizable,
    /// All calls in one order that keeps that of each process.
    Sequential,
    /// A level of transactions.
    Level(Level),
    /// What each session is sure to see.
    Session(Guarantee),
    /// What a cheap checker watches. No name asks for it, as the model does.
    Property(Property),
}

impl Consistency {
    /// The promise of a name. `causal`, `read-committed` and `read-atomic` are levels; sessions have the other names.
    pub fn of(name: &str) -> Option<Consistency> {
        match name {
            "linearizable" => Some(Consistency::Linearizable),
            "sequential" => Some(Consistency::Sequential),
            "snapshot" => Some(Consistency::Level(Level::SnapshotIsolation)),
            _ => Level::of(name).map(Consistency::Level).or_else(|| {
                Guarantee::ALL
                    .into_iter()
                    .find(|guarantee| guarantee.name() == name)
                    .map(Consistency::Session)
            }),
        }
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        let mut names = vec!["linearizable", "sequential"];
        names.extend(Level::ALL.map(Level::name));
        names
            .extend(Guarantee::ALL.map(Guarantee::name).into_iter().filter(|name| Level::of(name).is_none()));
        names
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Consistency::Linearizable => "linearizable",
            Consistency::Sequential => "sequential",
            Consistency::Level(level) => level.name(),
            Consistency::Session(guarantee) => guarantee.name(),
            Consistency::Property(property) => property.name(),
        })
    }
}

/// What is asked of a history.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it is a history of.
    pub model: Model,
    /// What is promised. None: linearizable for objects; for transactions strict serializability, or serializability where no times
    /// are known.
    pub consistency: Option<Consistency>,
    /// What a register holds at first.
    pub initial: Datum,
    /// Values are `[key value]`, as Jepsen's independent workloads write them.
    pub keyed_values: bool,
    /// How much may be spent.
    pub budget: Budget,
}

impl Question {
    /// The usual question about a model.
    pub fn new(model: Model) -> Self {
        Question {
            model,
            consistency: None,
            initial: Datum::Nil,
            keyed_values: false,
            budget: Budget::default(),
        }
    }
}

/// Why a history is illegal.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Explanation {
    /// Calls on an object that no order explains.
    Object(explain::Violation),
    /// What is wrong with transactions.
    Transactions(Vec<Anomaly>),
    /// Two readers that saw two writes in opposite orders.
    LongFork(LongFork),
    /// What a cheap checker found.
    Property(Finding),
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Object(violation) => violation.fmt(f),
            Explanation::Transactions(anomalies) => {
                for (i, anomaly) in anomalies.iter().enumerate() {
                    write!(f, "{}{anomaly}", if i == 0 { "" } else { "\n\n" })?;
                }
                Ok(())
            }
            Explanation::LongFork(fork) => f.write_str(&fork.about),
            Explanation::Property(finding) => finding.fmt(f),
        }
    }
}

/// How many calls, or transactions, a history has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counts {
    /// That took effect.
    pub ok: u64,
    /// That did not.
    pub fail: u64,
    /// Of which that is not known.
    pub info: u64,
    /// By how many processes, or in how many sessions.
    pub processes: u64,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What was taken to be promised.
    pub consistency: Consistency,
    /// Whether it was kept.
    pub verdict: Verdict<Explanation>,
    /// What was judged.
    pub counts: Counts,
    /// Of transactions: of each level, whether the history is of it. Empty where one was asked for and it holds.
    pub levels: Vec<(Level, Holds)>,
    /// Of transactions: the strongest levels among those that hold.
    pub strongest: Vec<Level>,
    /// What is not an error and yet weakens the answer, a sentence each.
    pub notes: Vec<String>,
}

/// Judges a history.
///
/// # Errors
/// The first call that the model does not know, or that is not written as it must be, with its place; a promise that the model does not go
/// with; nothing to judge.
pub fn judge(recorded: &Recorded, question: &Question) -> Result<Judgement, FormatError> {
    let counts = count(recorded);
    if counts.ok + counts.info == 0 {
        let place = Place { line: 1, column: 1 };
        return Err(FormatError::at(place, "there is nothing to judge: no call took effect or may have", ""));
    }
    let answer = match question.model {
        Model::Property(property) => Watch::whole(property, recorded, question)?,
        model if model.is_of_transactions() => transactions::judge(recorded, question)?,
        _ => objects::judge(recorded, question)?,
    };
    let notes = answer.notes.into_iter().chain(times_that_go_back(recorded)).collect();
    Ok(Judgement { counts, notes, ..answer })
}

/// What is to be known of a file whose events do not stand in the order of their times.
fn times_that_go_back(recorded: &Recorded) -> Option<String> {
    let Recorded::Calls(calls) = recorded else { return None };
    let mut events: Vec<(u64, Duration, &Call)> = Vec::new();
    for call in calls {
        events.extend(call.times.0.map(|time| (call.invoked, time, call)));
        events.extend(call.returned.zip(call.times.1).map(|(returned, time)| (returned, time, call)));
    }
    events.sort_unstable_by_key(|(index, ..)| *index);
    let (before, after) =
        events.windows(2).map(|pair| (pair[0], pair[1])).find(|(one, next)| next.1 < one.1)?;
    Some(format!(
        "times go back, first with the call of line {}: one of its events is of {:?} and stands after one of {:?}. What counts is the order in which events stand",
        after.2.place.line, after.1, before.1
    ))
}

fn count(recorded: &Recorded) -> Counts {
    let mut counts = Counts::default();
    let mut ended = |how: Ended| match how {
        Ended::Ok => counts.ok += 1,
        Ended::Fail => counts.fail += 1,
        Ended::Info => counts.info += 1,
    };
    let processes = match recorded {
        Recorded::Calls(calls) => {
            let mut processes: Vec<u64> = calls.iter().map(|call| call.process).collect();
            calls.iter().for_each(|call| ended(call.ended));
            processes.sort_unstable();
            processes.dedup();
            processes.len()
        }
        Recorded::Sessions(sessions) => {
            sessions.iter().flatten().for_each(|transaction| ended(transaction.ended));
            sessions.len()
        }
    };
    Counts { processes: processes as u64, ..counts }
}

/// The error of a promise that goes with another kind of model.
fn goes_with(consistency: Consistency, model: Model) -> FormatError {
    let (kind, names) = if model.is_of_transactions() {
        (
            "transactions",
            "one of the levels, such as serializable, snapshot-isolation, causal, read-committed, read-your-writes",
        )
    } else {
        ("single calls on an object", "linearizable or sequential")
    };
    FormatError::at(
        Place { line: 1, column: 1 },
        format!("`{consistency}` is no promise about `{}`, which is of {kind}", model.name()),
        format!("ask for {names}"),
    )
}
