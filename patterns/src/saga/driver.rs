//! Drives one saga: from what its journal says to its end, or to where it parks.

use std::sync::Arc;

use squall_rt::time;

use super::{
    Attempt, Compensation, Entry, Execution, Phase,
    definition::Kind,
    progress::Progress,
    shared::{Control, Failure, Shared},
};

pub(super) struct Driver<I> {
    pub shared: Arc<Shared<I>>,
    pub id: String,
    pub input: I,
    pub progress: Progress,
    pub control: Arc<Control>,
}

/// Reports an event of a saga: fields, then the event's name.
macro_rules! report {
    ($driver:expr, $($event:tt)+) => {
        tracing::info!(
            target: "saga",
            saga = %$driver.id,
            coordinator = %$driver.shared.token.coordinator,
            epoch = $driver.shared.token.epoch,
            $($event)+
        )
    };
}
pub(super) use report;

impl<I: Send + Sync + 'static> Driver<I> {
    /// Drives the saga to its end. A failure is the orchestrator's: the saga stays as its journal says.
    pub async fn run(mut self) {
        match self.drive().await {
            Ok(()) => self.shared.retire(&self.id),
            Err(failure) => self.shared.fail(failure),
        }
    }

    async fn drive(&mut self) -> Result<(), Failure> {
        loop {
            if self.phase() == Phase::Parked {
                self.wait_parked().await;
                self.append(&[Entry::Unparked])?;
                report!(self, step = self.stands_at(), "resumed");
            }
            let shared = self.shared.clone();
            let _slot = shared.slots.acquire().await.expect("the semaphore is never closed");
            loop {
                if let Some(failure) = self.shared.failure() {
                    return Err(failure);
                }
                match self.phase() {
                    Phase::Forward | Phase::Committed => self.forward().await?,
                    Phase::Compensating => self.backward().await?,
                    Phase::Parked => break,
                    Phase::Completed | Phase::Compensated => return Ok(()),
                }
            }
        }
    }

    /// Takes the next step, or turns back, or parks.
    async fn forward(&mut self) -> Result<(), Failure> {
        let step = self.progress.next();
        if step == self.shared.definition.steps.len() {
            self.append(&[Entry::Ended { completed: true }])?;
            report!(self, "completed");
            return Ok(());
        }
        let committed = self.phase() == Phase::Committed;
        if !committed && self.control.is_cancelled() {
            return self.turn("cancelled".to_owned());
        }
        if !self.progress.in_doubt {
            self.append(&[Entry::Intended { step: step as u32 }])?;
            report!(self, step = self.name(step), "step_intended");
        }
        let attempts =
            if committed { self.shared.settings.persistence } else { self.shared.settings.attempts };
        let mut last = String::new();
        for number in 1..=attempts.max(1) {
            match self.execute(step, number).await {
                Execution::Done(output) => return self.done(step, output),
                Execution::Refused { reason } => return self.refused(step, reason, committed),
                Execution::Fenced => return Err(Failure::Fenced),
                Execution::Unknown { reason } => {
                    report!(
                        self,
                        step = self.name(step),
                        attempt = number,
                        reason = %reason,
                        "step_unknown"
                    );
                    last = reason;
                }
            }
            if number < attempts {
                self.back_off(number, !committed).await;
                if !committed && self.control.is_cancelled() {
                    return self.turn("cancelled".to_owned());
                }
            }
        }
        if committed {
            self.park(step, last)
        } else {
            self.turn(format!("{} had no answer: {last}", self.name(step)))
        }
    }

    fn done(&mut self, step: usize, output: Vec<u8>) -> Result<(), Failure> {
        let mut entries = vec![Entry::Done { step: step as u32, output }];
        let next = step + 1;
        // The next intent goes into the same commit, unless it may not come to it.
        let goes_on = next < self.shared.definition.steps.len()
            && (next >= self.shared.definition.undoable || !self.control.is_cancelled());
        if goes_on {
            entries.push(Entry::Intended { step: next as u32 });
        }
        self.append(&entries)?;
        report!(self, step = self.name(step), "step_done");
        if goes_on {
            report!(self, step = self.name(next), "step_intended");
        }
        Ok(())
    }

    fn refused(&mut self, step: usize, reason: String, committed: bool) -> Result<(), Failure> {
        let name = self.name(step);
        let refusal = Entry::Refused { step: step as u32, reason: reason.clone() };
        if committed {
            self.append(&[refusal])?;
            report!(self, step = name, reason = %reason, "step_refused");
            return self.park(step, reason);
        }
        let cause = format!("{name} was refused: {reason}");
        self.append(&[refusal, Entry::Turned { cause: cause.clone() }])?;
        report!(self, step = name, reason = %reason, "step_refused");
        report!(self, cause = %cause, "compensating");
        Ok(())
    }

    /// Turns back.
    fn turn(&mut self, cause: String) -> Result<(), Failure> {
        self.append(&[Entry::Turned { cause: cause.clone() }])?;
        report!(self, cause = %cause, "compensating");
        Ok(())
    }

    /// Compensates the last step that is not compensated yet, or ends, or parks.
    async fn backward(&mut self) -> Result<(), Failure> {
        let Some(step) = self.progress.to_compensate.unwrap_or(0).checked_sub(1) else {
            self.append(&[Entry::Ended { completed: false }])?;
            report!(self, "compensated");
            return Ok(());
        };
        let attempts = self.shared.settings.persistence;
        let mut last = String::new();
        for number in 1..=attempts.max(1) {
            match self.compensate(step, number).await {
                Compensation::Done => {
                    self.append(&[Entry::Compensated { step: step as u32 }])?;
                    report!(self, step = self.name(step), "step_compensated");
                    return Ok(());
                }
                Compensation::Fenced => return Err(Failure::Fenced),
                Compensation::Unknown { reason } => {
                    report!(
                        self,
                        step = self.name(step),
                        attempt = number,
                        reason = %reason,
                        "compensation_failed"
                    );
                    last = reason;
                }
            }
            if number < attempts {
                self.back_off(number, false).await;
            }
        }
        self.park(step, last)
    }

    fn park(&mut self, step: usize, reason: String) -> Result<(), Failure> {
        self.append(&[Entry::Parked { step: step as u32, reason: reason.clone() }])?;
        report!(self, step = self.name(step), reason = %reason, "parked");
        Ok(())
    }

    async fn execute(&self, step: usize, number: u32) -> Execution {
        let key = self.key(step);
        let attempt = self.attempt(&key, number);
        let within = attempt.within;
        let execution = self.shared.definition.steps[step].step().execute(attempt);
        time::timeout(within + within / 4, execution)
            .await
            .unwrap_or_else(|_| Execution::Unknown { reason: format!("no answer within {within:?}") })
    }

    async fn compensate(&self, step: usize, number: u32) -> Compensation {
        let Kind::Undoable(kind) = &self.shared.definition.steps[step] else {
            unreachable!("{} turned back at or behind its pivot", self.id)
        };
        let key = self.key(step);
        let attempt = self.attempt(&key, number);
        let within = attempt.within;
        time::timeout(within + within / 4, kind.compensate(attempt))
            .await
            .unwrap_or_else(|_| Compensation::Unknown { reason: format!("no answer within {within:?}") })
    }

    fn attempt<'a>(&'a self, key: &'a str, number: u32) -> Attempt<'a, I> {
        Attempt {
            saga: &self.id,
            key,
            token: &self.shared.token,
            input: &self.input,
            outputs: &self.progress.outputs,
            within: self.shared.settings.step_timeout,
            number,
        }
    }

    /// Waits before the next attempt; a cancellation that still counts cuts it short.
    async fn back_off(&self, attempt: u32, can_turn: bool) {
        let sleep = time::sleep(self.shared.settings.backoff.after(attempt));
        if !can_turn {
            return sleep.await;
        }
        tokio::select! {
            biased;
            () = self.control.cancelled() => {}
            () = sleep => {}
        }
    }

    async fn wait_parked(&self) {
        let again = async {
            match self.shared.settings.revisit_parked {
                Some(wait) => time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.control.unparked() => {}
            () = again => {}
        }
        self.control.go_on();
    }

    /// Writes entries down, then lets the handles see what they come to.
    fn append(&mut self, entries: &[Entry]) -> Result<(), Failure> {
        let shared = &self.shared;
        shared.journal.append(&shared.token, &self.id, self.progress.position, entries)?;
        self.progress.extend(entries);
        let phase = self.phase();
        let cause = entries.iter().find_map(|e| match e {
            Entry::Turned { cause } => Some(cause.clone()),
            _ => None,
        });
        self.control.standing.send_modify(|standing| {
            standing.phase = phase;
            standing.cause = cause.or_else(|| standing.cause.take());
        });
        Ok(())
    }

    pub fn phase(&self) -> Phase {
        self.progress.phase(self.shared.definition.undoable)
    }

    /// The name of the step that the saga is at, forward or backward.
    pub fn stands_at(&self) -> &'static str {
        match self.progress.to_compensate {
            Some(remaining) => self.name(remaining.saturating_sub(1)),
            None => self.name(self.progress.next().min(self.shared.definition.steps.len() - 1)),
        }
    }

    pub fn name(&self, step: usize) -> &'static str {
        self.shared.definition.steps[step].step().name()
    }

    fn key(&self, step: usize) -> String {
        format!("{}/{}", self.id, self.name(step))
    }
}

impl<I> Drop for Driver<I> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(Failure::Panicked);
        }
    }
}
