//! A saga is all or nothing.

use std::collections::BTreeMap;

use squall::{Invariant, Record, check::Breach};

use super::{super::protocol::STEPS, Event};

/// `saga_atomicity`. Judged at each event:
///
/// - A saga that completed has each step's effect once; one that was compensated has none. Nothing changes after that.
/// - A step is attempted only when those before it are done, and has no effect without a logged intent.
/// - A step that was refused has no effect. One whose compensation was acknowledged has none left, and gets none.
/// - A step is compensated only if it may have taken effect, and after all later ones.
/// - What a service holds is the sum of its effects; what it holds and what is left add up to what there was.
#[derive(Default)]
pub struct SagaAtomicity {
    sagas: BTreeMap<String, Saga>,
    accounts: BTreeMap<String, Account>,
    exercised: u64,
}

#[derive(Default)]
struct Saga {
    steps: [Step; STEPS.len()],
    /// Whether it completed, and the record that says so.
    ended: Option<(bool, u64)>,
}

#[derive(Default)]
struct Step {
    intended: Option<u64>,
    done: bool,
    refused: Option<u64>,
    /// Effects made and not undone.
    net: i64,
    effect: Option<u64>,
    /// The record that forbids any effect from then on: its compensation took effect, or was acknowledged.
    void: Option<u64>,
    /// Its compensation was acknowledged.
    compensated: Option<u64>,
}

impl Step {
    /// It took effect or may have: it has to be compensated if the saga turns back.
    fn counts(&self) -> bool {
        self.intended.is_some() && self.refused.is_none()
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
        let saga = self.sagas.entry(event.saga().to_owned()).or_default();
        match (event.name, event.step()) {
            ("saga.step_intended" | "saga.step_unknown", Some(step)) => saga.intended(&event, step),
            ("saga.step_done", Some(step)) => {
                saga.steps[step].done = true;
                Ok(())
            }
            ("saga.step_refused", Some(step)) => saga.refused(&event, step),
            ("saga.step_compensated", Some(step)) => saga.compensated(&event, step),
            ("effect.applied", Some(step)) => saga.applied(&event, step),
            ("effect.undone", Some(step)) => saga.undone(&event, step),
            ("participant.voided", Some(step)) => {
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
}

impl SagaAtomicity {
    fn restored(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        let (held, total) = (event.int("held"), event.int("held") + event.int("free"));
        let before = self.accounts.insert(event.node.to_owned(), Account { held, total });
        match before {
            Some(before) if has_pool(event) && before.total != total => Err(Breach::new(
                "not_conserved",
                format!("{} had {} in all and has {total} after its restart", event.node, before.total),
            )),
            _ => Ok(()),
        }
    }

    fn account(&mut self, event: &Event<'_>, sign: i64) -> Result<(), Breach> {
        let Some(account) = self.accounts.get_mut(event.node) else { return Ok(()) };
        account.held += sign * event.int("amount");
        let (held, total) = (event.int("held"), event.int("held") + event.int("free"));
        if account.held != held || has_pool(event) && account.total != total {
            return Err(Breach::new(
                "not_conserved",
                format!(
                    "{} should hold {} of {} and reports {held} of {total}",
                    event.node, account.held, account.total
                ),
            ));
        }
        Ok(())
    }
}

fn has_pool(event: &Event<'_>) -> bool {
    matches!(event.text("resource"), "inventory" | "payments")
}

impl Saga {
    fn intended(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let name = STEPS[step];
        if let Some((_, seq)) = self.ended {
            return Err(Breach::new("step_after_end", format!("{name} of {} after its end", event.saga()))
                .with_evidence([seq]));
        }
        if let Some(seq) = self.steps.iter().find_map(|s| s.compensated) {
            return Err(Breach::new(
                "step_after_turn",
                format!("{name} of {} after it turned back", event.saga()),
            )
            .with_evidence([seq]));
        }
        if let Some(missing) = self.steps[..step].iter().position(|s| !s.done) {
            return Err(Breach::new(
                "step_out_of_order",
                format!("{name} of {} while {} is not done", event.saga(), STEPS[missing]),
            ));
        }
        self.steps[step].intended.get_or_insert(event.seq);
        Ok(())
    }

    fn refused(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let view = &mut self.steps[step];
        if view.net > 0 {
            return Err(Breach::new(
                "refused_but_effective",
                format!("{} of {} counts as refused and took effect", STEPS[step], event.saga()),
            )
            .with_evidence(view.effect));
        }
        view.refused = Some(event.seq);
        Ok(())
    }

    fn applied(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (STEPS[step], event.saga());
        let ended = self.ended;
        let view = &mut self.steps[step];
        if let Some(seq) = view.void {
            return Err(Breach::new("late_effect", format!("{name} of {saga} after its compensation"))
                .with_evidence([seq]));
        }
        if let Some(seq) = view.refused {
            return Err(Breach::new("late_effect", format!("{name} of {saga} after it counted as refused"))
                .with_evidence([seq]));
        }
        if view.intended.is_none() {
            return Err(Breach::new("unlogged_effect", format!("{name} of {saga} without a logged intent")));
        }
        view.net += 1;
        if view.net > 1 {
            return Err(Breach::new("double_effect", format!("{name} of {saga} took effect twice"))
                .with_evidence(view.effect));
        }
        view.effect = Some(event.seq);
        if let Some((_, seq)) = ended {
            return Err(
                Breach::new("late_effect", format!("{name} of {saga} after its end")).with_evidence([seq])
            );
        }
        Ok(())
    }

    fn undone(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (STEPS[step], event.saga());
        if let Some((true, seq)) = self.ended {
            return Err(
                Breach::new("undone_after_completed", format!("{name} of {saga}")).with_evidence([seq])
            );
        }
        if let Some(later) = (step + 1..STEPS.len()).rev().find(|later| self.steps[*later].net > 0) {
            return Err(Breach::new(
                "out_of_order",
                format!("{name} of {saga} was undone before {}", STEPS[later]),
            )
            .with_evidence(self.steps[later].effect));
        }
        let view = &mut self.steps[step];
        view.net -= 1;
        view.void.get_or_insert(event.seq);
        if view.net < 0 {
            return Err(Breach::new(
                "undone_without_effect",
                format!("{name} of {saga} was undone more often than done"),
            )
            .with_evidence(view.effect));
        }
        Ok(())
    }

    fn compensated(&mut self, event: &Event<'_>, step: usize) -> Result<(), Breach> {
        let (name, saga) = (STEPS[step], event.saga());
        if !self.steps[step].counts() {
            return Err(Breach::new(
                "groundless_compensation",
                format!("{name} of {saga} was compensated and cannot have taken effect"),
            ));
        }
        let skipped = |s: &Step| s.counts() && s.compensated.is_none();
        if let Some(later) = (step + 1..STEPS.len()).rev().find(|later| skipped(&self.steps[*later])) {
            return Err(Breach::new(
                "out_of_order",
                format!("{name} of {saga} was compensated before {}", STEPS[later]),
            )
            .with_evidence(self.steps[later].intended));
        }
        let view = &mut self.steps[step];
        view.compensated = Some(event.seq);
        view.void.get_or_insert(event.seq);
        if view.net != 0 {
            return Err(Breach::new(
                "not_undone",
                format!("{name} of {saga} is reported as compensated and still has its effect"),
            )
            .with_evidence(view.effect));
        }
        Ok(())
    }

    fn end(&mut self, event: &Event<'_>, completed: bool) -> Result<(), Breach> {
        match self.ended.replace((completed, event.seq)) {
            Some((before, seq)) if before != completed => {
                Err(Breach::new("two_ends", format!("{} ended twice, and differently", event.saga()))
                    .with_evidence([seq]))
            }
            _ => Ok(()),
        }
    }

    fn completed(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        self.end(event, true)?;
        match self.steps.iter().position(|s| s.net != 1) {
            Some(step) => Err(Breach::new(
                "half_done",
                format!(
                    "{} completed, and {} took effect {} times",
                    event.saga(),
                    STEPS[step],
                    self.steps[step].net
                ),
            )),
            None => Ok(()),
        }
    }

    fn all_compensated(&mut self, event: &Event<'_>) -> Result<(), Breach> {
        self.end(event, false)?;
        if let Some(step) = self.steps.iter().position(|s| s.net != 0) {
            return Err(Breach::new(
                "not_undone",
                format!("{} counts as compensated, and {} still has its effect", event.saga(), STEPS[step]),
            )
            .with_evidence(self.steps[step].effect));
        }
        match self.steps.iter().position(|s| s.counts() && s.compensated.is_none()) {
            Some(step) => Err(Breach::new(
                "skipped_compensation",
                format!("{} counts as compensated, and {} was not", event.saga(), STEPS[step]),
            )
            .with_evidence(self.steps[step].intended)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn breach(script: &Script) -> Option<&'static str> {
        script.judge(&mut SagaAtomicity::default())
    }

    fn forward(steps: usize) -> Script {
        (0..steps).fold(Script::started("s"), |script, i| script.done("s", STEPS[i]))
    }

    #[test]
    fn a_completed_saga_passes_and_counts() {
        let mut invariant = SagaAtomicity::default();
        let script = forward(5).saga("completed", "s", None);
        assert_eq!(script.judge(&mut invariant), None);
        assert_eq!(invariant.exercised(), 1);
    }

    #[test]
    fn a_refused_saga_undone_in_reverse_passes() {
        let script = forward(2)
            .saga("step_intended", "s", Some("charge"))
            .saga("step_refused", "s", Some("charge"))
            .undone("s", "reserve")
            .undone("s", "create_order")
            .saga("compensated", "s", None);
        assert_eq!(breach(&script), None);
    }

    #[test]
    fn a_step_in_doubt_is_voided() {
        let script = forward(1)
            .saga("step_intended", "s", Some("reserve"))
            .saga("step_unknown", "s", Some("reserve"))
            .event("participant.voided", "s", Some("reserve"))
            .saga("step_compensated", "s", Some("reserve"))
            .undone("s", "create_order")
            .saga("compensated", "s", None);
        assert_eq!(breach(&script), None);
        assert_eq!(breach(&script.effect("applied", "s", "reserve", 1)), Some("late_effect"));
    }

    #[test]
    fn ends_that_are_neither_all_nor_nothing() {
        assert_eq!(breach(&forward(4).saga("completed", "s", None)), Some("half_done"));
        assert_eq!(breach(&forward(3).saga("compensated", "s", None)), Some("not_undone"));
        let skipped = Script::started("s").saga("step_intended", "s", Some("create_order")).saga(
            "compensated",
            "s",
            None,
        );
        assert_eq!(breach(&skipped), Some("skipped_compensation"));
        let twice = forward(5).saga("completed", "s", None).saga("compensated", "s", None);
        assert_eq!(breach(&twice), Some("two_ends"));
    }

    #[test]
    fn a_time_out_taken_for_a_refusal() {
        let timed_out = forward(2).saga("step_intended", "s", Some("charge"));
        let executed = timed_out.clone().effect("applied", "s", "charge", 1);
        assert_eq!(
            breach(&executed.saga("step_refused", "s", Some("charge"))),
            Some("refused_but_effective")
        );
        let late = timed_out.saga("step_refused", "s", Some("charge")).effect("applied", "s", "charge", 1);
        assert_eq!(breach(&late), Some("late_effect"));
    }

    #[test]
    fn a_compensation_reported_and_not_made() {
        let script = forward(3).saga("step_compensated", "s", Some("charge"));
        assert_eq!(breach(&script), Some("not_undone"));
    }

    #[test]
    fn compensations_in_the_order_of_the_steps() {
        let script = forward(3);
        assert_eq!(breach(&script.clone().effect("undone", "s", "create_order", 1)), Some("out_of_order"));
        let in_doubt = forward(1)
            .saga("step_intended", "s", Some("reserve"))
            .effect("undone", "s", "create_order", 1)
            .saga("step_compensated", "s", Some("create_order"));
        assert_eq!(breach(&in_doubt), Some("out_of_order"));
    }

    #[test]
    fn compensations_without_ground() {
        let untried = forward(1).saga("step_compensated", "s", Some("reserve"));
        assert_eq!(breach(&untried), Some("groundless_compensation"));
        let twice = forward(1).undone("s", "create_order").effect("undone", "s", "create_order", 1);
        assert_eq!(breach(&twice), Some("undone_without_effect"));
        let completed = forward(5).saga("completed", "s", None).effect("undone", "s", "confirm_order", 0);
        assert_eq!(breach(&completed), Some("undone_after_completed"));
    }

    #[test]
    fn steps_and_effects_out_of_place() {
        assert_eq!(
            breach(&Script::started("s").saga("step_intended", "s", Some("charge"))),
            Some("step_out_of_order")
        );
        assert_eq!(
            breach(&Script::started("s").effect("applied", "s", "create_order", 1)),
            Some("unlogged_effect")
        );
        assert_eq!(breach(&forward(1).effect("applied", "s", "create_order", 1)), Some("double_effect"));
        let turned = forward(1).undone("s", "create_order").saga("step_intended", "s", Some("reserve"));
        assert_eq!(breach(&turned), Some("step_after_turn"));
        let over = forward(5).saga("completed", "s", None).saga("step_intended", "s", Some("reserve"));
        assert_eq!(breach(&over), Some("step_after_end"));
    }

    #[test]
    fn money_that_comes_from_nowhere() {
        let paid = Script::default()
            .restored("payments", 0, 100)
            .saga("started", "s", None)
            .done("s", "create_order")
            .done("s", "reserve")
            .saga("step_intended", "s", Some("charge"));
        let good = paid.clone().charged("s", 30, 30, 70);
        assert_eq!(breach(&good), None);
        assert_eq!(breach(&paid.clone().charged("s", 30, 30, 100)), Some("not_conserved"));
        assert_eq!(breach(&paid.charged("s", 30, 60, 40)), Some("not_conserved"));
        assert_eq!(breach(&good.restored("payments", 0, 70)), Some("not_conserved"));
    }
}
