//! The cheap checkers of [`specific`](crate::specific) on calls with untyped values: told event by event, for whoever watches a run and wants to
//! stop it at the violation, or [all at once](Watch::whole).

use std::{collections::BTreeMap, fmt};

use super::{Consistency, Counts, Explanation, Judgement, Question};
use crate::{
    formats::{Call, Datum, Ended, FormatError, Place, Recorded},
    verdict::Verdict,
};

mod checkers;
mod holders;
mod open;

use self::open::Open;

/// What a cheap checker watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Property {
    /// `give` answers with an id, `give-all` with a list of them.
    UniqueIds,
    /// `add` of an element; `read` answers with all of them.
    GrowingSet,
    /// `put` of a value; `take` answers with one, or with nil if there was none.
    TotalQueue,
    /// `add` and `subtract` of an amount; `read`.
    CounterBounds,
    /// `read` answers with all balances.
    Bank,
    /// `read` answers with the versions of several keys.
    LongFork,
    /// `acquire`, answered with the token if there are tokens; `release`, `lose`; `use` with a token.
    MutualExclusion,
    /// `hold`: what a replica holds from now on.
    Convergence,
}

/// A property, and how it is spoken of.
struct About {
    property: Property,
    name: &'static str,
    /// What can be asked of it, each with what it is called here.
    verbs: &'static [(&'static str, &'static str)],
    about: &'static str,
}

/// All of them.
const ALL: [About; 8] = [
    About {
        property: Property::UniqueIds,
        name: "unique-ids",
        verbs: &[("give", "give"), ("generate", "give"), ("take", "give"), ("give-all", "give-all")],
        about: "each id is given once",
    },
    About {
        property: Property::GrowingSet,
        name: "growing-set",
        verbs: &[("add", "add"), ("read", "read")],
        about: "a read shows all that was added before it, and nothing that nobody added",
    },
    About {
        property: Property::TotalQueue,
        name: "total-queue",
        verbs: &[
            ("put", "put"),
            ("enqueue", "put"),
            ("push", "put"),
            ("take", "take"),
            ("dequeue", "take"),
            ("pop", "take"),
        ],
        about: "what is put in comes out, once",
    },
    About {
        property: Property::CounterBounds,
        name: "counter-bounds",
        verbs: &[("add", "add"), ("increment", "add"), ("subtract", "subtract"), ("read", "read")],
        about: "a read is neither below what is surely counted nor above what can be",
    },
    About {
        property: Property::Bank,
        name: "bank",
        verbs: &[("read", "read")],
        about: "all balances together are always the same",
    },
    About {
        property: Property::LongFork,
        name: "long-fork",
        verbs: &[("read", "read")],
        about: "of two reads of several keys one is as new as the other in every key",
    },
    About {
        property: Property::MutualExclusion,
        name: "mutual-exclusion",
        verbs: &[
            ("acquire", "acquire"),
            ("lock", "acquire"),
            ("release", "release"),
            ("unlock", "release"),
            ("lose", "lose"),
            ("use", "use"),
        ],
        about: "one holder at a time, tokens that grow, and nobody listened to after a later holder",
    },
    About {
        property: Property::Convergence,
        name: "convergence",
        verbs: &[("hold", "hold"), ("read", "hold")],
        about: "all replicas hold the same in the end",
    },
];

impl Property {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Property> {
        ALL.iter().map(|about| about.property)
    }

    fn described(self) -> &'static About {
        ALL.iter().find(|about| about.property == self).expect("all are listed")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.described().name
    }

    /// What it says, in half a sentence.
    pub fn about(self) -> &'static str {
        self.described().about
    }

    /// The property of a name, with dashes or underscores.
    pub fn of(name: &str) -> Option<Property> {
        Property::all().find(|property| property.name() == name.replace('_', "-"))
    }

    /// What can be asked of it.
    pub fn verbs(self) -> impl Iterator<Item = &'static str> {
        self.described().verbs.iter().map(|(verb, _)| *verb)
    }

    /// What a verb is to the checker, if it is one.
    fn verb(self, f: &str) -> Option<&'static str> {
        self.described().verbs.iter().find(|(known, _)| *known == f).map(|(_, verb)| *verb)
    }

    /// Whether the state at the invocation matters, so that the key has to be known by then.
    fn is_early(self, verb: &str) -> bool {
        match self {
            Property::CounterBounds => true,
            Property::GrowingSet => verb == "add",
            Property::TotalQueue => verb == "put",
            Property::MutualExclusion => verb == "release",
            _ => false,
        }
    }
}

/// What a checker is to know beyond what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Calls are on many objects, told apart by their keys.
    pub keyed: bool,
    /// Reads may show an older state. A set is then only judged by what it has lost in the end, a counter by what can be at any time.
    pub stale_reads: bool,
    /// How much there is in a bank; else what the first read shows.
    pub total: Option<i64>,
    /// Accounts of a bank may be overdrawn.
    pub overdraft: bool,
    /// A queue is emptied in the end, so that what is not taken is lost.
    pub drained: bool,
    /// Holders of a lock say when they do not hold it any more. If not, only tokens are judged.
    pub released: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            keyed: false,
            stale_reads: false,
            total: None,
            overdraft: false,
            drained: true,
            released: true,
        }
    }
}

/// How a call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It begins.
    Invoked,
    /// It took effect.
    Ok,
    /// It did not and never will.
    Failed,
    /// It may have, or may still.
    Unknown,
}

/// A call that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Which call: the same from its beginning to its end.
    pub call: u64,
    /// Who makes it, for people and to tell holders and replicas apart. Empty at the beginning if only the answer tells.
    pub by: &'a str,
    /// What for.
    pub f: &'a str,
    /// On which object, as far as is known by now.
    pub key: Option<&'a Datum>,
    /// What it is asked with, or answered with.
    pub value: &'a Datum,
    /// How it goes on.
    pub stage: Stage,
    /// The position of this among all that happens.
    pub index: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Finding {
    /// What kind of thing, in a word or two.
    pub class: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was seen in its place.
    pub seen: String,
    /// The positions that show it.
    pub indices: Vec<u64>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected: {}\nseen: {}", self.expected, self.seen)
    }
}

/// Why a watch cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something is wrong with what is watched.
    Illegal(Finding),
    /// What was told says nothing to the checker: what, and what to do about it.
    Malformed(String, String),
}

impl From<Finding> for Trouble {
    fn from(finding: Finding) -> Self {
        Trouble::Illegal(finding)
    }
}

/// A cheap checker of one object.
trait Checker: Send {
    /// A call begins.
    fn invoked(&mut self, _id: u64, _call: &Open) -> Result<(), Trouble> {
        Ok(())
    }
    /// It took effect, at this position, and was answered so. Returns whether there was something to judge.
    fn ok(&mut self, id: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble>;
    /// It did not take effect.
    fn failed(&mut self, _id: u64, _call: &Open) {}
    /// It may have.
    fn unknown(&mut self, _call: &Open) {}
    /// Somebody is gone.
    fn gone(&mut self, _who: &str) {}
    /// Nothing more comes. What was done before `settled` has had the time that it needs. Returns how much there was to judge.
    fn finish(&mut self, _settled: u64) -> Result<u64, Finding> {
        Ok(0)
    }
}

/// Watches a property.
///
/// ```
/// use squall_checkers::{formats::Datum, judge::{Heard, Property, Stage, Terms, Watch}};
///
/// let mut watch = Watch::new(Property::UniqueIds, Terms::default());
/// let heard = Heard {
///     call: 0, by: "client 0", f: "give", key: None, value: &Datum::Nil, stage: Stage::Invoked, index: 0,
/// };
/// assert!(watch.hear(&heard).is_ok());
/// assert!(watch.hear(&Heard { stage: Stage::Ok, value: &Datum::Int(7), index: 1, ..heard }).is_ok());
/// assert!(watch.hear(&Heard { call: 1, index: 2, ..heard }).is_ok());
/// assert!(watch.hear(&Heard { call: 1, stage: Stage::Ok, value: &Datum::Int(7), index: 3, ..heard }).is_err());
/// ```
pub struct Watch {
    property: Property,
    terms: Terms,
    objects: BTreeMap<Option<Datum>, Box<dyn Checker>>,
    open: BTreeMap<u64, Open>,
    judged: u64,
}

impl Watch {
    /// Nothing happened yet.
    pub fn new(property: Property, terms: Terms) -> Self {
        Watch { property, terms, objects: BTreeMap::new(), open: BTreeMap::new(), judged: 0 }
    }

    /// How often there was something to judge.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    /// A call goes on.
    ///
    /// # Errors
    /// What is wrong with what is watched, or that it says nothing.
    pub fn hear(&mut self, heard: &Heard<'_>) -> Result<(), Trouble> {
        if heard.stage == Stage::Invoked {
            return self.invoked(heard);
        }
        let Some(mut call) = self.open.remove(&heard.call) else { return Ok(()) };
        call.key = call.key.or_else(|| heard.key.cloned());
        if !heard.by.is_empty() {
            call.by = heard.by.to_owned();
        }
        if call.key.is_none() && self.terms.keyed {
            return match heard.stage {
                Stage::Ok => Err(self.without_key(heard.f, "neither in its arguments nor in its result")),
                _ => Ok(()),
            };
        }
        let object = object(&mut self.objects, self.property, &self.terms, &call.key);
        match heard.stage {
            Stage::Invoked => {}
            Stage::Ok => {
                let judged = object
                    .ok(heard.call, &call, heard.index, heard.value)
                    .map_err(|trouble| told(trouble, &call.key))?;
                self.judged += u64::from(judged);
            }
            Stage::Failed => object.failed(heard.call, &call),
            Stage::Unknown => object.unknown(&call),
        }
        Ok(())
    }

    fn invoked(&mut self, heard: &Heard<'_>) -> Result<(), Trouble> {
        let Some(verb) = self.property.verb(heard.f) else {
            let known: Vec<&str> = self.property.verbs().collect();
            return Err(Trouble::Malformed(
                format!("`{}` is nothing that can be asked here", heard.f),
                format!("it is one of {}", known.join(", ")),
            ));
        };
        let call = Open {
            by: heard.by.to_owned(),
            verb,
            key: heard.key.cloned(),
            input: heard.value.clone(),
            invoked: heard.index,
        };
        if self.property.is_early(verb) {
            if call.key.is_none() && self.terms.keyed {
                return Err(self.without_key(heard.f, "not in its arguments, and the result comes too late"));
            }
            object(&mut self.objects, self.property, &self.terms, &call.key)
                .invoked(heard.call, &call)
                .map_err(|trouble| told(trouble, &call.key))?;
        }
        self.open.insert(heard.call, call);
        Ok(())
    }

    fn without_key(&self, f: &str, where_not: &str) -> Trouble {
        Trouble::Malformed(
            format!("the key of `{f}` is {where_not}"),
            "name a field that it has as the key, or none if there is but one object".to_owned(),
        )
    }

    /// Somebody died, and holds nothing any more.
    pub fn gone(&mut self, who: &str) {
        self.objects.values_mut().for_each(|object| object.gone(who));
    }

    /// Nothing more comes. What was done before the position `settled` has had all the time that it needs.
    ///
    /// # Errors
    /// What shows only now.
    pub fn finish(&mut self, settled: u64) -> Result<(), Finding> {
        for call in std::mem::take(&mut self.open).into_values() {
            if call.key.is_some() || !self.terms.keyed {
                object(&mut self.objects, self.property, &self.terms, &call.key).unknown(&call);
            }
        }
        for (key, object) in &mut self.objects {
            self.judged += object.finish(settled).map_err(|finding| of_key(finding, key))?;
        }
        Ok(())
    }

    /// Judges all calls of a history.
    ///
    /// # Errors
    /// The first call that says nothing.
    pub(super) fn whole(
        property: Property,
        recorded: &Recorded,
        question: &Question,
    ) -> Result<Judgement, FormatError> {
        let at = |place, message, help| Err(FormatError { place, message, help });
        let Recorded::Calls(calls) = recorded else {
            let message =
                format!("this file holds transactions, and `{}` is about single calls", property.name());
            return at(Place { line: 1, column: 1 }, message, "judge it as `--model rw-register`".to_owned());
        };
        if question.consistency.is_some() {
            let message = format!("`{}` is judged as it is: no consistency goes with it", property.name());
            return at(Place { line: 1, column: 1 }, message, "leave `--consistency` out".to_owned());
        }
        let keyed = calls.iter().any(|call| call.key.is_some());
        let released = calls.iter().any(|call| matches!(property.verb(&call.f), Some("release" | "lose")));
        let mut watch = Watch::new(property, Terms { keyed, released, ..Terms::default() });
        let verdict = match watch.calls(calls)? {
            Some(finding) => Verdict::Illegal(Explanation::Property(finding)),
            None => Verdict::Legal { by: "its cheap checker" },
        };
        let notes = match watch.judged {
            0 => vec![
                "nothing was judged: no call asks what this property is about, or too few were answered"
                    .to_owned(),
            ],
            _ => Vec::new(),
        };
        Ok(Judgement {
            consistency: Consistency::Property(property),
            verdict,
            counts: Counts::default(),
            levels: Vec::new(),
            strongest: Vec::new(),
            notes,
        })
    }

    /// Hears calls in the order of their events. A failed one never happened.
    fn calls(&mut self, calls: &[Call]) -> Result<Option<Finding>, FormatError> {
        let happened = |(_, call): &(usize, &Call)| call.ended != Ended::Fail;
        let mut events: Vec<(u64, usize, Stage)> = Vec::new();
        for (at, call) in calls.iter().enumerate().filter(happened) {
            events.push((call.invoked, at, Stage::Invoked));
            events.extend(call.returned.map(|returned| (returned, at, Stage::Ok)));
        }
        events.sort_unstable_by_key(|(index, ..)| *index);
        for (index, at, stage) in events {
            let call = &calls[at];
            let by = format!("process {}", call.process);
            let value = if stage == Stage::Ok { &call.output } else { &call.input };
            let heard =
                Heard { call: at as u64, by: &by, f: &call.f, key: call.key.as_ref(), value, stage, index };
            match self.hear(&heard) {
                Ok(()) => {}
                Err(Trouble::Illegal(finding)) => return Ok(Some(finding)),
                Err(Trouble::Malformed(message, help)) => {
                    return Err(FormatError { place: call.place, message, help });
                }
            }
        }
        Ok(self.finish(u64::MAX).err())
    }
}

/// The checker of an object.
fn object<'a>(
    objects: &'a mut BTreeMap<Option<Datum>, Box<dyn Checker>>,
    property: Property,
    terms: &Terms,
    key: &Option<Datum>,
) -> &'a mut Box<dyn Checker> {
    objects.entry(key.clone().filter(|_| terms.keyed)).or_insert_with(|| checkers::fresh(property, terms))
}

fn told(trouble: Trouble, key: &Option<Datum>) -> Trouble {
    match trouble {
        Trouble::Illegal(finding) => Trouble::Illegal(of_key(finding, key)),
        malformed @ Trouble::Malformed(..) => malformed,
    }
}

/// Says of which object, where there are many.
fn of_key(finding: Finding, key: &Option<Datum>) -> Finding {
    match key {
        Some(key) => {
            let key = key.text().map_or_else(|| key.to_string(), str::to_owned);
            Finding { seen: format!("of {key}, {}", finding.seen), ..finding }
        }
        None => finding,
    }
}
