//! `answers_in_time`: an operation ends when the client's patience does, whatever became of it. (A client that stands still
//! cannot, so this is not for specs that pause clients.)

use std::{collections::BTreeMap, time::Duration};

use squall::{
    Invariant, Record,
    check::{Breach, End},
    history::{Kind, Operation},
};

use super::super::Params;

/// How much longer an operation may take than the client waits: the last of its attempts.
const MARGIN: Duration = Duration::from_millis(100);

/// See the [module](self).
pub struct AnswersInTime {
    patience: Duration,
    open: BTreeMap<u32, (Operation, Duration, u64)>,
    exercised: u64,
}

impl AnswersInTime {
    /// With the patience that clients have.
    pub fn new(params: &Params) -> Self {
        // A read asks each collector; there are few.
        let patience = params.op_timeout.0.max(params.call_timeout.0 * 5) + params.call_timeout.0 + MARGIN;
        AnswersInTime { patience, open: BTreeMap::new(), exercised: 0 }
    }

    fn overdue(&self, now: Duration) -> Result<(), Breach> {
        match self.open.values().find(|(_, since, _)| now > *since + self.patience) {
            None => Ok(()),
            Some((operation, since, seq)) => Err(Breach::of(
                "no_answer",
                format!("an operation ends within {:?}", self.patience),
                format!(
                    "client {} has waited for operation {} ({}) since {since:?}, {:?} by now",
                    operation.client,
                    operation.id,
                    operation.name,
                    now.saturating_sub(*since)
                ),
            )
            .with_evidence([*seq])),
        }
    }
}

impl Invariant for AnswersInTime {
    fn name(&self) -> &str {
        "answers_in_time"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Invoke(operation, _) => {
                self.open.insert(operation.id, (operation.clone(), record.at, record.seq));
            }
            Kind::Ok(operation, _) | Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                self.exercised += u64::from(self.open.remove(&operation.id).is_some());
            }
            _ => {}
        }
        self.overdue(record.at)
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        self.overdue(end.ended_at)
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }
}
