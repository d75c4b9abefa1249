//! Questions to a worker: its answer, or in what it fell silent.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Heard, Worker};
use crate::{
    system::Call,
    worker::{
        Order, Reply,
        question::{Question, Step},
    },
};

/// How long a worker may take to begin with a question, which on a busy machine is how long its process takes to start.
const BEGIN: Duration = Duration::from_secs(60);

/// A question that a system's code let nobody answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unanswered {
    /// The call that was under way; none if there was none yet.
    pub call: Option<Call>,
    pub silence: Silence,
}

/// What came instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Silence {
    Panicked {
        message: String,
        location: String,
    },
    /// It asked for what cannot be simulated: what it is told.
    Refused(String),
    /// It did not return within this time.
    Hung(Duration),
    /// It took more memory than so many bytes.
    TooLarge(u64),
    /// Its process died: how, and the last lines that it printed.
    Died(String),
    /// Somebody else ended its process: how.
    Killed(String),
    /// It goes on for ever.
    Endless,
    /// There is no worker: why.
    NoWorker(String),
    /// What came is no answer: why. A bug of ours.
    Garbled(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.call {
            Some(call) => write!(f, "{call} ")?,
            None => f.write_str("a worker that was asked about a system ")?,
        }
        match &self.silence {
            Silence::Panicked { message, location } if location.is_empty() => {
                write!(f, "panicked: {message}")
            }
            Silence::Panicked { message, location } => write!(f, "panicked at {location}: {message}"),
            Silence::Refused(told) => write!(f, "asked for what cannot be simulated: {told}"),
            Silence::Hung(after) => write!(f, "did not return within {after:?}"),
            Silence::TooLarge(limit) => write!(f, "took more memory than {} MiB", limit >> 20),
            Silence::Died(how) => write!(f, "ended its process: {how}"),
            Silence::Killed(how) => write!(f, "was under way when somebody killed its process: {how}"),
            Silence::Endless => f.write_str("comes to no end: it always has one more step to take"),
            Silence::NoWorker(why) => write!(f, "could not be started: {why}"),
            Silence::Garbled(why) => {
                write!(f, "gave no answer that can be read (an error of squall itself): {why}")
            }
        }
    }
}

impl Worker {
    /// Asks; each call that the answer takes may take as long as `limit`. After an error there will be no more of this worker, and it
    /// should be dropped.
    ///
    /// # Errors
    /// See [`Unanswered`].
    pub(crate) fn ask<T: DeserializeOwned>(
        &mut self,
        question: &Question,
        limit: Duration,
    ) -> Result<T, Unanswered> {
        self.order(&Order::Ask(question), limit)
    }

    /// Has a step taken, of what was asked for last.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) fn step<T: DeserializeOwned>(&mut self, step: Step, limit: Duration) -> Result<T, Unanswered> {
        self.order(&Order::Step::<&Question>(step), limit)
    }

    fn order<T: DeserializeOwned>(
        &mut self,
        order: &Order<&Question>,
        limit: Duration,
    ) -> Result<T, Unanswered> {
        self.send(serde_json::to_string(order).expect("questions are plain data"));
        let mut call = None;
        let mut until = Instant::now() + BEGIN;
        let silence = loop {
            match self.hear(until, &|| true) {
                Heard::Frame(frame) if frame.run != self.next => {
                    break Silence::Garbled(format!("asked {}, it answered {}", self.next, frame.run));
                }
                Heard::Frame(frame) => match serde_json::from_slice(&frame.payload) {
                    Ok(Reply::Calling(next)) => {
                        call = Some(next);
                        until = Instant::now() + limit;
                    }
                    Ok(Reply::Answer(json)) => match serde_json::from_str(&json) {
                        Ok(answer) => return Ok(answer),
                        Err(error) => break Silence::Garbled(error.to_string()),
                    },
                    Ok(Reply::Panicked { message, location }) => {
                        break Silence::Panicked { message, location };
                    }
                    Ok(Reply::Refused(told)) => break Silence::Refused(told),
                    Ok(
                        Reply::Start
                        | Reply::Recorded(_)
                        | Reply::Logged(_)
                        | Reply::Polled(_)
                        | Reply::Done(_),
                    ) => {
                        break Silence::Garbled("it made a run".to_owned());
                    }
                    Err(error) => break Silence::Garbled(error.to_string()),
                },
                Heard::TooLong => break Silence::Hung(if call.is_some() { limit } else { BEGIN }),
                Heard::TooMuchMemory => break Silence::TooLarge(self.memory),
                Heard::Unwanted => unreachable!("it is always wanted"),
                Heard::Foreign => {
                    self.kill();
                    let what =
                        "it wrote to a descriptor that is not its own: the one its worker reports over";
                    break Silence::Died(self.with_last_lines(what.to_owned()));
                }
                Heard::Silence => {
                    let death = self.death();
                    let how = self.with_last_lines(death.how);
                    break if death.from_outside { Silence::Killed(how) } else { Silence::Died(how) };
                }
            }
        };
        self.kill();
        Err(Unanswered { call, silence })
    }
}
