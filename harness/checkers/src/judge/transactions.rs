//! Transactions, as the graph takes them.

use std::collections::HashMap;

use super::{Consistency, Counts, Explanation, Judgement, Model, Question, goes_with};
use crate::{
    formats::{Call, Datum, Ended, FormatError, Place, Recorded},
    sessions,
    transactions::{self, Assume, Builder, History, Holds, Key, Level, Report, TransactionBuilder, Value},
    verdict::Verdict,
};

pub(super) fn judge(recorded: &Recorded, question: &Question) -> Result<Judgement, FormatError> {
    let mut reader = Reader { lists: question.model == Model::ListAppend, ..Reader::default() };
    let timed = match recorded {
        Recorded::Calls(calls) => {
            for call in calls {
                reader.call(call, question.keyed_values)?;
            }
            true
        }
        Recorded::Sessions(_) if reader.lists => {
            return Err(FormatError::at(
                Place { line: 1, column: 1 },
                "this file's reads and writes are of registers, not of lists",
                "judge it as `--model rw-register`",
            ));
        }
        Recorded::Sessions(sessions) => {
            for (number, session) in sessions.iter().enumerate() {
                for transaction in session {
                    reader.committed(number as u32, transaction);
                }
            }
            false
        }
    };
    let Reader { builder, places, numbers, .. } = reader;
    let history = builder.build().map_err(|error| {
        let place = match &error {
            transactions::HistoryError::EndsBeforeItBegins { transaction }
            | transactions::HistoryError::ListAndRegister { transaction, .. }
            | transactions::HistoryError::WrittenTwice { again: transaction, .. } => {
                places.get(transaction.0 as usize).copied()
            }
            transactions::HistoryError::TooLarge => None,
        };
        let mut message = error.to_string();
        if let transactions::HistoryError::WrittenTwice { value, .. } = &error
            && let Some((named, number)) = numbers.iter().find(|(_, number)| *number == value)
        {
            message = message.replace(&number.to_string(), &named.to_string());
        }
        FormatError::at(place.unwrap_or(Place { line: 1, column: 1 }), message, "")
    })?;
    answer(&history, question, timed)
}

fn answer(history: &History, question: &Question, timed: bool) -> Result<Judgement, FormatError> {
    let usual = if timed { Level::StrictSerializable } else { Level::Serializable };
    let consistency = match (question.model, question.consistency) {
        (Model::LongFork, None) => Consistency::Level(Level::SnapshotIsolation),
        (_, asked) => asked.unwrap_or(Consistency::Level(usual)),
    };
    let mut notes = Vec::new();
    let of = |verdict, notes| Judgement {
        consistency,
        verdict,
        counts: Counts::default(),
        levels: Vec::new(),
        strongest: Vec::new(),
        notes,
    };
    match consistency {
        Consistency::Linearizable | Consistency::Sequential | Consistency::Property(_) => {
            Err(goes_with(consistency, question.model))
        }
        Consistency::Level(_) if question.model == Model::LongFork => {
            Ok(of(transactions::long_fork(history, question.budget).map(Explanation::LongFork), notes))
        }
        Consistency::Session(guarantee) => {
            let verdict = sessions::check(history, guarantee, question.budget);
            Ok(of(verdict.map(Explanation::Transactions), notes))
        }
        Consistency::Level(level) => {
            let report = transactions::analyze(history, &Assume::default(), question.budget);
            if !timed
                && (level == Level::StrictSerializable
                    || level.name().starts_with("strong-") && !level.name().contains("session"))
            {
                notes
                    .push("the file has no times: what speaks of real time was judged without it".to_owned());
            }
            let verdict = verdict(&report, level);
            let levels: Vec<(Level, Holds)> =
                report.levels.iter().map(|(level, holds)| (*level, *holds)).collect();
            notes.extend(report.unordered.iter().take(1).map(|unordered| {
                format!(
                    "of {} keys the order of writes is not known in full (`{}` has {} sequences that nothing orders)",
                    report.unordered.len(),
                    unordered.key,
                    unordered.sequences
                )
            }));
            Ok(Judgement { levels, strongest: report.strongest(), ..of(verdict, notes) })
        }
    }
}

fn verdict(report: &Report, level: Level) -> Verdict<Explanation> {
    report.verdict(level).map(Explanation::Transactions)
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    lists: bool,
    /// Numbers for values that are none.
    numbers: HashMap<Datum, Value>,
    /// Of each transaction.
    places: Vec<Place>,
}

/// What a transaction does with a key.
enum Access {
    Append(Key, Value),
    ReadList(Key, Vec<Value>),
    Write(Key, Value),
    Read(Key, Option<Value>),
}

impl Reader {
    fn call(&mut self, call: &Call, keyed_values: bool) -> Result<(), FormatError> {
        // What a transaction read is known only if it answered.
        let answered = call.ended == Ended::Ok;
        let value = if answered { &call.output } else { &call.input };
        let mut accesses = Vec::new();
        match &*call.f {
            "read" | "r" | "write" | "w" | "append" => {
                let (key, value) = match (&call.key, value.list()) {
                    (Some(key), _) => (key, value),
                    (None, Some([key, value])) if keyed_values => (key, value),
                    _ => {
                        return Err(wrong(
                            call,
                            "has no key",
                            "give events a `key`, or values `[key value]` with `--keyed-values`",
                        ));
                    }
                };
                accesses.extend(self.access(call, &call.f, key, value, answered)?);
            }
            _ => {
                let Some(items) = value.list() else {
                    return Err(wrong(
                        call,
                        &format!("is {} of {value}, not of a list of accesses", call.f),
                        "write `[[r KEY nil] [append KEY VALUE]]`",
                    ));
                };
                for item in items {
                    match item.list() {
                        Some([kind, key, value]) if kind.text().is_some() => {
                            accesses.extend(self.access(
                                call,
                                kind.text().unwrap_or_default(),
                                key,
                                value,
                                answered,
                            )?);
                        }
                        _ => {
                            return Err(wrong(
                                call,
                                &format!("has {item}, which is no access"),
                                "an access is `[r KEY nil]`, `[w KEY VALUE]` or `[append KEY VALUE]`",
                            ));
                        }
                    }
                }
            }
        }
        let session = u32::try_from(call.process)
            .map_err(|_| wrong(call, "is of a process beyond 32 bits", "number the processes from 0"))?;
        let transaction = fill(self.builder.begin(session).at(call.invoked), accesses);
        match call.ended {
            Ended::Ok => transaction.commit(call.returned),
            Ended::Fail => transaction.abort(call.returned),
            Ended::Info => transaction.unknown(),
        };
        self.places.push(call.place);
        Ok(())
    }

    fn committed(&mut self, session: u32, committed: &crate::formats::Committed) {
        let mut accesses = Vec::with_capacity(committed.accesses.len());
        for access in &committed.accesses {
            let key = self.builder.key(&access.key.to_string());
            accesses.push(match access.value {
                Some(value) if access.wrote => Access::Write(key, value),
                value if access.wrote => Access::Write(key, value.unwrap_or_default()),
                value => Access::Read(key, value),
            });
        }
        let transaction = fill(self.builder.begin(session), accesses);
        match committed.ended {
            Ended::Ok => transaction.commit(None),
            Ended::Fail => transaction.abort(None),
            Ended::Info => transaction.unknown(),
        };
        self.places.push(committed.place);
    }

    /// None for a read of which the answer is not known.
    fn access(
        &mut self,
        call: &Call,
        kind: &str,
        key: &Datum,
        value: &Datum,
        answered: bool,
    ) -> Result<Option<Access>, FormatError> {
        let key = self.builder.key(&key.to_string());
        Ok(Some(match kind {
            "r" | "read" if !answered => return Ok(None),
            "r" | "read" if self.lists => match value {
                Datum::Nil => Access::ReadList(key, Vec::new()),
                Datum::List(items) => {
                    Access::ReadList(key, items.iter().map(|item| self.number(item)).collect())
                }
                other => {
                    return Err(wrong(
                        call,
                        &format!("read {other}, which is no list"),
                        "judge registers as `--model rw-register`",
                    ));
                }
            },
            "r" | "read" => match value {
                Datum::Nil => Access::Read(key, None),
                Datum::List(_) => {
                    return Err(wrong(
                        call,
                        &format!("read the list {value}"),
                        "judge lists as `--model list-append`",
                    ));
                }
                value => Access::Read(key, Some(self.number(value))),
            },
            "append" if self.lists => Access::Append(key, self.number(value)),
            "w" | "write" if !self.lists => Access::Write(key, self.number(value)),
            other => {
                let known = if self.lists { "r and append" } else { "r and w" };
                let other_model = if self.lists { "rw-register" } else { "list-append" };
                return Err(wrong(
                    call,
                    &format!("has the access `{other}`"),
                    &format!("there are {known}; or judge it as `--model {other_model}`"),
                ));
            }
        }))
    }

    /// The number that stands for a value. Whole numbers stand for themselves, but for the least ones, as other values are counted up from there.
    fn number(&mut self, value: &Datum) -> Value {
        match value {
            Datum::Int(int) if *int >= Value::MIN / 2 => return *int,
            _ => {}
        }
        if let Some(&number) = self.numbers.get(value) {
            return number;
        }
        let next = Value::MIN + self.numbers.len() as Value;
        self.builder.name(next, &value.to_string());
        self.numbers.insert(value.clone(), next);
        next
    }
}

fn fill(mut transaction: TransactionBuilder<'_>, accesses: Vec<Access>) -> TransactionBuilder<'_> {
    for access in accesses {
        transaction = match access {
            Access::Append(key, value) => transaction.append(key, value),
            Access::ReadList(key, list) => transaction.read_list(key, &list),
            Access::Write(key, value) => transaction.write(key, value),
            Access::Read(key, value) => transaction.read(key, value),
        };
    }
    transaction
}

fn wrong(call: &Call, what: &str, help: &str) -> FormatError {
    FormatError::at(call.place, format!("this transaction {what}"), help)
}
