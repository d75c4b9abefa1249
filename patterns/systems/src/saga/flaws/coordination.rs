//! Orchestrators that lose, misread or misorder.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use squall::Node;
use squall_patterns::saga::{
    Attempt, Compensate, Compensation, Entry, Execution, Journal, JournalError, Step, Token,
};
use squall_rt::time;

use super::{
    super::{
        Params,
        protocol::{Charge, ConfirmOrder, CreateOrder, Order, Placed, Reserve, Ship},
        steps::Remote,
    },
    Flawed,
};

/// A journal that dies with its process.
pub struct MemoryJournal {
    /// The one thing that the process knows anew at each start.
    epoch: u64,
    sagas: Mutex<BTreeMap<String, Vec<Entry>>>,
}

impl MemoryJournal {
    /// An empty journal for the start number `epoch`.
    pub fn new(epoch: u64) -> Self {
        MemoryJournal { epoch, sagas: Mutex::default() }
    }

    fn sagas(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Entry>>> {
        self.sagas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn claim_epoch(&self, _: &str) -> Result<u64, JournalError> {
        Ok(self.epoch)
    }

    fn append(&self, _: &Token, saga: &str, position: u32, entries: &[Entry]) -> Result<(), JournalError> {
        let mut sagas = self.sagas();
        let log = sagas.entry(saga.to_owned()).or_default();
        if log.len() != position as usize {
            return Err(JournalError::Taken);
        }
        log.extend_from_slice(entries);
        Ok(())
    }

    fn load(&self, saga: &str) -> Result<Vec<Entry>, JournalError> {
        Ok(self.sagas().get(saga).cloned().unwrap_or_default())
    }

    fn open(&self) -> Result<Vec<String>, JournalError> {
        let over = |log: &[Entry]| matches!(log.last(), Some(Entry::Ended { .. }));
        Ok(self.sagas().iter().filter(|(_, log)| !over(log)).map(|(saga, _)| saga.clone()).collect())
    }
}

/// A step whose ends are misread on the way to the orchestrator.
pub struct Distorted<S> {
    pub step: S,
    pub flaw: Flawed,
}

impl<S: Step<Order>> Step<Order> for Distorted<S> {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn execute<'a>(&'a self, attempt: Attempt<'a, Order>) -> BoxFuture<'a, Execution> {
        async move {
            match self.step.execute(attempt).await {
                Execution::Unknown { reason } if self.flaw == Flawed::TimeoutIsRefusal => {
                    Execution::Refused { reason }
                }
                other => other,
            }
        }
        .boxed()
    }
}

impl<S: Compensate<Order>> Compensate<Order> for Distorted<S> {
    fn compensate<'a>(&'a self, attempt: Attempt<'a, Order>) -> BoxFuture<'a, Compensation> {
        async move {
            match self.step.compensate(attempt).await {
                Compensation::Unknown { .. } if self.flaw == Flawed::SwallowsErrors => Compensation::Done,
                other => other,
            }
        }
        .boxed()
    }
}

/// An orchestrator as tutorials have it: a list of steps, a loop, and another loop over what was done.
pub struct Naive {
    token: Token,
    timeout: Duration,
    steps: Vec<Box<dyn Compensate<Order>>>,
    last: Box<dyn Step<Order>>,
}

macro_rules! report {
    ($naive:expr, $saga:expr, $($event:tt)+) => {
        tracing::info!(
            target: "saga",
            saga = %$saga,
            coordinator = %$naive.token.coordinator,
            epoch = $naive.token.epoch,
            $($event)+
        )
    };
}

impl Naive {
    /// An orchestrator at `node`.
    pub fn new(node: &Node, params: &Params) -> Self {
        Naive {
            token: Token { coordinator: node.host(), epoch: node.incarnation().into() },
            timeout: params.step_timeout.0,
            steps: vec![
                Box::new(Remote::<CreateOrder>::new(node)),
                Box::new(Remote::<Reserve>::new(node)),
                Box::new(Remote::<Charge>::new(node)),
                Box::new(Remote::<Ship>::new(node)),
            ],
            last: Box::new(Remote::<ConfirmOrder>::new(node)),
        }
    }

    /// What this start of it shows to the services.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Drives an order from its start to its end.
    pub async fn place(&self, saga: &str, order: Order) -> Placed {
        report!(self, saga, "started");
        let mut done: Vec<&dyn Compensate<Order>> = Vec::new();
        for step in &self.steps {
            report!(self, saga, step = step.name(), "step_intended");
            let key = format!("{saga}/{}", step.name());
            let reason = match step.execute(self.attempt(saga, &order, &key)).await {
                Execution::Done(_) => {
                    report!(self, saga, step = step.name(), "step_done");
                    done.push(&**step);
                    continue;
                }
                Execution::Refused { reason } => {
                    report!(self, saga, step = step.name(), reason = %reason, "step_refused");
                    reason
                }
                Execution::Unknown { reason } => {
                    report!(self, saga, step = step.name(), attempt = 1, reason = %reason, "step_unknown");
                    done.push(&**step);
                    reason
                }
                Execution::Fenced => "fenced".to_owned(),
            };
            report!(self, saga, cause = %reason, "compensating");
            for step in done {
                self.compensate(step, saga, &order).await;
            }
            report!(self, saga, "compensated");
            return Placed::Compensated(reason);
        }
        report!(self, saga, step = self.last.name(), "step_intended");
        let key = format!("{saga}/{}", self.last.name());
        while !matches!(self.last.execute(self.attempt(saga, &order, &key)).await, Execution::Done(_)) {
            time::sleep(self.timeout).await;
        }
        report!(self, saga, step = self.last.name(), "step_done");
        report!(self, saga, "completed");
        Placed::Completed
    }

    async fn compensate(&self, step: &dyn Compensate<Order>, saga: &str, order: &Order) {
        let key = format!("{saga}/{}", step.name());
        while step.compensate(self.attempt(saga, order, &key)).await != Compensation::Done {
            time::sleep(self.timeout).await;
        }
        report!(self, saga, step = step.name(), "step_compensated");
    }

    fn attempt<'a>(&'a self, saga: &'a str, input: &'a Order, key: &'a str) -> Attempt<'a, Order> {
        Attempt { saga, key, token: &self.token, input, outputs: &[], within: self.timeout, number: 1 }
    }
}
