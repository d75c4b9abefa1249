//! Calls on objects, as the models take them.

use std::time::Duration;

use super::{Consistency, Counts, Explanation, Judgement, Model, Question, goes_with};
use crate::{
    Moment, Operation, Returned,
    formats::{Call, Datum, Ended, FormatError, Place, Recorded},
    linearizability,
    model::Model as Specification,
    models,
    models::{
        ContainerInput, ContainerOutput, Counter, CounterInput, KeyValue, KeyValueInput, KeyValueOutput,
        Mutex, MutexInput, MutexOutput, PerKey, Register, RegisterInput, RegisterOutput, SetInput,
        WholeSetInput, WholeSetOutput,
    },
    sequential,
};

pub(super) fn judge(recorded: &Recorded, question: &Question) -> Result<Judgement, FormatError> {
    let consistency = question.consistency.unwrap_or(Consistency::Linearizable);
    if !matches!(consistency, Consistency::Linearizable | Consistency::Sequential) {
        return Err(goes_with(consistency, question.model));
    }
    let Recorded::Calls(calls) = recorded else {
        return Err(FormatError::at(
            Place { line: 1, column: 1 },
            format!(
                "this file holds transactions, and `{}` is an object of single calls",
                question.model.name()
            ),
            "judge it as `--model rw-register`",
        ));
    };
    let asked = Asked { calls, question, consistency };
    match question.model {
        Model::Register => asked.by_key(Register::new(question.initial.clone()), register),
        Model::Kv => asked.judge(KeyValue, |call| {
            let (key, value) = asked.keyed(call)?;
            let Some(key) = key else {
                return Err(wrong(
                    call,
                    "without a key",
                    "give events a `key`, or values `[key value]` with `--keyed-values`",
                ));
            };
            key_value(call, key.to_string(), value)
        }),
        // Who reads all elements sees them together.
        Model::Set if calls.iter().any(|call| &*call.f == "read") => {
            asked.by_key(models::WholeSet::new(), whole_set)
        }
        Model::Set => asked.judge(models::Set::<Datum>::new(), |call| {
            // Each element is judged by itself, so that of one set is another than that of another.
            let (key, value) = asked.keyed(call)?;
            let element = match key {
                Some(key) => Datum::List(vec![key, value.input.clone()]),
                None => value.input.clone(),
            };
            set(call, element, value)
        }),
        Model::Queue => asked.by_key(models::Queue::new(), container),
        Model::Stack => asked.by_key(models::Stack::new(), container),
        Model::PriorityQueue => asked.by_key(models::PriorityQueue::new(), container),
        Model::Counter => asked.by_key(Counter, counter),
        Model::Mutex => asked.by_key(Mutex::new(), mutex),
        Model::FencedMutex => asked.by_key(Mutex::fenced(), mutex),
        Model::ListAppend | Model::RwRegister | Model::LongFork | Model::Property(_) => {
            unreachable!("transactions and properties are judged elsewhere")
        }
    }
}

/// What a call is to a model: input and output. None: it says nothing.
type Meant<M> = Option<(<M as Specification>::Input, <M as Specification>::Output)>;

/// The value of a call, without its key: what it was asked with and answered with.
#[derive(Clone, Copy)]
struct Of<'a> {
    input: &'a Datum,
    output: &'a Datum,
}

struct Asked<'a> {
    calls: &'a [Call],
    question: &'a Question,
    consistency: Consistency,
}

impl<'a> Asked<'a> {
    /// Judges calls on one object, or on many if they have keys.
    fn by_key<M>(
        &self,
        model: M,
        meant: impl Fn(&Call, Of<'_>) -> Result<Meant<M>, FormatError>,
    ) -> Result<Judgement, FormatError>
    where
        M: Specification<Key = ()>,
    {
        let keyed = self.question.keyed_values || self.calls.iter().any(|call| call.key.is_some());
        if !keyed {
            return self.judge(model, |call| meant(call, Of { input: &call.input, output: &call.output }));
        }
        self.judge(PerKey::<Datum, M>::new(model), |call| {
            let (key, value) = self.keyed(call)?;
            let key = key.ok_or_else(|| wrong(call, "without a key", "others have one"))?;
            Ok(meant(call, value)?.map(|(input, output)| ((key, input), output)))
        })
    }

    /// The key of a call, and the rest.
    fn keyed<'c>(&self, call: &'c Call) -> Result<(Option<Datum>, Of<'c>), FormatError> {
        if !self.question.keyed_values {
            return Ok((call.key.clone(), Of { input: &call.input, output: &call.output }));
        }
        let split = |datum: &'c Datum| match datum.list() {
            Some([key, value]) => Ok((key.clone(), value)),
            _ => Err(wrong(call, &format!("with {datum}, which is no `[key value]`"), "")),
        };
        let (key, input) = split(&call.input)?;
        let output = if call.ended == Ended::Ok { split(&call.output)?.1 } else { input };
        Ok((Some(key), Of { input, output }))
    }

    fn judge<M: Specification>(
        &self,
        model: M,
        meant: impl Fn(&Call) -> Result<Meant<M>, FormatError>,
    ) -> Result<Judgement, FormatError> {
        let mut history = Vec::with_capacity(self.calls.len());
        for call in self.calls.iter().filter(|call| call.ended != Ended::Fail) {
            let Some((input, output)) = meant(call)? else { continue };
            let moment = |index, time: Option<Duration>| Moment { index, time };
            let returned = match (call.ended, call.returned) {
                (Ended::Ok, Some(at)) => Some(Returned { output, at: moment(at, call.times.1) }),
                _ => None,
            };
            let invoked = moment(call.invoked, call.times.0);
            history.push(Operation { process: call.process, input, invoked, returned });
        }
        let verdict = match self.consistency {
            Consistency::Sequential => sequential::check(&model, &history, self.question.budget),
            _ => linearizability::check(&model, &history, self.question.budget),
        };
        Ok(Judgement {
            consistency: self.consistency,
            verdict: verdict.map(Explanation::Object),
            counts: Counts::default(),
            levels: Vec::new(),
            strongest: Vec::new(),
            notes: Vec::new(),
        })
    }
}

fn wrong(call: &Call, what: &str, help: &str) -> FormatError {
    FormatError::at(call.place, format!("`{}` {what}", call.f), help)
}

fn unknown<T>(call: &Call, known: &str) -> Result<T, FormatError> {
    let message = format!("`{}` is nothing that can be asked here", call.f);
    Err(FormatError::at(call.place, message, format!("it is one of {known}; or name another `--model`")))
}

fn register(call: &Call, of: Of<'_>) -> Result<Meant<Register<Datum>>, FormatError> {
    Ok(Some(match &*call.f {
        "read" => (RegisterInput::Read, RegisterOutput::Value(of.output.clone())),
        "write" => (RegisterInput::Write(of.input.clone()), RegisterOutput::Done),
        "cas" => match of.input.list() {
            Some([old, new]) => {
                (RegisterInput::CompareAndSet(old.clone(), new.clone()), RegisterOutput::Swapped(true))
            }
            _ => return Err(wrong(call, &format!("of {}", of.input), "write `[old new]`")),
        },
        _ => return unknown(call, "read, write, cas"),
    }))
}

fn key_value(call: &Call, key: String, of: Of<'_>) -> Result<Meant<KeyValue>, FormatError> {
    let text = |datum: &Datum| match datum {
        Datum::Text(text) => text.to_string(),
        Datum::Nil => String::new(),
        other => other.to_string(),
    };
    let (input, output) = (text(of.input), text(of.output));
    Ok(Some(match &*call.f {
        "get" | "read" => {
            (KeyValueInput::Get(key), KeyValueOutput::Value(Some(output).filter(|text| !text.is_empty())))
        }
        "put" | "write" if input.is_empty() => (KeyValueInput::Delete(key), KeyValueOutput::Done),
        "put" | "write" => (KeyValueInput::Put(key, input), KeyValueOutput::Done),
        "append" if input.is_empty() => return Ok(None),
        "append" => (KeyValueInput::Append(key, input), KeyValueOutput::Done),
        "delete" | "remove" => (KeyValueInput::Delete(key), KeyValueOutput::Done),
        _ => return unknown(call, "get, put, append, delete"),
    }))
}

fn set(call: &Call, element: Datum, of: Of<'_>) -> Result<Meant<models::Set<Datum>>, FormatError> {
    let answer = || match of.output {
        Datum::Bool(answer) => Ok(*answer),
        other if call.ended == Ended::Ok => Err(wrong(
            call,
            &format!("answered with {other}"),
            "it is answered with true or false: was it absent (add), was it there (remove, contains)",
        )),
        _ => Ok(false),
    };
    Ok(Some(match &*call.f {
        "add" => (SetInput::Add(element), answer()?),
        "remove" => (SetInput::Remove(element), answer()?),
        "contains" => (SetInput::Contains(element), answer()?),
        _ => return unknown(call, "add, remove, contains"),
    }))
}

fn whole_set(call: &Call, of: Of<'_>) -> Result<Meant<models::WholeSet<Datum>>, FormatError> {
    let told = WholeSetOutput::Done(match of.output {
        Datum::Bool(told) => Some(*told),
        _ => None,
    });
    let element = of.input.clone();
    Ok(Some(match &*call.f {
        "add" => (WholeSetInput::Add(element), told),
        "remove" => (WholeSetInput::Remove(element), told),
        "contains" => (WholeSetInput::Contains(element), told),
        "read" if call.ended != Ended::Ok => return Ok(None),
        "read" => match of.output {
            Datum::List(all) => {
                (WholeSetInput::Read, WholeSetOutput::Elements(all.iter().cloned().collect()))
            }
            other => {
                return Err(wrong(
                    call,
                    &format!("answered with {other}"),
                    "it is answered with all elements",
                ));
            }
        },
        _ => return unknown(call, "add, remove, contains, read"),
    }))
}

/// All containers are asked and answer alike.
fn container(call: &Call, of: Of<'_>) -> Result<Meant<models::Queue<Datum>>, FormatError> {
    Ok(Some(match &*call.f {
        "enqueue" | "push" | "put" | "insert" => {
            (ContainerInput::Put(of.input.clone()), ContainerOutput::Done)
        }
        "dequeue" | "pop" | "take" | "poll" if of.output.is_nil() => {
            (ContainerInput::Take, ContainerOutput::Empty)
        }
        "dequeue" | "pop" | "take" | "poll" => {
            (ContainerInput::Take, ContainerOutput::Taken(of.output.clone()))
        }
        _ => return unknown(call, "enqueue and dequeue, or push and pop"),
    }))
}

fn counter(call: &Call, of: Of<'_>) -> Result<Meant<Counter>, FormatError> {
    let number = |datum: &Datum| {
        datum.int().ok_or_else(|| wrong(call, &format!("of {datum}"), "write a whole number"))
    };
    Ok(Some(match &*call.f {
        "add" | "increment" | "inc" => {
            let by = if of.input.is_nil() { 1 } else { number(of.input)? };
            (CounterInput::Add(by), None)
        }
        "read" if call.ended == Ended::Ok => (CounterInput::Read, Some(number(of.output)?)),
        // A read of which nothing is known says nothing.
        "read" => return Ok(None),
        _ => return unknown(call, "add, read"),
    }))
}

fn mutex(call: &Call, of: Of<'_>) -> Result<Meant<Mutex>, FormatError> {
    Ok(Some(match &*call.f {
        "acquire" | "lock" => {
            let token = of.output.int().and_then(|token| u64::try_from(token).ok());
            (MutexInput::Acquire(call.process), MutexOutput::Granted(token))
        }
        "release" | "unlock" => (MutexInput::Release(call.process), MutexOutput::Released),
        _ => return unknown(call, "acquire, release"),
    }))
}
