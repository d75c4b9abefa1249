//! A saga is all or nothing.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    EventKind, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

use super::{EVENTS, Event};

/// `saga_atomicity`. Judged at each event:
///
/// - A saga that completed has each step's effect once; one that was compensated has none. Nothing changes after that.
/// - A step is attempted only when those before it are done, and has no effect without a logged intent.
/// - A step that was refused has no effect. One whose compensation was acknowledged has none left, and gets none.
/// - A step is compensated only if it may have taken effect, and after all later ones.
/// - What a service holds is the sum of its effects; what it holds and what is left add up to what there was.
///
/// What a commit came to that failed shows later: a step that is repeated, or undone, has taken effect; one that takes effect had not. And a
/// coordinator whose process ended by itself, as one does whose log fails, may find more in its log than it has told: at which step a saga
/// is taken up says how far it was, forward or back.
pub struct SagaAtomicity {
    steps: &'static [&'static str],
    pools: &'static [&'static str],
    sagas: BTreeMap<String, Saga>,
    accounts: BTreeMap<String, Account>,
    /// The last coordinator of each saga whose process has ended by itself since.
    in_doubt: BTreeSet<String>,
    drives: BTreeMap<String, BTreeSet<String>>,
    exercised: u64,
}

struct Saga {
    names: &'static [&'static str],
    steps: Vec<Step>,
    /// Whether it completed, and the record that says so.
    ended: Option<(bool, u64)>,
}

#[derive(Clone, Default)]
struct Step {
    intended: Option<u64>,
    done: bool,
    refused: Option<u64>,
    /// Effects made and not undone.
    net: i64,
    effect: Option<u64>,
    /// What the last commit would have changed of `net`, if it failed and has not shown yet whether it is durable.
    uncertain: i64,
    /// The record that forbids any effect from then on: its compensation took effect, or was acknowledged.
    void: Option<u64>,
    /// Its compensation was acknowledged.
    compensated: Option<u64>,
    /// It was taken up where its log may say that it was refused, or compensated.
    may_be_closed: bool,
}

impl Step {
    /// It shows what a commit came to that failed. `event` is where it would have made an effect.
    fn shows(&mut self, was_durable: bool, event: &Event<'_>) {
        let change = std::mem::take(&mut self.uncertain);
        if was_durable {
            self.net += change;
            if change > 0 {
                self.effect = Some(event.seq);
            }
        }
    }

    /// It took effect or may have: it has to be compensated if the saga turns back.
    fn counts(&self) -> bool {
        self.intended.is_some() && self.refused.is_none()
    }

    /// It has to be compensated yet, if the saga turns back.
    fn is_open(&self) -> bool {
        self.counts() && self.compensated.is_none()
    }

    /// It was refused or compensated, which was logged and not told.
    fn close(&mut self, seq: u64) {
        match self.net {
            0 if self.void.is_some() => self.compensated = Some(seq),
            0 => self.refused = Some(seq),
            _ => {}
        }
    }
}

/// What a service's node holds, by its own account.
struct Account {
    held: i64,
    total: i64,
}

impl Invariant for SagaAtomicity {
    fn name(&self) -> &str {
        "saga_atomicity"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        if let Kind::Node { node, change: Lifecycle::Exited(_), .. } = &record.kind {
            self.in_doubt.extend(self.drives.remove(&**node).unwrap_or_default());
        }
        let Some(event) = Event::of(record) else { return Ok(()) };
        match event.name {
            "effect.restored" => return self.restored(&event),
            "effect.applied" => self.account(&event, 1)?,
            "effect.undone" => self.account(&event, -1)?,
            _ => {}
        }
        if event.saga().is_empty() {
            return Ok(());
        }
        let names = self.steps;
        if event.name.starts_with("saga.") {
            self.drives.entry(event.node.to_owned()).or_default().insert(event.saga().to_owned());
        }
        let was_in_doubt = event.name == "saga.resumed" && self.in_doubt.remove(event.saga());
        let saga = self.sagas.entry(event.saga().to_owned()).or_insert_with(|| Saga::new(names));
        match (event.name, event.step(names)) {
            ("saga.step_intended" | "saga.step_unknown", Some(step)) => saga.intended(&event, step),
            ("saga.resumed", Some(step)) if was_in_doubt => {
                saga.taken_up(&event, step);
                Ok(())
            }
            ("saga.step_done", Some(step)) => {
                saga.steps[step].done = true;
                Ok(())
            }
            ("saga.step_refused", Some(step)) => saga.refused(&event, step),
            ("saga.step_compensated", Some(step)) => saga.compensated(&event, step),
            ("effect.uncertain", Some(step)) => {
                let takes_back = event.int("amount") < 0;
                let step = &mut saga.steps[step];
                // What there is to take back is there, whatever was in doubt.
                let was_there = takes_back && step.uncertain > 0;
                step.shows(was_there, &event);
                step.uncertain = if takes_back { -1 } else { 1 };
                Ok(())
            }
            ("effect.applied", Some(step)) => {
                saga.steps[step].shows(false, &event);
                saga.applied(&event, step)
            }
            ("effect.undone", Some(step)) => {
                let made = saga.steps[step].uncertain > 0;
                saga.steps[step].shows(made, &event);
                saga.undone(&event, step)
            }
            ("participant.repeated", Some(step)) => {
                saga.steps[step].shows(true, &event);
                Ok(())
            }
            ("participant.voided", Some(step)) => {
                saga.steps[step].shows(false, &event);
                saga.steps[step].void.get_or_insert(event.seq);
                Ok(())
            }
            ("saga.completed", _) => {
                self.exercised += 1;
                saga.completed(&event)
            }
            ("saga.compensated", _) => {
                self.exercised += 1;
                saga.all_compensated(&event)
            }
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

impl SagaAtomicity {
    /// With these steps, and these resources whose sum never changes.
    pub fn new(steps: &'static [&'static str], pools: &'static [&'static str]) -> Self {
        SagaAtomicity {
            steps,
            pools,
            sagas: BTreeMap::new(),
            accounts: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
            drives: BTreeMap::new(),
            exercised: 0,
        }
    }

    fn has_pool(&self, event: &Event<'_>) -> bool {
        self.pools.contains(&event.text("resource"))
    }

    fn restored(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        let (held, total) = (event.int("held"), event.int("held") + event.int("free"));
        let before = self.accounts.insert(event.node.to_owned(), Account { held, total });
        match before {
            Some(before) if self.has_pool(event) && before.total != total => Err(Breach::of(
                "not_conserved",
                format!("{} has {} in all after its restart, as before", event.node, before.total),
                format!("it has {total}: holds {held}, and {} is left", event.int("free")),
            )),
            _ => Ok(()),
        }
    }

    fn account(&mut self, event: &Event<'_>, sign: i64) -> Result<(), Breach> {
        let has_pool = self.has_pool(event);
        let Some(account) = self.accounts.get_mut(event.node) else { return Ok(()) };
        account.held += sign * event.int("amount");
        let (held, total) = (event.int("held"), event.int("held") + event.int("free"));
        if account.held != held || has_pool && account.total != total {
            return Err(Breach::of(
                "not_conserved",
                format!("{} holds {} of {}, by its effects", event.node, account.held, account.total),
                format!("it reports {held} of {total}"),
            ));
        }
        Ok(())
    }
}

fn times(n: i64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

fn late(step: &str, saga: &str, after: &str) -> Breach {
    Breach::of("late_effect", format!("{step} of {saga} takes no effect after {after}"), "it took effect")
}

impl Saga {
    fn new(names: &'static [&'static str]) -> Self {
        Saga { names, steps: vec![Step::default(); names.len()], ended: None }
    }

    fn intended(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let name = self.names[step];
        if let Some((_, seq)) = self.ended {
            return Err(Breach::of(
                "step_after_end",
                format!("{} attempts no step after its end", event.saga()),
                format!("it attempts {name}"),
            )
            .with_evidence([seq]));
        }
        if let Some(seq) = self.steps.iter().find_map(|s| s.compensated) {
            return Err(Breach::of(
                "step_after_turn",
                format!("{} attempts no step after its first compensation", event.saga()),
                format!("it attempts {name}"),
            )
            .with_evidence([seq]));
        }
        if let Some(missing) = self.steps[..step].iter().position(|s| !s.done) {
            return Err(Breach::of(
                "step_out_of_order",
                format!("{} attempts {name} when all steps before it are done", event.saga()),
                format!("{} is not done", self.names[missing]),
            )
            .with_evidence(self.steps[missing].intended));
        }
        self.steps[step].intended.get_or_insert(event.seq);
        Ok(())
    }

    /// Its log may say more than was told of it: what became of the step that was under way, and that the next is.
    fn taken_up(&mut self, event: &Event<'_>, step: usize) {
        for before in &mut self.steps[..step] {
            before.done |= before.intended.is_some();
        }
        self.steps[step].intended.get_or_insert(event.seq);
        match self.steps.iter().rposition(Step::is_open) {
            // It goes back already: the last one had been refused, or is compensated. With an effect left it is not.
            Some(last) if last > step => self.steps[last].close(event.seq),
            // Or there is none left to go back to. If so, it shows at the end.
            Some(0) => self.steps[0].may_be_closed = true,
            _ => {}
        }
    }

    fn refused(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let view = &mut self.steps[step];
        if view.net > 0 {
            return Err(Breach::of(
                "refused_but_effective",
                format!("{} of {} has no effect when it counts as refused", self.names[step], event.saga()),
                format!("it took effect {} more often than it was undone", times(view.net)),
            )
            .with_evidence(view.effect));
        }
        view.refused = Some(event.seq);
        Ok(())
    }

    fn applied(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (self.names[step], event.saga());
        let ended = self.ended;
        let view = &mut self.steps[step];
        if let Some(seq) = view.void {
            return Err(late(name, saga, "its compensation").with_evidence([seq]));
        }
        if let Some(seq) = view.refused {
            return Err(late(name, saga, "it counted as refused").with_evidence([seq]));
        }
        if view.intended.is_none() {
            return Err(Breach::of(
                "unlogged_effect",
                format!("{name} of {saga} takes effect after its intent is logged"),
                format!("it took effect at {}, and no intent was logged", event.node),
            ));
        }
        view.net += 1;
        if view.net > 1 {
            return Err(Breach::of(
                "double_effect",
                format!("{name} of {saga} takes effect once"),
                format!(
                    "it took effect again at {}, {} more often than it was undone",
                    event.node,
                    times(view.net)
                ),
            )
            .with_evidence(view.effect));
        }
        view.effect = Some(event.seq);
        if let Some((_, seq)) = ended {
            return Err(late(name, saga, "its end").with_evidence([seq]));
        }
        Ok(())
    }

    fn undone(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (self.names[step], event.saga());
        if let Some((true, seq)) = self.ended {
            return Err(Breach::of(
                "undone_after_completed",
                format!("{saga} has completed: nothing of it is undone"),
                format!("{name} is undone at {}", event.node),
            )
            .with_evidence([seq]));
        }
        if let Some(later) = (step + 1..self.names.len()).rev().find(|later| self.steps[*later].net > 0) {
            return Err(Breach::of(
                "out_of_order",
                format!("{saga} is undone from its last step back: {} before {name}", self.names[later]),
                format!("{name} is undone, and {} still has its effect", self.names[later]),
            )
            .with_evidence(self.steps[later].effect));
        }
        let view = &mut self.steps[step];
        view.net -= 1;
        view.void.get_or_insert(event.seq);
        if view.net < 0 {
            return Err(Breach::of(
                "undone_without_effect",
                format!("{name} of {saga} is undone as often as it took effect"),
                format!("it was undone {} more", times(-view.net)),
            )
            .with_evidence(view.effect));
        }
        Ok(())
    }

    fn compensated(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (self.names[step], event.saga());
        if !self.steps[step].counts() {
            return Err(Breach::of(
                "groundless_compensation",
                format!("{name} of {saga} is compensated only if it may have taken effect"),
                match self.steps[step].refused {
                    Some(_) => "it was refused",
                    None => "it was never attempted",
                },
            )
            .with_evidence(self.steps[step].refused));
        }
        if let Some(later) = (step + 1..self.names.len()).rev().find(|later| self.steps[*later].is_open()) {
            return Err(Breach::of(
                "out_of_order",
                format!("{saga} is compensated from its last step back: {} before {name}", self.names[later]),
                format!("{name} is compensated, and {} is not", self.names[later]),
            )
            .with_evidence(self.steps[later].intended));
        }
        let view = &mut self.steps[step];
        // A compensation that was made before is acknowledged without a word of the service.
        let taken_back = view.uncertain < 0;
        view.shows(taken_back, event);
        view.compensated = Some(event.seq);
        view.void.get_or_insert(event.seq);
        if view.net != 0 {
            return Err(Breach::of(
                "not_undone",
                format!("{name} of {saga} has no effect left when it counts as compensated"),
                format!("it took effect {} more often than it was undone", times(view.net)),
            )
            .with_evidence(view.effect));
        }
        Ok(())
    }

    fn end(&mut self, event: &Event<'_>, completed: bool) -> Result<(), Breach> {
        match self.ended.replace((completed, event.seq)) {
            Some((before, seq)) if before != completed => {
                let word = |completed: bool| if completed { "completed" } else { "compensated" };
                Err(Breach::of(
                    "two_ends",
                    format!("{} ends once: it was {}", event.saga(), word(before)),
                    format!("it is {} now", word(completed)),
                )
                .with_evidence([seq]))
            }
            _ => Ok(()),
        }
    }

    fn completed(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        self.end(event, true)?;
        match self.steps.iter().position(|s| s.net != 1) {
            Some(step) => Err(Breach::of(
                "half_done",
                format!(
                    "{} has the effect of each of its {} steps once when it completes",
                    event.saga(),
                    self.names.len()
                ),
                format!("{} has it {}", self.names[step], times(self.steps[step].net)),
            )
            .with_evidence(self.steps[step].effect.or(self.steps[step].intended))),
            None => Ok(()),
        }
    }

    fn all_compensated(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        self.end(event, false)?;
        if let Some(step) = self.steps.iter().position(|s| s.net != 0) {
            return Err(Breach::of(
                "not_undone",
                format!("{} has no effect left when it counts as compensated", event.saga()),
                format!("{} has it {}", self.names[step], times(self.steps[step].net)),
            )
            .with_evidence(self.steps[step].effect));
        }
        match self.steps.iter().position(|s| s.is_open() && !s.may_be_closed) {
            Some(step) => Err(Breach::of(
                "skipped_compensation",
                format!("each step of {} that may have taken effect is compensated", event.saga()),
                format!("{} was attempted, and not compensated", self.names[step]),
            )
            .with_evidence(self.steps[step].intended)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
