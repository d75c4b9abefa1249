//! Starts sagas, takes up those that a crash left open, and lets callers wait for them, cancel them and unpark them.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use squall_rt::task;
use tokio::sync::watch;

use super::{
    Definition, Entry, Journal, JournalError, Phase, Settings, Token,
    driver::{Driver, report},
    progress::Progress,
    shared::{Control, Failure, Shared, Standing},
};

/// Why a saga was not started by [`Orchestrator::submit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// There is a saga of this id with another input.
    Conflict,
    /// [`Settings::max_open`] sagas are open.
    Overloaded,
    /// The orchestrator stopped; the saga may have been started, and if so it is taken up at the next start.
    Stopped(Failure),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Conflict => f.write_str("there is a saga of this id with another input"),
            SubmitError::Overloaded => f.write_str("too many sagas are open"),
            SubmitError::Stopped(failure) => write!(f, "the orchestrator stopped: {failure}"),
        }
    }
}

impl std::error::Error for SubmitError {}

/// Why a saga was not cancelled by [`Handle::cancel`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelError {
    /// Its pivot is done.
    TooLate,
    /// The orchestrator stopped before it was decided.
    Stopped(Failure),
}

impl fmt::Display for CancelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CancelError::TooLate => f.write_str("the saga can no longer turn back"),
            CancelError::Stopped(failure) => write!(f, "the orchestrator stopped: {failure}"),
        }
    }
}

impl std::error::Error for CancelError {}

/// Drives sagas of one definition. Clones are the same orchestrator. See the [module](super) for what it guarantees.
pub struct Orchestrator<I> {
    shared: Arc<Shared<I>>,
}

impl<I> Clone for Orchestrator<I> {
    fn clone(&self) -> Self {
        Orchestrator { shared: self.shared.clone() }
    }
}

/// One saga, to wait for, to cancel, to unpark. Dropping it changes nothing.
#[derive(Clone)]
pub struct Handle {
    control: Arc<Control>,
    failure: watch::Receiver<Option<Failure>>,
}

impl<I: Serialize + DeserializeOwned + Send + Sync + 'static> Orchestrator<I> {
    /// Claims the coordinator's next epoch and takes up every saga that is not over.
    ///
    /// # Errors
    /// Those of the journal, and an open saga that is not of this definition or whose input cannot be read.
    ///
    /// # Panics
    /// When the definition has no steps.
    pub fn start(
        definition: Definition<I>,
        journal: Arc<dyn Journal>,
        settings: Settings,
    ) -> Result<Self, JournalError> {
        assert!(!definition.steps.is_empty(), "saga {} has no steps", definition.name);
        let epoch = journal.claim_epoch(&settings.coordinator)?;
        let token = Token { coordinator: settings.coordinator.clone(), epoch };
        let shared = Arc::new(Shared::new(definition, journal, settings, token));
        let orchestrator = Orchestrator { shared };
        for saga in orchestrator.shared.journal.open()? {
            orchestrator.take_up(saga)?;
        }
        Ok(orchestrator)
    }

    /// Goes on with a saga where its journal ends.
    fn take_up(&self, saga: String) -> Result<(), JournalError> {
        let unreadable = |what: String| JournalError::Store(format!("saga {saga} {what}").into());
        let entries = self.shared.journal.load(&saga)?;
        let Some(Entry::Started { definition, input }) = entries.first() else {
            return Err(unreadable("has no start in the journal".to_owned()));
        };
        if definition != self.shared.definition.name {
            return Err(unreadable(format!("is of another definition, {definition}")));
        }
        let value =
            postcard::from_bytes(input).map_err(|e| unreadable(format!("has an unreadable input: {e}")))?;
        let driver = self.driver(saga.clone(), value, input.clone(), &entries);
        report!(driver, step = driver.stands_at(), "resumed");
        match driver.phase() {
            // Its journal does not say whether the step took effect.
            Phase::Forward | Phase::Committed if driver.progress.in_doubt => report!(
                driver,
                step = driver.name(driver.progress.next()),
                attempt = 0,
                reason = "the orchestrator was restarted",
                "step_unknown"
            ),
            Phase::Parked => {
                report!(driver, step = driver.stands_at(), reason = "it was before the restart", "parked");
            }
            _ => {}
        }
        self.shared.open().insert(saga, driver.control.clone());
        task::spawn(driver.run());
        Ok(())
    }

    fn driver(&self, id: String, input: I, encoded: Vec<u8>, entries: &[Entry]) -> Driver<I> {
        let progress = Progress::of(entries);
        let control = Arc::new(Control::new(self.standing(entries, &progress), encoded));
        Driver { shared: self.shared.clone(), id, input, progress, control }
    }

    fn standing(&self, entries: &[Entry], progress: &Progress) -> Standing {
        let cause = entries.iter().find_map(|e| match e {
            Entry::Turned { cause } => Some(cause.clone()),
            _ => None,
        });
        Standing { phase: progress.phase(self.shared.definition.undoable), cause }
    }

    /// Starts a saga, durably: when this returns, the saga will end, whatever crashes. Repeating it with the same id and input
    /// gives the same saga.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn submit(&self, saga: &str, input: I) -> Result<Handle, SubmitError> {
        if let Some(failure) = self.shared.failure() {
            return Err(SubmitError::Stopped(failure));
        }
        let encoded = postcard::to_stdvec(&input)
            .map_err(|e| SubmitError::Stopped(Failure::Journal(format!("the input: {e}"))))?;
        let _one_at_a_time = self.shared.submit_alone();
        if let Some(handle) = self.find(saga).map_err(SubmitError::Stopped)? {
            return if handle.control.input == encoded { Ok(handle) } else { Err(SubmitError::Conflict) };
        }
        if self.shared.open().len() >= self.shared.settings.max_open {
            return Err(SubmitError::Overloaded);
        }
        let started =
            Entry::Started { definition: self.shared.definition.name.to_owned(), input: encoded.clone() };
        let entries = [started];
        match self.shared.journal.append(&self.shared.token, saga, 0, &entries) {
            Ok(()) => {}
            Err(JournalError::Taken) => return Err(SubmitError::Conflict),
            Err(error) => {
                let failure = Failure::from(error);
                self.shared.fail(failure.clone());
                return Err(SubmitError::Stopped(failure));
            }
        }
        let driver = self.driver(saga.to_owned(), input, encoded, &entries);
        report!(driver, "started");
        let handle = self.handle(driver.control.clone());
        self.shared.open().insert(saga.to_owned(), driver.control.clone());
        task::spawn(driver.run());
        Ok(handle)
    }

    /// The saga of that id, open or over.
    ///
    /// # Errors
    /// When the journal cannot be read; the orchestrator goes on.
    pub fn find(&self, saga: &str) -> Result<Option<Handle>, Failure> {
        if let Some(control) = self.shared.open().get(saga) {
            return Ok(Some(self.handle(control.clone())));
        }
        let entries = self.shared.journal.load(saga)?;
        let Some(Entry::Started { input, .. }) = entries.first() else { return Ok(None) };
        let standing = self.standing(&entries, &Progress::of(&entries));
        Ok(Some(self.handle(Arc::new(Control::new(standing, input.clone())))))
    }

    /// The ids of the sagas that are parked.
    pub fn parked(&self) -> Vec<String> {
        let open = self.shared.open();
        let parked = open.iter().filter(|(_, c)| c.standing.borrow().phase == Phase::Parked);
        parked.map(|(id, _)| id.clone()).collect()
    }

    /// What this start of the orchestrator shows to participants.
    pub fn token(&self) -> &Token {
        &self.shared.token
    }

    /// Waits until the orchestrator stops, and says why. The process should end then, and start anew.
    pub async fn failed(&self) -> Failure {
        stopped(&mut self.shared.watch_failure()).await
    }

    fn handle(&self, control: Arc<Control>) -> Handle {
        Handle { control, failure: self.shared.watch_failure() }
    }
}

impl Handle {
    /// Where the saga stands.
    pub fn phase(&self) -> Phase {
        self.control.standing.borrow().phase
    }

    /// Why the saga turned back, if it did.
    pub fn cause(&self) -> Option<String> {
        self.control.standing.borrow().cause.clone()
    }

    /// Waits until the saga is over or parked.
    ///
    /// # Errors
    /// When the orchestrator stops before.
    pub async fn settled(&self) -> Result<Phase, Failure> {
        self.wait(|s| s.phase.is_over() || s.phase == Phase::Parked).await.map(|s| s.phase)
    }

    /// Turns the saga back, and waits until that is durable: when this succeeds, the saga does not complete. A saga that
    /// turned back already counts as cancelled.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub async fn cancel(&self) -> Result<(), CancelError> {
        self.control.cancel();
        let standing = self
            .wait(|s| s.cause.is_some() || s.phase != Phase::Forward)
            .await
            .map_err(CancelError::Stopped)?;
        if standing.cause.is_some() { Ok(()) } else { Err(CancelError::TooLate) }
    }

    /// Lets a parked saga go on.
    pub fn unpark(&self) {
        self.control.unpark();
    }

    async fn wait(&self, enough: impl Fn(&Standing) -> bool) -> Result<Standing, Failure> {
        let mut standing = self.control.standing.subscribe();
        let mut failure = self.failure.clone();
        tokio::select! {
            biased;
            Ok(standing) = standing.wait_for(enough) => Ok(standing.clone()),
            failure = stopped(&mut failure) => Err(failure),
        }
    }
}

async fn stopped(failure: &mut watch::Receiver<Option<Failure>>) -> Failure {
    let reason = failure.wait_for(Option::is_some).await.ok().and_then(|failure| failure.clone());
    match reason {
        Some(failure) => failure,
        // The orchestrator is gone without a failure: nothing will ever be said.
        None => std::future::pending().await,
    }
}
