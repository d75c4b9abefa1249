//! What an orchestrator shares with the drivers of its sagas, and a driver with the handles of its saga.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, watch};

use super::{Definition, Journal, JournalError, Phase, Settings, Token};

/// Why an orchestrator stopped. Its sagas stay open; the next start takes them up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A participant or the journal has seen a higher epoch of this coordinator.
    Fenced,
    /// The journal failed, and with it the knowledge of what is durable.
    Journal(String),
    /// A step panicked.
    Panicked,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Fenced => f.write_str("another start of this coordinator has taken over"),
            Failure::Journal(e) => f.write_str(e),
            Failure::Panicked => f.write_str("a step panicked"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Superseded { .. } => Failure::Fenced,
            other => Failure::Journal(other.to_string()),
        }
    }
}

/// What all sagas of an orchestrator have in common.
pub(super) struct Shared<I> {
    pub definition: Definition<I>,
    pub journal: Arc<dyn Journal>,
    pub settings: Settings,
    pub token: Token,
    pub slots: Semaphore,
    open: Mutex<BTreeMap<String, Arc<Control>>>,
    /// Held from looking a saga up until it is in the journal and in `open`.
    submission: Mutex<()>,
    failure: watch::Sender<Option<Failure>>,
}

impl<I> Shared<I> {
    pub fn new(
        definition: Definition<I>,
        journal: Arc<dyn Journal>,
        settings: Settings,
        token: Token,
    ) -> Self {
        Shared {
            slots: Semaphore::new(settings.max_running.max(1)),
            definition,
            journal,
            settings,
            token,
            open: Mutex::default(),
            submission: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// Nobody else submits a saga while the guard lives.
    pub fn submit_alone(&self) -> MutexGuard<'_, ()> {
        self.submission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To wait for a failure.
    pub fn watch_failure(&self) -> watch::Receiver<Option<Failure>> {
        self.failure.subscribe()
    }

    /// Why the orchestrator has stopped, if it has.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Stops the orchestrator; the first reason counts.
    pub fn fail(&self, failure: Failure) {
        self.failure.send_if_modified(|f| {
            let first = f.is_none();
            f.get_or_insert(failure);
            first
        });
    }

    /// Forgets a saga that is over. Its handles keep what they saw last.
    pub fn retire(&self, saga: &str) {
        self.open().remove(saga);
    }

    /// The sagas that are not over, by name.
    pub fn open(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Control>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the handles of a saga share with its driver.
pub(super) struct Control {
    pub standing: watch::Sender<Standing>,
    /// The encoded input, to tell a repeated submission from a conflicting one.
    pub input: Vec<u8>,
    cancelled: AtomicBool,
    unparked: AtomicBool,
    nudge: Notify,
}

/// What a handle can see of a saga.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub phase: Phase,
    /// Why it turned back, if it did.
    pub cause: Option<String>,
}

impl Control {
    pub fn new(standing: Standing, input: Vec<u8>) -> Self {
        Control {
            standing: watch::Sender::new(standing),
            input,
            cancelled: AtomicBool::new(false),
            unparked: AtomicBool::new(false),
            nudge: Notify::new(),
        }
    }

    /// Asks the driver to turn back as soon as it can.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.nudge.notify_one();
    }

    /// Asks the driver of a parked saga to go on.
    pub fn unpark(&self) {
        self.unparked.store(true, Ordering::Release);
        self.nudge.notify_one();
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Waits until the driver is asked to turn back.
    pub async fn cancelled(&self) {
        self.nudged(&self.cancelled).await;
    }

    /// Waits until the driver is asked to go on.
    pub async fn unparked(&self) {
        self.nudged(&self.unparked).await;
    }

    /// The driver goes on: it is asked again when it has parked again.
    pub fn go_on(&self) {
        self.unparked.store(false, Ordering::Release);
    }

    async fn nudged(&self, flag: &AtomicBool) {
        while !flag.load(Ordering::Acquire) {
            self.nudge.notified().await;
        }
    }
}
