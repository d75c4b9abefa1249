//! The command side: load an aggregate, let it decide, append what it decided, provided that nothing came in between.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::event_log::{AppendError, Appended, Batch, Cause, Event, Expected, Log, LogError, Settled};

/// A consistency boundary: one stream of events, whose fold decides about commands. A command touches one aggregate; what
/// concerns two is a saga.
pub trait Aggregate: Default + Send + Sync + 'static {
    /// What is asked of it.
    type Command: Serialize + Sync;
    /// What happens to it.
    type Event: Event;
    /// Why it refuses.
    type Refusal: Serialize + DeserializeOwned + Send;

    /// Takes note of an event.
    fn apply(&mut self, event: &Self::Event);

    /// Decides what a command leads to: at least one event. Depends on nothing but `self` and `command`.
    ///
    /// # Errors
    /// The refusal.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;
}

/// Why a command did not lead to events.
#[derive(Clone, Debug)]
pub enum CommandError<R> {
    /// The aggregate refused it, for good: it will have no effect, however often it is delivered.
    Refused(R),
    /// Others kept changing the aggregate in between. This delivery had no effect; another may.
    Contended,
    /// The command id was used before, for another command.
    CauseReused,
    /// The log failed. The command may have taken effect.
    Log(LogError),
}

impl<R: fmt::Display> fmt::Display for CommandError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Refused(refusal) => write!(f, "refused: {refusal}"),
            CommandError::Contended => f.write_str("too many others change it at the same time"),
            CommandError::CauseReused => AppendError::CauseReused.fmt(f),
            CommandError::Log(e) => e.fmt(f),
        }
    }
}

impl<R: fmt::Debug + fmt::Display> std::error::Error for CommandError<R> {}

/// How often a decision that was overtaken is made anew.
const ATTEMPTS: usize = 8;

/// Handles commands of one kind of aggregate.
///
/// Reports `cqrs.decided` with the version that a decision is made on, before it is appended.
pub struct Commands<A, L> {
    log: L,
    aggregate: PhantomData<fn() -> A>,
}

impl<A, L: Clone> Clone for Commands<A, L> {
    fn clone(&self) -> Self {
        Commands { log: self.log.clone(), aggregate: PhantomData }
    }
}

impl<A: Aggregate, L: Log<A::Event>> Commands<A, L> {
    /// A handler that keeps its events in this log.
    pub fn new(log: L) -> Self {
        Commands { log, aggregate: PhantomData }
    }

    /// Handles a command to the aggregate whose stream is given. The same command with the same id has the result of
    /// its first delivery, a refusal included.
    ///
    /// Dropping the future leaves the outcome unknown.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn handle(
        &self,
        stream: &str,
        id: u128,
        command: &A::Command,
    ) -> Result<Appended, CommandError<A::Refusal>> {
        let cause = Cause::new(id, &(stream, command));
        if let Some(settled) = self.log.settled(stream, cause).map_err(of_append)? {
            return answer::<A>(settled);
        }
        for _ in 0..ATTEMPTS {
            let (state, version) = self.load(stream)?;
            let decision = state.decide(command);
            tracing::info!(target: "cqrs", stream, cause = %cause, version, accepted = decision.is_ok(), "decided");
            let outcome = match decision {
                Ok(events) => {
                    let batch = Batch {
                        stream: stream.to_owned(),
                        expected: Expected::Version(version),
                        cause,
                        events,
                    };
                    self.log.append(batch).await
                }
                Err(refusal) => {
                    let reason = postcard::to_stdvec(&refusal).expect("a refusal is plain data");
                    self.log.reject(stream, cause, reason).await
                }
            };
            match outcome {
                Ok(settled) => return answer::<A>(settled),
                Err(AppendError::Conflict { .. }) => {}
                Err(e) => return Err(of_append(e)),
            }
        }
        Err(CommandError::Contended)
    }

    fn load(&self, stream: &str) -> Result<(A, u64), CommandError<A::Refusal>> {
        let (mut state, mut version) = (A::default(), 0);
        for recorded in self.log.read_stream(stream, 0).map_err(CommandError::Log)? {
            state.apply(&recorded.event);
            version = recorded.version;
        }
        Ok((state, version))
    }
}

fn answer<A: Aggregate>(settled: Settled) -> Result<Appended, CommandError<A::Refusal>> {
    match settled {
        Settled::Appended(appended) => Ok(appended),
        Settled::Rejected(reason) => Err(match postcard::from_bytes(&reason) {
            Ok(refusal) => CommandError::Refused(refusal),
            Err(e) => {
                CommandError::Log(LogError::Corrupt { at: "a rejection".to_owned(), reason: e.to_string() })
            }
        }),
    }
}

fn of_append<R>(e: AppendError) -> CommandError<R> {
    match e {
        AppendError::Conflict { .. } => CommandError::Contended,
        AppendError::CauseReused => CommandError::CauseReused,
        AppendError::Empty => unreachable!("an aggregate decides for at least one event, or refuses"),
        AppendError::Log(e) => CommandError::Log(e),
    }
}
