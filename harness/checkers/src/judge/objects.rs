//! Calls on objects, as the models take them.

use std::time::Duration;

use super::{
    Consistency, Counts, Explanation, Judgement, Model, Question, goes_with,
    object::{Input, Keyed, Object, Output},
};
use crate::{
    Moment, Operation, Returned,
    formats::{Call, Datum, Ended, FormatError, Place, Recorded},
    linearizability, models,
    models::{
        ContainerInput, ContainerOutput, Counter, CounterInput, KeyValue, KeyValueInput, KeyValueOutput,
        Mutex, MutexInput, MutexOutput, Register, RegisterInput, RegisterOutput, SetInput, WholeSetInput,
        WholeSetOutput,
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
        Model::Register => asked.by_key(Object::Register(Register::new(question.initial.clone())), register),
        Model::Kv => asked.judge(Object::KeyValue(KeyValue), |call| {
            let (key, value) = asked.keyed(call)?;
            let Some(key) = key else {
                return Err(wrong(
                    call,
                    "without a key",
                    "give events a `key`, or values `[key value]` with `--keyed-values`",
                ));
            };
            // A number and its text are the same key, as the same value.
            let key = key.to_string();
            let meant = key_value(call, key.clone(), value)?;
            Ok(meant.map(|(input, output)| ((Some(Datum::Text(key.into())), input), output)))
        }),
        // Who reads all elements sees them together.
        Model::Set if calls.iter().any(|call| &*call.f == "read") => {
            asked.by_key(Object::WholeSet(models::WholeSet::new()), whole_set)
        }
        Model::Set => asked.judge(Object::Set(models::Set::new()), |call| {
            // Each element is judged by itself, so that of one set is another than that of another.
            let (key, value) = asked.keyed(call)?;
            let element = match key {
                Some(key) => Datum::List(vec![key, value.input.clone()]),
                None => value.input.clone(),
            };
            let meant = set(call, element.clone(), value)?;
            Ok(meant.map(|(input, output)| ((Some(element), input), output)))
        }),
        Model::Queue => {
            asked.by_key(Object::Queue(models::Queue::new()), container(Input::Queue, Output::Queue))
        }
        Model::Stack => {
            asked.by_key(Object::Stack(models::Stack::new()), container(Input::Stack, Output::Stack))
        }
        Model::PriorityQueue => asked.by_key(
            Object::PriorityQueue(models::PriorityQueue::new()),
            container(Input::PriorityQueue, Output::PriorityQueue),
        ),
        Model::Counter => asked.by_key(Object::Counter(Counter), counter),
        Model::Mutex => asked.by_key(Object::Mutex(Mutex::new()), mutex),
        Model::FencedMutex => asked.by_key(Object::Mutex(Mutex::fenced()), mutex),
        Model::ListAppend | Model::RwRegister | Model::LongFork | Model::Property(_) => {
            unreachable!("transactions and properties are judged elsewhere")
        }
    }
}

/// What a call is to an object: input and output. None: it says nothing.
type Meant = Option<(Input, Output)>;

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
    fn by_key(
        &self,
        object: Object,
        meant: impl Fn(&Call, Of<'_>) -> Result<Meant, FormatError>,
    ) -> Result<Judgement, FormatError> {
        let keyed = self.question.keyed_values || self.calls.iter().any(|call| call.key.is_some());
        self.judge(object, |call| {
            let (key, value) = match keyed {
                true => self.keyed(call)?,
                false => (None, Of { input: &call.input, output: &call.output }),
            };
            if keyed && key.is_none() {
                return Err(wrong(call, "without a key", "others have one"));
            }
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

    fn judge(
        &self,
        object: Object,
        meant: impl Fn(&Call) -> Result<Option<(Keyed, Output)>, FormatError>,
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
            Consistency::Sequential => sequential::check(&object, &history, self.question.budget),
            _ => linearizability::check(&object, &history, self.question.budget),
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

fn register(call: &Call, of: Of<'_>) -> Result<Meant, FormatError> {
    let (input, output) = match &*call.f {
        "read" => (RegisterInput::Read, RegisterOutput::Value(of.output.clone())),
        "write" => (RegisterInput::Write(of.input.clone()), RegisterOutput::Done),
        "cas" => match of.input.list() {
            Some([old, new]) => {
                (RegisterInput::CompareAndSet(old.clone(), new.clone()), RegisterOutput::Swapped(true))
            }
            _ => return Err(wrong(call, &format!("of {}", of.input), "write `[old new]`")),
        },
        _ => return unknown(call, "read, write, cas"),
    };
    Ok(Some((Input::Register(input), Output::Register(output))))
}

fn key_value(call: &Call, key: String, of: Of<'_>) -> Result<Meant, FormatError> {
    let text = |datum: &Datum| match datum {
        Datum::Text(text) => text.to_string(),
        Datum::Nil => String::new(),
        other => other.to_string(),
    };
    let (input, output) = (text(of.input), text(of.output));
    let (input, output) = match &*call.f {
        "get" | "read" => {
            (KeyValueInput::Get(key), KeyValueOutput::Value(Some(output).filter(|text| !text.is_empty())))
        }
        "put" | "write" if input.is_empty() => (KeyValueInput::Delete(key), KeyValueOutput::Done),
        "put" | "write" => (KeyValueInput::Put(key, input), KeyValueOutput::Done),
        "append" if input.is_empty() => return Ok(None),
        "append" => (KeyValueInput::Append(key, input), KeyValueOutput::Done),
        "delete" | "remove" => (KeyValueInput::Delete(key), KeyValueOutput::Done),
        _ => return unknown(call, "get, put, append, delete"),
    };
    Ok(Some((Input::KeyValue(input), Output::KeyValue(output))))
}

fn set(call: &Call, element: Datum, of: Of<'_>) -> Result<Meant, FormatError> {
    let answer = || match of.output {
        Datum::Bool(answer) => Ok(*answer),
        other if call.ended == Ended::Ok => Err(wrong(
            call,
            &format!("answered with {other}"),
            "it is answered with true or false: was it absent (add), was it there (remove, contains)",
        )),
        _ => Ok(false),
    };
    let (input, output) = match &*call.f {
        "add" => (SetInput::Add(element), answer()?),
        "remove" => (SetInput::Remove(element), answer()?),
        "contains" => (SetInput::Contains(element), answer()?),
        _ => return unknown(call, "add, remove, contains"),
    };
    Ok(Some((Input::Set(input), Output::Set(output))))
}

fn whole_set(call: &Call, of: Of<'_>) -> Result<Meant, FormatError> {
    let told = WholeSetOutput::Done(match of.output {
        Datum::Bool(told) => Some(*told),
        _ => None,
    });
    let element = of.input.clone();
    let (input, output) = match &*call.f {
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
    };
    Ok(Some((Input::WholeSet(input), Output::WholeSet(output))))
}

/// All containers are asked and answer alike; `asked` and `answered` make it of one kind.
fn container(
    asked: fn(ContainerInput<Datum>) -> Input,
    answered: fn(ContainerOutput<Datum>) -> Output,
) -> impl Fn(&Call, Of<'_>) -> Result<Meant, FormatError> {
    move |call, of| {
        let (input, output) = match &*call.f {
            "enqueue" | "push" | "put" | "insert" if of.input.is_nil() => {
                return Err(wrong(
                    call,
                    "of nothing",
                    "taking nil is finding it empty: put in something else",
                ));
            }
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
        };
        Ok(Some((asked(input), answered(output))))
    }
}

fn counter(call: &Call, of: Of<'_>) -> Result<Meant, FormatError> {
    let number = |datum: &Datum| {
        datum.int().ok_or_else(|| wrong(call, &format!("of {datum}"), "write a whole number"))
    };
    let (input, output) = match &*call.f {
        "add" | "increment" | "inc" => {
            let by = if of.input.is_nil() { 1 } else { number(of.input)? };
            (CounterInput::Add(by), None)
        }
        "read" if call.ended == Ended::Ok => (CounterInput::Read, Some(number(of.output)?)),
        // A read of which nothing is known says nothing.
        "read" => return Ok(None),
        _ => return unknown(call, "add, read"),
    };
    Ok(Some((Input::Counter(input), Output::Counter(output))))
}

fn mutex(call: &Call, of: Of<'_>) -> Result<Meant, FormatError> {
    let (input, output) = match &*call.f {
        "acquire" | "lock" => {
            let token = of.output.int().and_then(|token| u64::try_from(token).ok());
            (MutexInput::Acquire(call.process), MutexOutput::Granted(token))
        }
        "release" | "unlock" => (MutexInput::Release(call.process), MutexOutput::Released),
        _ => return unknown(call, "acquire, release"),
    };
    Ok(Some((Input::Mutex(input), Output::Mutex(output))))
}
