//! `squall list`, `describe` and `schema`: what there is, and what a spec can say of it.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::Value;
use squall_checkers::judge::Property;

mod fault;

use super::{Exit, load};
use crate::{
    check::builtin::builtins,
    inquiry::{Inquiry, NotLoaded},
    language::promises,
    report::Style,
    screen,
    spec::Code,
    system::{Facts, LawFacts, OperationFacts},
};

pub(super) fn schema(inquiry: &Inquiry) -> io::Result<Exit> {
    match inquiry.schema() {
        Ok(schema) => screen::json(&format_args!("{schema:#}"))?,
        Err(why) => return load::unanswered(&why),
    }
    Ok(Exit::AsExpected)
}

pub(super) fn list(inquiry: &Inquiry, paths: &[PathBuf]) -> io::Result<Exit> {
    let mut out = screen::out();
    let mut exit = Exit::AsExpected;
    writeln!(out, "{}", heading("Systems"))?;
    for (name, about) in inquiry.systems() {
        writeln!(out, "  {}  {about}", Style::Strong.paint(name))?;
        match inquiry.facts(name) {
            Ok(facts) => {
                for flaw in facts.flaws {
                    writeln!(out, "    variant {}: {}", flaw.name, flaw.about)?;
                }
            }
            Err(why) => {
                writeln!(out, "    {}", Style::Bad.paint(why))?;
                exit = Exit::Undecided;
            }
        }
    }
    writeln!(out, "\n{}", heading("Specs"))?;
    let files = match inquiry.discover(paths) {
        Ok(files) => files,
        Err(error) if error.iter().all(|error| error.code == Code::NoSpecs) => Vec::new(),
        Err(error) => return load::complain(&[error], &[]),
    };
    if files.is_empty() {
        writeln!(out, "  none")?;
    }
    for file in files {
        // A spec with errors is listed too; `squall check` says what is wrong with it.
        let about = match inquiry.cases(&file) {
            Ok(cases) => cases.into_iter().next().and_then(|loaded| loaded.spec.about).unwrap_or_default(),
            Err(NotLoaded::Wrong(_)) => Style::Bad.paint("has errors: squall check").to_string(),
            Err(NotLoaded::Unread(unread)) => {
                exit = Exit::Undecided;
                Style::Bad.paint(unread).to_string()
            }
        };
        writeln!(out, "  {}  {}", file.display(), about.trim_end())?;
    }
    Ok(exit)
}

pub(super) fn describe(inquiry: &Inquiry, what: &str, kind: Option<&str>) -> io::Result<Exit> {
    if what == "fault" {
        return kind.map_or_else(fault::all, fault::one);
    }
    if let Some(kind) = kind {
        screen::say(format_args!("error: {what} {kind}: only `describe fault KIND` takes two words"));
        return Ok(Exit::Usage);
    }
    let Some((name, about)) = inquiry.systems().find(|(name, _)| *name == what) else {
        if let Some(now) = inquiry.now_called(what) {
            screen::say(format_args!("error: the system `{what}` is now called `{now}`"));
            return Ok(Exit::Usage);
        }
        return Ok(unknown("system", what, inquiry.systems().map(|(name, _)| name)));
    };
    match inquiry.facts(name) {
        Ok(facts) => describe_system(name, about, &facts),
        Err(why) => load::unanswered(&why),
    }
}

/// Says that there is no such thing, and which there are.
fn unknown<'a>(thing: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Exit {
    let known: Vec<_> = known.collect();
    let near =
        known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let hint = match near {
        Some(near) if strsim::jaro_winkler(name, near) > 0.8 => format!("did you mean `{near}`? "),
        _ => String::new(),
    };
    let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    screen::say(format_args!("error: there is no {thing} `{name}`\n{hint}There are: {all}"));
    Exit::Usage
}

fn heading(text: &str) -> impl std::fmt::Display {
    Style::Strong.paint(text.to_owned())
}

fn describe_system(name: &str, about: &str, facts: &Facts) -> io::Result<Exit> {
    let mut out = screen::out();
    writeln!(out, "{}: {about}", heading(name))?;

    writeln!(out, "\n{} (params)", heading("Parameters"))?;
    let schema = &facts.schema;
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    for (name, property) in &properties {
        let default = facts.params.get(name).map_or_else(String::new, |value| format!(" = {}", plain(value)));
        writeln!(out, "  {}{default}{}", Style::Strong.paint(name), described(property, schema))?;
    }
    if properties.is_empty() {
        writeln!(out, "  none")?;
    }

    if !facts.methods.is_empty() {
        writeln!(out, "\n{} (rpc faults)\n  {}", heading("Methods"), facts.methods.join(", "))?;
    }
    writeln!(out, "\n{} (topology, targets)", heading("Node groups"))?;
    for (name, size) in &facts.groups {
        writeln!(out, "  {} x {size}", Style::Strong.paint(name))?;
    }
    if !facts.roles.is_empty() {
        writeln!(out, "\n{} (targets: role(NAME))\n  {}", heading("Roles"), facts.roles.join(", "))?;
    }
    writeln!(out, "\n{} (workload.mix), with their weights", heading("Operations"))?;
    for OperationFacts { name, weight, fields } in &facts.operations {
        let fields = if fields.is_empty() { String::new() } else { format!(" {{{}}}", fields.join(", ")) };
        writeln!(out, "  {}{fields}: {weight}", Style::Strong.paint(name))?;
    }
    writeln!(out, "\n{} (when, check), with their fields", heading("Events"))?;
    for event in &facts.events {
        let fields = event.fields.join(", ");
        writeln!(out, "  {} {{{fields}}}: {}", Style::Strong.paint(&event.name), event.about)?;
    }
    writeln!(out, "\n{} (check)", heading("Invariants"))?;
    for LawFacts { name, reads } in &facts.invariants {
        writeln!(out, "  {}{}", Style::Strong.paint(name), read(reads))?;
    }
    for (name, about) in builtins() {
        writeln!(out, "  {}: {about} (of squall itself)", Style::Strong.paint(name))?;
    }
    for property in Property::all() {
        let verbs: Vec<&str> = property.verbs().collect();
        let name = promises::name_of(property);
        writeln!(
            out,
            "  {}: {{ ops: .. }}: {}; verbs: {} (of squall itself)",
            Style::Strong.paint(name),
            property.about(),
            verbs.join(", ")
        )?;
    }
    writeln!(out, "\n{} (check: eventually: that)", heading("Conditions"))?;
    for LawFacts { name, reads } in &facts.conditions {
        writeln!(out, "  {name}{}", read(reads))?;
    }
    if facts.conditions.is_empty() {
        writeln!(out, "  none")?;
    }
    writeln!(out, "\n{} (variant), besides `hardened`", heading("Flaws"))?;
    for flaw in &facts.flaws {
        writeln!(out, "  {}: {}; violates {}", Style::Strong.paint(&flaw.name), flaw.about, flaw.violates)?;
    }
    Ok(Exit::AsExpected)
}

/// What a law reads, and a spec can say that it is called otherwise.
fn read(events: &[String]) -> String {
    match events {
        [] => String::new(),
        events => format!(": {{ events: .. }}: reads {}", events.join(", ")),
    }
}

/// A JSON value as one writes it in YAML.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Follows a reference, also one that may be null.
fn resolve<'a>(property: &'a Value, schema: &'a Value) -> &'a Value {
    let some = property["anyOf"].as_array().into_iter().flatten().find(|choice| choice["type"] != "null");
    let property = some.unwrap_or(property);
    match property["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
        Some(name) => &schema["$defs"][name],
        None => property,
    }
}

fn text_of(schema: &Value) -> Option<String> {
    schema["description"].as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn described(property: &Value, schema: &Value) -> String {
    match text_of(property).or_else(|| text_of(resolve(property, schema))) {
        Some(text) => format!(": {text}"),
        None => String::new(),
    }
}
