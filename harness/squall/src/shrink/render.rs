//! A shrunk run as a file: a spec that `squall run` and `cargo test` take as it is, with a comment that says what it shows.

use std::{collections::BTreeMap, fmt::Write, fs, sync::OnceLock};

use serde::Serialize;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::{Failure, Shrunk, operations, pinned};
use crate::{
    plan::{Plan, RunId},
    spec::{
        Loaded, Spec,
        model::{Network, PlanSection},
        title,
    },
    worker::executable,
};

/// The YAML of a shrunk run, with comments. `defaults` are the system's default parameters.
pub(crate) fn yaml(defaults: &Value, loaded: &Loaded, shrunk: &Shrunk) -> String {
    let mut spec = shrunk.spec.clone();
    let (faults, operations) = shrunk.after();
    if let Some(plan) = &mut spec.plan {
        plan.value.build = Some(build().to_owned());
        plan.value.digest = Some(shrunk.report.digest.to_string());
    }
    let mut out = String::new();
    let of = origin(&spec);
    let write = |out: &mut String| -> std::fmt::Result {
        writeln!(out, "# {}", shrunk.report.verdict.headline())?;
        writeln!(
            out,
            "# Shrunk from {}, seed {of}, in {} runs:",
            title(&loaded.path, loaded.case.as_deref()),
            shrunk.runs
        )?;
        let (before_faults, before_operations) = shrunk.before;
        writeln!(
            out,
            "# {faults} of {before_faults} strikes of faults, {operations} of {before_operations} operations are left."
        )?;
        if shrunk.minimal() {
            writeln!(out, "# None of them can be left out.")?;
        }
        if let Some(stopped) = &shrunk.stopped {
            writeln!(out, "# Not the least there is, maybe: {stopped}.")?;
        }
        out.push_str(&text(&spec, defaults));
        Ok(())
    };
    write(&mut out).expect("writing to memory does not fail");
    out
}

/// The YAML of a run as it is, all that was drawn written out. `defaults` are the system's default parameters.
pub(crate) fn written_out(defaults: &Value, spec: &Spec, plan: &Plan, run: &RunId) -> String {
    text(&pinned(spec, plan, run), defaults)
}

/// The YAML of a pinned spec.
pub(super) fn text(spec: &Spec, defaults: &Value) -> String {
    let mut spec = spec.clone();
    spec.workload.ops = (operations(&spec).len() as u32).into();
    serde_yaml::to_string(&entries(&spec, defaults)).expect("a spec is plain data")
}

/// What is left of faults and operations, one a line, as a spec would have them.
pub(crate) fn lines(shrunk: &Shrunk) -> Vec<String> {
    fn json(value: &impl Serialize) -> String {
        serde_json::to_string(value).expect("a spec is plain data")
    }
    let faults = shrunk.spec.faults.iter().map(|fault| format!("fault {}", json(fault)));
    let operations = shrunk.spec.plan.iter().flat_map(|plan| &plan.operations);
    faults.chain(operations.map(|operation| format!("operation {}", json(operation)))).collect()
}

/// The spec's entries but for those that go without saying.
fn entries(spec: &Spec, defaults: &Value) -> serde_yaml::Value {
    let mut spec = spec.clone();
    let plan = spec.plan.take();
    let mut json = serde_json::to_value(&spec).expect("a spec is plain data");
    if let (Some(params), Some(defaults)) = (json["params"].as_object_mut(), defaults.as_object()) {
        params.retain(|name, value| defaults.get(name) != Some(value));
    }
    let plain = [
        ("network", serde_json::to_value(Network::default())),
        ("limits", serde_json::to_value(crate::spec::model::Limits::default())),
        ("params", Ok(serde_json::json!({}))),
    ];
    if let Some(top) = json.as_object_mut() {
        for (name, default) in plain {
            if default.is_ok_and(|default| top.get(name) == Some(&default)) {
                top.remove(name);
            }
        }
        top.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
    // The order of the language, which JSON does not keep.
    let mut rest: BTreeMap<String, Value> = serde_json::from_value(json).expect("a spec is a mapping");
    let mut out = serde_yaml::Mapping::new();
    const ORDER: [&str; 14] = [
        "spec", "about", "system", "variant", "params", "topology", "network", "workload", "faults",
        "limits", "panics", "phases", "check", "expect",
    ];
    for name in ORDER {
        if name == "check" {
            out.extend(plan.iter().map(|plan| ("plan".into(), section(&plan.value))));
        }
        if let Some(value) = rest.remove(name) {
            // From the types again where their order is worth keeping.
            let value = match name {
                "faults" => serde_yaml::to_value(&spec.faults),
                "phases" => serde_yaml::to_value(&spec.phases),
                _ => serde_yaml::to_value(&value),
            };
            out.insert(name.into(), value.expect("a spec is plain data"));
        }
    }
    serde_yaml::Value::Mapping(out)
}

fn section(plan: &PlanSection) -> serde_yaml::Value {
    serde_yaml::to_value(plan).expect("a plan is plain data")
}

/// A name for the file that says what it shows: spec, failure, seed.
pub(crate) fn file_name(loaded: &Loaded, shrunk: &Shrunk) -> String {
    let what = match Failure::of(&shrunk.report.verdict) {
        Some(Failure::Violation { invariant, class }) => format!("{invariant}_{class}"),
        Some(Failure::Panic { .. }) => "panic".to_owned(),
        None => "run".to_owned(),
    };
    let seed = origin(&shrunk.spec).seed;
    let name = format!("{}_{what}_{seed}", loaded.name.replace("::", "_"));
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    format!("{plain}.yaml")
}

/// The run that it was shrunk from.
fn origin(spec: &Spec) -> RunId {
    spec.plan.as_ref().expect("a pinned spec has a plan").origin()
}

/// A fingerprint of this executable: what a run is a function of, besides spec and seed.
pub(crate) fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let bytes = executable().and_then(fs::read).unwrap_or_default();
        format!("{:016x}", xxh3_64(&bytes))
    })
}
