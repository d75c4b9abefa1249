//! X4: fencing tokens are monotone per resource, and one coordinator drives a saga.

use std::collections::BTreeMap;

use squall::{EventKind, Invariant, Record, check::Breach};

use super::{EVENTS, Event};

/// `single_coordinator`: each start of an orchestrator has an epoch of its own, higher than those before; a saga is
/// driven in rising epochs; and no effect is made in the name of an epoch after one of a higher epoch at the same node.
/// Exercised by what happens in a coordinator's second epoch and later.
#[derive(Default)]
pub struct SingleCoordinator {
    /// The highest epoch seen, by node and coordinator.
    resources: BTreeMap<(String, String), (i64, u64)>,
    /// The highest epoch that drove a saga.
    sagas: BTreeMap<String, (i64, u64)>,
    /// Which life of which node has the epoch.
    holders: BTreeMap<(String, i64), (String, u32)>,
    exercised: u64,
}

impl Invariant for SingleCoordinator {
    fn name(&self) -> &str {
        "single_coordinator"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some(event) = Event::of(record) else { return Ok(()) };
        let Some(epoch) = event.fields.int("epoch") else { return Ok(()) };
        let coordinator = event.text("coordinator");
        match event.name {
            "effect.applied" | "effect.undone" => {
                self.exercised += u64::from(epoch > 1);
                let resource = (event.node.to_owned(), coordinator.to_owned());
                let (highest, seq) = self.resources.entry(resource).or_insert((epoch, event.seq));
                if *highest > epoch {
                    return Err(Breach::of(
                        "stale_token",
                        format!(
                            "{} takes no effect in an epoch of {coordinator} before {highest}, in which it has had one",
                            event.node
                        ),
                        format!("{} of {} took effect in epoch {epoch}", event.text("step"), event.saga()),
                    )
                    .with_evidence([*seq]));
                }
                (*highest, *seq) = (epoch, event.seq);
            }
            name if name.starts_with("saga.") => {
                self.exercised += u64::from(epoch > 1);
                let life = (event.node.to_owned(), event.incarnation);
                let holder =
                    self.holders.entry((coordinator.to_owned(), epoch)).or_insert_with(|| life.clone());
                if *holder != life {
                    return Err(Breach::of(
                        "shared_epoch",
                        format!(
                            "epoch {epoch} of {coordinator} is that of start {} of {} alone",
                            holder.1, holder.0
                        ),
                        format!("start {} of {} has it, too", life.1, life.0),
                    ));
                }
                let (highest, seq) = self.sagas.entry(event.saga().to_owned()).or_insert((epoch, event.seq));
                if *highest > epoch {
                    return Err(Breach::of(
                        "two_coordinators",
                        format!("{} is driven in epoch {highest} or later, as it has been", event.saga()),
                        format!("it is driven in epoch {epoch}"),
                    )
                    .with_evidence([*seq]));
                }
                (*highest, *seq) = (epoch, event.seq);
            }
            _ => {}
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.exercised
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn class(script: &Script) -> Option<&'static str> {
        script.judge(&mut SingleCoordinator::default())
    }

    #[test]
    fn a_restart_in_a_higher_epoch_passes() {
        let mut invariant = SingleCoordinator::default();
        let script = Script::started("s")
            .done("s", "create_order")
            .crashed()
            .epoch(2)
            .saga("resumed", "s", Some("reserve"))
            .done("s", "reserve");
        assert_eq!(script.judge(&mut invariant), None);
        assert_eq!(invariant.exercised(), 4);
    }

    #[test]
    fn what_it_catches() {
        let second = Script::started("s").epoch(2).saga("resumed", "s", None).done("s", "reserve");
        let late = second.clone().epoch(1).effect("applied", "t", "reserve", 1);
        assert_eq!(class(&late), Some("stale_token"));
        let both = second.epoch(1).saga("step_done", "s", Some("create_order"));
        assert_eq!(class(&both), Some("two_coordinators"));
        let shared = Script::started("s").saga_at(2, "resumed", "s", None);
        assert_eq!(class(&shared), Some("shared_epoch"));
    }
}
