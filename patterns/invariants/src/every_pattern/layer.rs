//! X5: what callers and services of a tower `Layer` owe each other, as far as it shows from outside.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    EventKind, Fields, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

use crate::event::unreadable;

/// `layer_contract`:
///
/// - Each call, a retry's and a hedge's too, has a readiness of its own: `called_unready`.
/// - Readiness reserves once, however often it is polled: `reserved_twice`.
/// - Attempts that lost or were given up have ended when the request is answered: `outlives_answer`.
///
/// Exercised by calls.
#[derive(Default)]
pub struct LayerContract {
    /// By node: the clones that are ready, and not called since.
    ready: BTreeMap<String, BTreeSet<String>>,
    /// By node and call: the request that it is an attempt at, if it says so, and the record of its begin.
    calls: BTreeMap<(String, String), (Option<String>, u64)>,
    judged: u64,
}

impl LayerContract {
    fn event(&mut self, node: &str, name: &str, fields: &Fields, seq: u64) -> Result<(), Breach> {
        let text = |field| fields.get(field).map(ToString::to_string);
        let must = |field| text(field).ok_or_else(|| unreadable(field));
        match name {
            "service.ready" => {
                let service = must("service")?;
                if let Some(reserved) = fields.int("reserved").filter(|reserved| *reserved > 1) {
                    return Err(Breach::of(
                        "reserved_twice",
                        format!("{node}'s {service} holds one permit for the call it is ready for"),
                        format!("it holds {reserved}"),
                    ));
                }
                self.ready.entry(node.to_owned()).or_default().insert(service);
            }
            "service.dropped" => {
                let service = must("service")?;
                self.ready.entry(node.to_owned()).or_default().remove(&service);
            }
            "service.called" => {
                self.judged += 1;
                let (service, call) = (must("service")?, must("call")?);
                if !self.ready.entry(node.to_owned()).or_default().remove(&service) {
                    return Err(Breach::of(
                        "called_unready",
                        format!("{node}'s {service} has said that it is ready before each call"),
                        format!("call {call} is made without"),
                    ));
                }
                self.calls.insert((node.to_owned(), call), (text("of"), seq));
            }
            "service.ended" => {
                self.calls.remove(&(node.to_owned(), must("call")?));
            }
            "service.answered" => {
                let of = must("of")?;
                let open = self.calls.iter().find(|((at, _), (request, _))| {
                    at == node && request.as_ref().is_some_and(|request| *request == of)
                });
                if let Some(((_, call), (_, begun))) = open {
                    return Err(Breach::of(
                        "outlives_answer",
                        format!("every attempt at request {of} of {node} has ended when it is answered"),
                        format!("call {call} has not"),
                    )
                    .with_evidence([*begun]));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Invariant for LayerContract {
    fn name(&self) -> &str {
        "layer_contract"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { node, name, fields, .. } => self.event(node, name, fields, record.seq),
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                self.ready.remove(&**node);
                self.calls.retain(|(at, _), _| *at != **node);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                EventKind::new("service.ready", &["service", "reserved"], "a clone says that it is ready"),
                EventKind::new("service.called", &["service", "call", "of"], "it is called"),
                EventKind::new("service.ended", &["call"], "the call's future is done or dropped"),
                EventKind::new("service.dropped", &["service"], "the clone is"),
                EventKind::new("service.answered", &["of"], "the request is answered"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn ready(script: Script, service: &str) -> Script {
        script.event("api[0]", "service.ready", &[("service", service.into()), ("reserved", 1.into())])
    }

    fn called(script: Script, service: &str, call: i64) -> Script {
        let fields = [("service", service.into()), ("call", call.into()), ("of", "r".into())];
        script.event("api[0]", "service.called", &fields)
    }

    fn ended(script: Script, call: i64) -> Script {
        script.event("api[0]", "service.ended", &[("call", call.into())])
    }

    fn answered(script: Script) -> Script {
        script.event("api[0]", "service.answered", &[("of", "r".into())])
    }

    #[test]
    fn readiness_before_each_call_and_no_attempt_after_the_answer() {
        let hedged = || called(ready(called(ready(ready(Script::default(), "a"), "a"), "a", 1), "b"), "b", 2);
        let good = || answered(ended(ended(hedged(), 1), 2));
        let mut law = LayerContract::default();
        assert_eq!((good().judge(&mut law), law.exercised()), (None, 2));
        let class = |script: Script| script.judge(&mut LayerContract::default());
        assert_eq!(class(called(good(), "a", 3)), Some("called_unready"));
        let given_back = ready(good(), "a").event("api[0]", "service.dropped", &[("service", "a".into())]);
        assert_eq!(class(called(given_back, "a", 3)), Some("called_unready"));
        let twice = [("service", "a".into()), ("reserved", 2.into())];
        assert_eq!(class(good().event("api[0]", "service.ready", &twice)), Some("reserved_twice"));
        assert_eq!(class(answered(ended(hedged(), 1))), Some("outlives_answer"));
        assert_eq!(class(good().event("api[0]", "service.called", &[])), Some("unreadable_event"));
        let mut idle = LayerContract::default();
        assert_eq!((ready(Script::default(), "a").judge(&mut idle), idle.exercised()), (None, 0));
    }
}
