//! Building a projection anew, from the log, while the old one is read and fed: the next generation is filled beside the
//! live one, and takes its place in one transaction once both are at the same position.

use std::{fmt, future::Future};

use super::{
    Projection, Projector,
    projector::{Generation, live},
};
use crate::event_log::{LogError, Recorded};

/// A rebuild that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The position at which it took over.
    pub position: u64,
    /// How many rows there are.
    pub rows: u64,
    /// Whether the old rows were the same. If not, something was wrong with them, or the projection's code has changed.
    pub equal: bool,
}

/// Why a rebuild was given up. The live rows are as they were.
#[derive(Clone, Debug)]
pub enum RebuildError<X> {
    /// Another one is at work.
    Busy,
    /// The log could not be read.
    Source(X),
    /// The log ends below what the live rows show.
    SourceBehind,
    /// The database failed.
    Log(LogError),
}

impl<X: fmt::Display> fmt::Display for RebuildError<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RebuildError::Busy => f.write_str("a rebuild is at work already"),
            RebuildError::Source(e) => write!(f, "reading the log: {e}"),
            RebuildError::SourceBehind => f.write_str("the log ends below what the live rows show"),
            RebuildError::Log(e) => write!(f, "read model: {e}"),
        }
    }
}

impl<X: fmt::Debug + fmt::Display> std::error::Error for RebuildError<X> {}

impl<X> From<LogError> for RebuildError<X> {
    fn from(e: LogError) -> Self {
        RebuildError::Log(e)
    }
}

impl<P: Projection> Projector<P> {
    /// Folds the whole log again and switches over to the result. `fetch` reads the log: the events above a position, in
    /// order, some but not all of them if it likes.
    ///
    /// Dropping the future gives the rebuild up; the next one starts from nothing.
    ///
    /// Reports `cqrs.rebuild_started`, `effect.projected` for the new generation, and `cqrs.rebuilt`.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub async fn rebuild<F, Fut, X>(&self, mut fetch: F) -> Result<Rebuilt, RebuildError<X>>
    where
        F: FnMut(u64) -> Fut,
        Fut: Future<Output = Result<Vec<Recorded<P::Event>>, X>>,
    {
        let _alone = self.shared.rebuilding.try_lock().map_err(|_| RebuildError::Busy)?;
        self.start_generation()?;
        let (mut events, mut reached) = (Vec::new(), None);
        loop {
            match self.advance(&events)? {
                Step::Done(rebuilt) => return Ok(rebuilt),
                // What was fetched has not brought it on: there is nothing up to where the live rows are.
                Step::Behind { at } if reached == Some(at) => return Err(RebuildError::SourceBehind),
                Step::Behind { at } => {
                    reached = Some(at);
                    events = fetch(at).await.map_err(RebuildError::Source)?;
                }
            }
        }
    }

    /// Makes the next generation an empty one, whatever an earlier rebuild left there.
    fn start_generation(&self) -> Result<(), LogError> {
        let write = self.shared.database.begin_write()?;
        let generation = live(&write, P::NAME)? + 1;
        Generation::<P>::of(&write, generation).clear()?;
        write.commit()?;
        tracing::info!(target: "cqrs", projection = P::NAME, generation, "rebuild_started");
        Ok(())
    }

    /// Applies those of the events that the live rows have too, and switches over if that is all of them.
    fn advance(&self, events: &[Recorded<P::Event>]) -> Result<Step, LogError> {
        let write = self.shared.database.begin_write()?;
        let number = live(&write, P::NAME)?;
        let (old, new) = (Generation::<P>::of(&write, number), Generation::<P>::of(&write, number + 1));
        let goal = old.position()?;
        let shared = events.iter().take_while(|e| e.position <= goal).count();
        let applied = match shared {
            0 => None,
            _ => Some(new.apply(&events[..shared])?),
        };
        let at = new.position()?;
        let done = if at == goal {
            let rows = new.rows()?;
            let equal = rows == old.rows()?;
            old.clear()?;
            new.go_live()?;
            Some(Rebuilt { position: at, rows: rows.len() as u64, equal })
        } else {
            None
        };
        write.commit()?;
        if let Some(applied) = applied {
            applied.report();
        }
        let Some(rebuilt) = done else {
            return Ok(Step::Behind { at });
        };
        let Rebuilt { position, rows, equal } = rebuilt;
        tracing::info!(
            target: "cqrs",
            projection = P::NAME, generation = number + 1, position, rows, equal,
            "rebuilt"
        );
        Ok(Step::Done(rebuilt))
    }
}

enum Step {
    Behind { at: u64 },
    Done(Rebuilt),
}
