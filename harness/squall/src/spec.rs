//! Specs: what a person writes to say which system runs, what breaks, and what must hold; their files, what these include, the cases of
//! their matrix.
//!
//! A file is parsed into a [tree](Tree) that knows the place of each of its nodes, and the tree is read into the [`model`]
//! with serde. What the types cannot express (a target that matches nothing, an event no node emits, a fault after the
//! end) is checked against the [`Registry`] afterwards. All errors of a file are reported at once, each with its place,
//! path and remedy.
//!
//! What needs no system is done by `Draft`, and what does by `judge`: the program does the one itself, and has the other done by a
//! worker, as code of the system under test is called there.

// Uses: check, context, fault, history, language, open, run_id, screen, system, trace.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Registry,
    language::{
        de,
        diagnostic::{listed, name_help},
        path::{Path as TreePath, Step},
        yaml::{self, Node},
    },
    system::Problem,
};

mod document;
pub(crate) mod draws;
mod files;
mod include;
mod matrix;
mod schema;
mod title;
mod validate;

pub(crate) use self::title::title;
pub use self::{document::Spec, files::discover, schema::schema};
pub use crate::language::{BadLeaf, Code, Diagnostic, Diagnostics, MAX_BYTES, Sources, Span, Spanned, Tree};

/// The types of a spec, version 1: what stands in it, its faults, and the whole.
pub mod model {
    pub use super::document::{PlanSection, Spec};
    pub use crate::{
        fault::{
            Cancel, ClockDrift, ClockJump, ClockSkew, ClockStrobe, Corrupt, Crash, Delay, DiskCorrupt,
            DiskError, DiskFate, DiskFull, DiskLyingSync, DiskOp, DiskShortRead, DiskStall, DiskTorn,
            Duplicate, Fault, HalfOpen, HoldPackets, Join, KINDS, Leave, Loss, Message, MessageOutcome,
            NarrowLink, Partition, PartitionMode, Pause, Reorder, Replay, Reset, Restart, Rpc, RpcCode,
            RpcOutcome, Slow, Tamper,
        },
        language::model::*,
        trace::MessageKind,
    };
}

/// A spec that is in order: a file, or one case of its matrix.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The spec, with the system's defaults filled into `params`.
    pub spec: Spec,
    /// Its name, from its path below `specs/`: `saga::crash_after_charge`.
    pub name: String,
    /// Its file, as it was given.
    pub path: PathBuf,
    /// Which case of the file's matrix it is, as `style=orchestrated,clients=5`; none if the file has no matrix.
    pub case: Option<String>,
    /// The files it is made of.
    pub sources: Sources,
}

/// Reads the spec in a file.
///
/// # Errors
/// Everything that is wrong with it, or why it cannot be read. That it has a [matrix](load_cases), of which no case is named.
pub fn load(path: &Path, registry: &Registry) -> Result<Loaded, Diagnostics> {
    load_case(path, None, registry)
}

/// Reads one case of a spec's matrix; `None` for a spec without one.
///
/// # Errors
/// As [`load`], and that there is no such case.
pub fn load_case(path: &Path, case: Option<&str>, registry: &Registry) -> Result<Loaded, Diagnostics> {
    only(load_cases(path, registry)?, case)
}

/// Reads the spec in a file: one for each case of its matrix, in order; one if it has none.
///
/// # Errors
/// Everything that is wrong with it, or why it cannot be read.
pub fn load_cases(path: &Path, registry: &Registry) -> Result<Vec<Loaded>, Diagnostics> {
    judged(Draft::read(path)?, registry)
}

/// Has a draft judged, with all that its system may be found wrong with.
fn judged(draft: Draft, registry: &Registry) -> Result<Vec<Loaded>, Diagnostics> {
    let found = judge(draft.tree.clone(), registry);
    let cases = draft.complete(found)?;
    match cases.first() {
        Some(first) => {
            refuse_problems(first, registry.operation_problems(&first.spec.system)).map(|()| cases)
        }
        None => Ok(cases),
    }
}

/// Reads a spec from a text; `name` stands for its file.
///
/// # Errors
/// Everything that is wrong with it. That it has a matrix.
pub fn parse(name: &str, text: &str, registry: &Registry) -> Result<Loaded, Diagnostics> {
    only(parse_cases(name, text, registry)?, None)
}

/// Picks a case.
pub(crate) fn only(mut cases: Vec<Loaded>, wanted: Option<&str>) -> Result<Loaded, Diagnostics> {
    if let Some(at) = cases.iter().position(|loaded| loaded.case.as_deref() == wanted) {
        return Ok(cases.swap_remove(at));
    }
    let names: Vec<_> = cases.iter().filter_map(|loaded| loaded.case.as_deref()).collect();
    let (message, help) = match (wanted, names.is_empty()) {
        (Some(wanted), true) => {
            (format!("the spec has no case `{wanted}`"), "it has no `matrix`: leave `--case` out".to_owned())
        }
        (Some(wanted), false) => {
            (format!("the matrix has no case `{wanted}`"), name_help(wanted, "its cases", &names))
        }
        (None, _) => (
            format!("the spec is {} specs: it has a `matrix`", names.len()),
            format!("name a case with `--case`: {}", listed(names.iter().copied())),
        ),
    };
    let name = files::shown(&cases[0].path);
    Err(Diagnostics::at_path(&name, Diagnostic::new(Code::Matrix, "matrix", Span::default(), message, help)))
}

/// Reads a spec from a text: one for each case of its matrix, in order; one if it has none.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn parse_cases(name: &str, text: &str, registry: &Registry) -> Result<Vec<Loaded>, Diagnostics> {
    judged(Draft::parse(name, text)?, registry)
}

/// Refuses a spec whose system's operations are not declared as they should be.
///
/// # Errors
/// The problems, at the system's name.
pub(crate) fn refuse_problems(loaded: &Loaded, problems: &[Problem]) -> Result<(), Diagnostics> {
    if problems.is_empty() {
        return Ok(());
    }
    let system = &loaded.spec.system;
    let errors = problems.iter().map(|problem| problem.at(&system.value, system.span)).collect();
    Err(Diagnostics::in_sources(loaded.sources.clone(), errors, false))
}

/// A spec's files, read and put together, before its system was asked about it.
pub(crate) struct Draft {
    path: PathBuf,
    sources: Sources,
    errors: Vec<Diagnostic>,
    /// What [`judge`] is to be given.
    pub(crate) tree: Tree,
}

/// What a spec comes to for its system.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The system's parameters in each case that can be read, complete.
    params: Vec<serde_json::Value>,
    /// What is wrong.
    errors: Vec<Diagnostic>,
    /// Whether that is all.
    exhaustive: bool,
}

impl Draft {
    /// Reads a file and what it includes.
    ///
    /// # Errors
    /// It cannot be read, or is no mapping.
    pub(crate) fn read(path: &Path) -> Result<Draft, Diagnostics> {
        let text = files::read(path, path)?;
        Ok(Draft { path: path.to_owned(), ..Draft::parse(&files::shown(path), &text)? })
    }

    /// Takes a text, and reads what it includes.
    ///
    /// # Errors
    /// As [`read`](Draft::read).
    pub(crate) fn parse(name: &str, text: &str) -> Result<Draft, Diagnostics> {
        files::check_size(name, text.as_bytes())?;
        let include::Whole { tree, sources, mut errors } = include::read(name, text);
        let Some(tree) = tree else {
            let hidden = errors.iter().any(|error| error.code != Code::Empty);
            return Err(Diagnostics::in_sources(sources, errors, hidden));
        };
        if !matches!(tree.node, Node::Map(_)) {
            let message = format!("a spec is a mapping, and this is {}", tree.describe());
            let help = "write `key: value` lines, beginning with `spec: 1` and `system: NAME`";
            errors.push(Diagnostic::new(Code::WrongType, "", tree.span, message, help));
            return Err(Diagnostics::in_sources(sources, errors, false));
        }
        Ok(Draft { path: PathBuf::from(name), sources, errors, tree })
    }

    /// The specs, if nothing is wrong with any.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) fn complete(self, judged: Judged) -> Result<Vec<Loaded>, Diagnostics> {
        let Draft { path, sources, mut errors, tree } = self;
        let Judged { params, errors: found, mut exhaustive } = judged;
        errors.extend(found);
        if errors.len() > de::MAX_ERRORS {
            errors.truncate(de::MAX_ERRORS);
            exhaustive = false;
        }
        if !errors.is_empty() || params.is_empty() {
            return Err(Diagnostics::in_sources(sources, errors, !exhaustive));
        }
        // Read anew rather than taken from whoever judged it: places do not travel with specs.
        let specs = matrix::cases(tree, &mut errors)
            .into_iter()
            .map(|(case, mut tree)| (case, read_spec(&mut tree, &mut errors).0));
        let specs: Vec<_> = specs.collect();
        let name = files::spec_name(&path);
        let loaded = specs.into_iter().zip(params).filter_map(|((case, spec), params)| {
            let mut spec = spec?;
            spec.params.value = params;
            Some(Loaded { spec, name: name.clone(), path: path.clone(), case, sources: sources.clone() })
        });
        Ok(loaded.collect())
    }
}

/// Has the systems judge a spec, all cases of its matrix. It is here that their code is called.
pub(crate) fn judge(tree: Tree, registry: &Registry) -> Judged {
    let matrix = tree.child(&Step::Key("matrix".into())).map_or(Span::default(), |matrix| matrix.span);
    let mut errors = Vec::new();
    let mut params = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut twins = Vec::new();
    let mut exhaustive = true;
    for (case, mut tree) in matrix::cases(tree, &mut errors) {
        let mut found = Vec::new();
        let (spec, complete) = read_spec(&mut tree, &mut found);
        exhaustive &= complete;
        params.extend(spec.map(|mut spec| {
            validate::validate(&mut spec, &mut tree, registry, &mut found);
            let case = case.unwrap_or_default();
            let written = serde_json::to_string(&spec).expect("a spec can be written");
            if let Some(first) = seen.insert(written, case.clone()) {
                let message = format!("the cases `{first}` and `{case}` are the same spec");
                let help = "leave out a value that says what another says, or one that changes nothing";
                twins.push(Diagnostic::new(Code::Matrix, "matrix", matrix, message, help));
            }
            spec.params.value
        }));
        // What is wrong in one case is mostly wrong in all of them.
        for error in found {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        if errors.len() > de::MAX_ERRORS {
            break;
        }
    }
    // What is wrong may make two of them the same.
    if errors.is_empty() {
        errors.append(&mut twins);
    }
    Judged { params, errors, exhaustive }
}

/// Reads one spec, and says whether all that its types find wrong with it was found.
fn read_spec(tree: &mut Tree, errors: &mut Vec<Diagnostic>) -> (Option<Spec>, bool) {
    prepare(tree, errors);
    let read = de::read::<Spec>(tree, &TreePath::default());
    let exhaustive = read.exhaustive && read.value.is_some();
    errors.extend(read.errors);
    (read.value, exhaustive)
}

/// Reports and removes what no type would: keys without values, and a version that is missing.
fn prepare(tree: &mut Tree, errors: &mut Vec<Diagnostic>) {
    let top = tree.span;
    remove_nulls(tree, &mut TreePath::default(), errors);
    if let Node::Map(entries) = &mut tree.node
        && !entries.iter().any(|entry| entry.name() == "spec")
    {
        let help = "begin the file with `spec: 1`, the version of the language";
        errors.push(Diagnostic::new(Code::MissingKey, "", top, "`spec` is missing", help));
        let key = Tree { span: top, node: Node::Text("spec".into()) };
        entries.push(yaml::Entry { key, value: Tree { span: top, node: Node::Int(1) } });
    }
}

fn remove_nulls(tree: &mut Tree, path: &mut TreePath, errors: &mut Vec<Diagnostic>) {
    match &mut tree.node {
        Node::Map(entries) => {
            for entry in entries {
                let name = entry.name().to_owned();
                // What is null there is for the system's own types to say.
                if name == "params" && path.0.is_empty() && entry.value.node != Node::Null {
                    continue;
                }
                path.push(Step::Key(name.clone()));
                if entry.value.node == Node::Null {
                    let message = format!("`{name}` has no value");
                    let help = "indent what belongs to it, or leave the key out";
                    errors.push(Diagnostic::new(
                        Code::NoValue,
                        path.to_string(),
                        entry.key.span,
                        message,
                        help,
                    ));
                    entry.value.node = Node::Removed;
                } else {
                    remove_nulls(&mut entry.value, path, errors);
                }
                path.pop();
            }
        }
        Node::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                path.push(Step::Index(i));
                if item.node == Node::Null {
                    let help = "write something after the `-`, or leave it out";
                    let (path, span) = (path.to_string(), item.span);
                    errors.push(Diagnostic::new(Code::NoValue, path, span, "an empty list item", help));
                    item.node = Node::Removed;
                } else {
                    remove_nulls(item, path, errors);
                }
                path.pop();
            }
        }
        _ => {}
    }
}
