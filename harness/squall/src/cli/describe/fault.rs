//! `squall describe fault`: the kinds, and the table of each, read from the language's own schema.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde_json::Value;

use super::{heading, resolve, text_of, unknown};
use crate::{cli::Exit, fault::kinds::KINDS, report::table::without_padding, screen, spec};

/// How wide tables are, in columns.
const WIDTH: u16 = 110;

pub(super) fn all() -> io::Result<Exit> {
    let schema = spec::schema(None);
    let properties = &schema["$defs"]["Fault"]["properties"];
    let mut out = screen::out();
    writeln!(out, "{}", heading("Kinds of faults"))?;
    let mut kinds = table();
    for kind in KINDS {
        kinds.add_row([strong(kind), Cell::new(text_of(&properties[*kind]).unwrap_or_default())]);
    }
    write!(out, "{}", lines(&kinds))?;
    writeln!(out, "\n{}, for every kind", heading("When, and for how long"))?;
    let mut rest = table();
    for (name, property) in properties.as_object().into_iter().flatten() {
        if !KINDS.contains(&name.as_str()) {
            let about = text_of(property).unwrap_or_default();
            rest.add_row([strong(name), Cell::new(about)]);
        }
    }
    write!(out, "{}", lines(&rest))?;
    writeln!(out, "\nsquall describe fault KIND tells all of one.")?;
    Ok(Exit::AsExpected)
}

pub(super) fn one(kind: &str) -> io::Result<Exit> {
    let schema = spec::schema(None);
    if !KINDS.contains(&kind) {
        return Ok(unknown("fault", kind, KINDS.iter().copied()));
    }
    let property = &schema["$defs"]["Fault"]["properties"][kind];
    let definition = resolve(property, &schema);
    let mut out = screen::out();
    let about = text_of(definition).or_else(|| text_of(property)).unwrap_or_default();
    writeln!(out, "{}", fill(&format!("{}: {about}", heading(kind))))?;
    let required: Vec<&str> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut parameters: Vec<(&str, &Value)> = definition["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, property)| (&**name, property))
        .collect();
    // What must be written comes first.
    parameters
        .sort_by_key(|(name, _)| required.iter().position(|must| must == name).unwrap_or(required.len()));
    let mut table = table();
    table.set_header(
        ["  parameter", "value", "default", "meaning"]
            .map(|title| Cell::new(title).add_attribute(Attribute::Dim)),
    );
    for (name, property) in parameters {
        let meaning = text_of(property).or_else(|| text_of(resolve(property, &schema))).unwrap_or_default();
        let (meaning, default) = split_default(&meaning);
        let default = default.unwrap_or(if required.contains(&name) { "(required)" } else { "-" });
        let value = value_of(property);
        table.add_row([strong(name), Cell::new(value), Cell::new(default), Cell::new(meaning)]);
        for (value, about) in choices(property, &schema) {
            table.add_row(["", &format!("  {value}"), "", &about]);
        }
    }
    write!(out, "\n{}", lines(&table))?;
    if let Some(incident) = definition["x-incident"].as_str() {
        let incident = incident.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "\n{}", fill(&format!("{} {incident}", heading("Stands for:"))))?;
    }
    // One of several forms stands for all.
    let needed = match required.as_slice() {
        [] => definition["oneOf"][0]["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        _ => required,
    };
    let properties = &definition["properties"];
    let entries: Option<Vec<String>> = needed
        .iter()
        .map(|name| Some(format!("{name}: {}", example(&properties[*name], &schema)?)))
        .collect();
    if let Some(entries) = entries.filter(|entries| !entries.is_empty()) {
        let entries = entries.join(", ");
        writeln!(out, "\n{}\n  - id: it\n    {kind}: {{ {entries} }}\n    at: 2s", heading("Example:"))?;
    }
    Ok(Exit::AsExpected)
}

fn table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .enforce_styling()
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table
}

/// A name in the first column.
fn strong(name: &str) -> Cell {
    Cell::new(format!("  {name}")).add_attribute(Attribute::Bold)
}

/// A table's lines without the blanks at their ends.
fn lines(table: &Table) -> String {
    screen::ours(&table.lines().map(|line| without_padding(&line) + "\n").collect::<String>())
}

/// A paragraph, as wide as the tables.
fn fill(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let len = screen::plain(word).chars().count();
        if width > 0 && width + 1 + len > usize::from(WIDTH) {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += len;
    }
    out
}

/// A meaning without the sentence that states its default, and that default.
fn split_default(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once("Default: ") {
        Some((meaning, default)) => (meaning.trim_end(), Some(default.trim_end_matches('.'))),
        None => (text, None),
    }
}

/// What is written there, in a word or two.
fn value_of(property: &Value) -> String {
    let of = |name: &str| match name {
        "Target" => "nodes",
        "Link" => "link",
        "Dur" => "duration",
        "DurationRange" => "duration or range",
        "CountRange" => "count or range",
        "Probability" => "share",
        "Losses" => "share, or bursts",
        "Bandwidth" => "bytes a second",
        "Size" => "bytes",
        "Offset" => "duration with sign, or range",
        "DriftRate" => "ppm or %, or range",
        _ => "one of",
    };
    if let Some(name) = reference(property) {
        return of(name).to_owned();
    }
    match property["type"].as_str() {
        Some("array") => match value_of(&property["items"]).as_str() {
            "one of" => "list".to_owned(),
            of => format!("list of {of}"),
        },
        Some("string") => "name".to_owned(),
        Some("number" | "integer") => "number".to_owned(),
        Some(other) => other.to_owned(),
        None => "value".to_owned(),
    }
}

fn reference(property: &Value) -> Option<&str> {
    property["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The values that an enumeration allows, each with what it means.
fn choices(property: &Value, schema: &Value) -> Vec<(String, String)> {
    let property = if property["type"] == "array" { &property["items"] } else { property };
    let choices = resolve(property, schema)["oneOf"].as_array().into_iter().flatten();
    choices
        .filter_map(|choice| {
            Some((choice["const"].as_str()?.to_owned(), text_of(choice).unwrap_or_default()))
        })
        .collect()
}

/// A value of that type, as one writes it.
fn example(property: &Value, schema: &Value) -> Option<String> {
    let definition = resolve(property, schema);
    let first = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if let Some(example) = definition["examples"].get(0) {
        return Some(first(example));
    }
    if let Some(choice) = definition["oneOf"].get(0) {
        return choice["const"].as_str().map(str::to_owned);
    }
    match (definition["anyOf"].get(0), definition["type"].as_str()) {
        (Some(either), _) => example(either, schema),
        (None, Some("number")) => Some("4".to_owned()),
        (None, Some("string")) => Some("orders".to_owned()),
        _ => None,
    }
}
