//! Why a fault did nothing in a run: what came of the event it waits for, and whom it meant when it struck. Gathered from the history, and only
//! of faults that touched nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    check::pattern::Pattern,
    history::{Kind, Record},
    plan::{PlannedFault, PlannedTrigger, Start},
};

/// How many different values or strikes are kept: a person reads no more.
const KEPT: usize = 8;

/// What there was instead of anything that a fault could touch, in the runs in which it touched nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// How many strikes were planned.
    pub planned: u64,
    /// How often an event of that name came that it waits for.
    pub named: u64,
    /// How often one came that is meant, most in one run.
    pub most_meant: u64,
    /// The values that the fields it asks for had in events of that name.
    pub values: BTreeMap<String, BTreeSet<String>>,
    /// What it did when it struck, as histories tell it, and how often.
    pub struck: BTreeMap<String, u64>,
}

impl Idle {
    /// Of the fault of this id, whose strikes are among the planned.
    pub(super) fn of(id: &str, planned: &[PlannedFault], records: &[Record]) -> Self {
        let own: Vec<&PlannedFault> = planned.iter().filter(|planned| planned.fault == id).collect();
        let names: BTreeSet<String> = own.iter().map(|planned| planned.name()).collect();
        let trigger = own.iter().find_map(|planned| match &planned.start {
            Start::When(trigger) => Some((trigger.pattern(), trigger)),
            Start::At(_) => None,
        });
        let mut idle = Idle { planned: own.len() as u64, ..Idle::default() };
        for record in records {
            if let Kind::FaultStart { fault, what } = &record.kind
                && names.contains(&**fault)
            {
                idle.add_strikes(what, 1);
            }
            if let Some((pattern, trigger)) = &trigger {
                idle.see(record, pattern, trigger);
            }
        }
        idle
    }

    fn see(&mut self, record: &Record, pattern: &Pattern, trigger: &PlannedTrigger) {
        let Some((name, fields)) = record.event().filter(|(name, _)| pattern.is_of(name)) else { return };
        self.named += 1;
        self.most_meant += u64::from(pattern.matches(name, fields));
        for field in trigger.fields.keys() {
            if let Some(value) = fields.get(field) {
                self.add_value(field, value.to_string());
            }
        }
    }

    fn add_value(&mut self, field: &str, value: String) {
        let values = self.values.entry(field.to_owned()).or_default();
        if values.len() < KEPT {
            values.insert(value);
        }
    }

    fn add_strikes(&mut self, what: &str, times: u64) {
        if self.struck.len() < KEPT || self.struck.contains_key(what) {
            *self.struck.entry(what.to_owned()).or_default() += times;
        }
    }

    /// Adds what another run says of the same fault.
    pub(crate) fn add(&mut self, other: &Idle) {
        self.planned += other.planned;
        self.named += other.named;
        self.most_meant = self.most_meant.max(other.most_meant);
        for (field, values) in &other.values {
            values.iter().for_each(|value| self.add_value(field, value.clone()));
        }
        for (what, times) in &other.struck {
            self.add_strikes(what, *times);
        }
    }
}
