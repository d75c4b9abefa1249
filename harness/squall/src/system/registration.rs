//! Whether a system is what its declarations say: checked once, before any spec of it is taken.
//!
//! A slip here would not be seen later: an operation under a name that no plan has is never performed as planned, a flaw that
//! changes nothing is never caught, an event under a name of two parts too few is never heard.

use std::collections::BTreeSet;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnySystem, CLIENTS};
use crate::{
    check::builtin::builtins,
    language::{
        Code, Diagnostic, Span,
        diagnostic::name_help,
        promises::{self, promise},
    },
    trace,
};

/// How often each operation is drawn: its strategy may choose between several.
const DRAWS: usize = 16;

/// Words of the language of targets.
const WORDS: [&str; 9] = ["all", "rest", "one", "some", "minority", "majority", "role", "zone", CLIENTS];

/// Something that is wrong with a system's declarations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, in a line.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl Problem {
    /// It as an error of a spec, at the name of the system.
    pub(crate) fn at(&self, system: &str, span: Span) -> Diagnostic {
        let message = format!("`{system}` is not declared as it should be: {}", self.what);
        Diagnostic::new(Code::Registration, "system", span, message, self.help.clone())
    }
}

/// What is wrong with a system's declarations; nothing if all is well. Calls everything that the system declares, so this belongs
/// where code under test may run.
pub fn problems(system: &dyn AnySystem) -> Vec<Problem> {
    let mut check = Check { system, params: &Value::Null, found: Vec::new() };
    check.params();
    check.with_params();
    check.events();
    check.twins("methods", system.methods());
    check.roles();
    check.flaws();
    check.found
}

/// What is wrong with its declarations under these parameters, of those that go by parameters.
pub(crate) fn problems_with(system: &dyn AnySystem, params: &Value) -> Vec<Problem> {
    let mut check = Check { system, params, found: Vec::new() };
    check.with_params();
    check.found
}

/// What is wrong with a system's operations as its strategies draw them. This calls the strategies, as each run does.
pub fn operation_problems(system: &dyn AnySystem) -> Vec<Problem> {
    let mut check = Check { system, params: &Value::Null, found: Vec::new() };
    check.drawn();
    check.found
}

struct Check<'a> {
    system: &'a dyn AnySystem,
    params: &'a Value,
    found: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, what: impl Into<String>, help: impl Into<String>) {
        self.found.push(Problem { what: what.into(), help: help.into() });
    }

    /// Names that stand twice in a list.
    fn twins<S: AsRef<str>>(&mut self, list: &str, names: &[S]) {
        let mut seen = BTreeSet::new();
        for name in names {
            let name = name.as_ref();
            if !seen.insert(name) {
                self.report(format!("`{name}` is twice among its {list}"), "give each a name of its own");
            }
        }
    }

    fn params(&mut self) {
        let read = |params: &Value| self.system.complete_params(params);
        let help = "what Params serialises to must be what it is read from: compare the serde attributes of its fields";
        match read(&Value::Null).and_then(|default| Ok((read(&default)?, default))) {
            Ok((again, default)) if again != default => {
                self.report(
                    format!("its default parameters are read back as others: {default} as {again}"),
                    help,
                );
            }
            Ok(_) => {}
            Err(error) => self.report(format!("its default parameters do not read back: {error}"), help),
        }
    }

    fn with_params(&mut self) {
        self.groups();
        self.operations();
        let (invariants, conditions) =
            (self.system.invariants(self.params), self.system.conditions(self.params));
        self.twins("invariants", &invariants);
        self.twins("conditions", &conditions);
    }

    fn groups(&mut self) {
        let groups = self.system.groups(self.params);
        let names: Vec<_> = groups.iter().map(|group| group.name).collect();
        self.twins("groups", &names);
        for name in names {
            if WORDS.contains(&name) {
                let help = format!("rename it: `{name}` means something else in a target");
                self.report(format!("a group is named `{name}`"), help);
            } else if !is_name(name, '-') {
                let help = "write lower-case letters, digits and dashes, beginning with a letter: it becomes a host name";
                self.report(format!("a group is named `{name}`"), help);
            }
        }
    }

    fn operations(&mut self) {
        let operations = self.system.operations(self.params);
        let names: Vec<_> = operations.iter().map(|(name, _)| *name).collect();
        self.twins("operations", &names);
        if !operations.is_empty() && operations.iter().all(|(_, weight)| *weight == 0) {
            self.report("all its operations have the weight 0", "give one of them a weight above 0");
        }
    }

    fn drawn(&mut self) {
        let operations = self.system.operations(&Value::Null);
        let sampler = self.system.sampler(&Value::Null);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner =
            TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        for (kind, (name, _)) in operations.iter().enumerate() {
            let drawn = (0..DRAWS).map(|_| sampler.draw(kind, &mut runner).current());
            let wrong = drawn.filter_map(|op| self.operation(name, &op)).next();
            self.found.extend(wrong);
        }
    }

    /// What is wrong with an operation that was drawn under this name.
    fn operation(&self, name: &str, op: &Value) -> Option<Problem> {
        let problem = |what: String, help: String| Some(Problem { what, help });
        let written = match op {
            Value::String(name) => Some(name),
            Value::Object(only) if only.len() == 1 => only.keys().next(),
            _ => None,
        };
        let Some(written) = written else {
            return problem(
                format!("its operation `{name}` serialises to `{op}`"),
                "make Op an enum in serde's default form, a variant an operation: no `tag`, `untagged` or struct".into(),
            );
        };
        if written != name {
            return problem(
                format!("its operation `{name}` serialises as `{written}`"),
                format!(
                    "operations are named as Op's variants serialise: write `#[serde(rename_all = \"snake_case\")]` over Op, or draw \
                     another variant under `{name}`"
                ),
            );
        }
        let declared = self.system.operation_fields(&Value::Null);
        let declared: &[&str] =
            declared.iter().find(|(known, _)| *known == name).map_or(&[], |(_, fields)| fields);
        let undeclared = op[name].as_object().into_iter().flat_map(|arguments| arguments.keys());
        let undeclared =
            undeclared.filter(|_| !declared.is_empty()).find(|field| !declared.contains(&field.as_str()));
        if let Some(field) = undeclared {
            return problem(
                format!("its operation `{name}` has the argument `{field}`, and does not say so"),
                format!("add it to the `fields` of `{name}` in System::operations, or leave them all out"),
            );
        }
        let help =
            "what Op serialises to must be what it is read from: compare the serde attributes of its fields";
        match self.system.reread_operation(op) {
            Ok(again) if again != *op => {
                problem(format!("its operation {op} is read back as {again}"), help.into())
            }
            Ok(_) => None,
            Err(error) => problem(format!("its operation {op} does not read back: {error}"), help.into()),
        }
    }

    fn events(&mut self) {
        let events = self.system.events();
        let names: Vec<_> = events.iter().map(|event| event.name).collect();
        self.twins("events", &names);
        for event in events {
            let name = event.name;
            self.twins(&format!("fields of `{name}`"), event.fields);
            if trace::world_event(name).is_some() {
                self.report(
                    format!("it declares `{name}`, which is an event of the world"),
                    "rename the event",
                );
            } else if name
                .split_once('.')
                .is_none_or(|(target, message)| target.is_empty() || message.is_empty())
            {
                let help = "write `target.message`, as tracing::info!(target: \"saga\", \"completed\") is `saga.completed`";
                self.report(format!("its event `{name}` has no target"), help);
            } else if matches!(name, "role.acquired" | "role.lost") && !event.fields.contains(&"role") {
                self.report(
                    format!("its event `{name}` has no field `role`"),
                    "add the field: it says which role",
                );
            }
        }
    }

    fn roles(&mut self) {
        let roles = self.system.roles();
        self.twins("roles", roles);
        for role in roles {
            if !is_name(role, '-') && !is_name(role, '_') {
                let help = "write lower-case letters, digits and dashes, as in `role(leader)`";
                self.report(format!("a role is named `{role}`"), help);
            }
        }
        if !roles.is_empty() && !self.system.events().iter().any(|event| event.name == "role.acquired") {
            let help = "declare `role.acquired` and `role.lost` with the field `role`, and report them";
            self.report("it has roles, and no node reports to have taken one", help);
        }
    }

    fn flaws(&mut self) {
        let flaws = self.system.flaws();
        self.twins("flaws", &flaws.iter().map(|flaw| flaw.name).collect::<Vec<_>>());
        let good = self.system.complete_params(&Value::Null).unwrap_or_default();
        for flaw in flaws {
            let name = flaw.name;
            if name == "hardened" {
                self.report("a flaw is named `hardened`", "rename it: that is the good implementation");
                continue;
            }
            let params = self.system.with_flaw(&Value::Null, name);
            if params == good {
                let help = "System::apply_variant has to change a parameter, and the nodes to go by it";
                self.report(format!("the variant `{name}` changes nothing"), help);
            }
            let mut known = self.system.invariants(&params);
            known.extend(builtins().map(|(name, _)| name.to_owned()));
            // What a spec makes of events has the name that it gives it, as `eventually saga.completed`.
            let of_a_spec = promises::property(flaw.violates).is_some()
                || flaw.violates.split_once(' ').is_some_and(|(kind, _)| {
                    ["never", "eventually", "count", "order"].contains(&kind) || promise(kind).is_some()
                });
            if !of_a_spec && !known.iter().any(|invariant| invariant == flaw.violates) {
                let known: Vec<_> = known.iter().map(String::as_str).collect();
                let what =
                    format!("the flaw `{name}` violates `{}`, and no invariant is named so", flaw.violates);
                self.report(what, name_help(flaw.violates, "its invariants", &known));
            }
        }
    }
}

/// Whether it is of lower-case letters, digits and these.
fn is_name(text: &str, and: char) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == and)
}
