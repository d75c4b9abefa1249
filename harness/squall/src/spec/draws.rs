//! Parameters that are drawn for each seed: `step_timeout: 200ms..600ms`, or `style: { draw: [a, b] }`.
//!
//! A range is drawn where the system's type has no use for one: a parameter that is itself a range takes it as it is. In
//! the spec that was read, a drawn parameter stands as `{ draw: .. }`; [`resolve`] puts a value there.

use std::time::Duration;

use serde_json::{Map, Value, json};
use squall_rt::world::Stream;

use crate::{
    language::{
        Code, Diagnostic, Tree,
        model::{CountRange, Dur, DurationRange},
        path::Step,
        yaml::{Entry, Node},
    },
    system::AnySystem,
};

/// The key of the long form.
const DRAW: &str = "draw";

/// What a parameter is drawn from.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    Duration(DurationRange),
    Count(CountRange),
    Choice(Vec<Value>),
}

impl Source {
    fn range(text: &str) -> Option<Source> {
        if !text.contains("..") {
            return None;
        }
        let duration = || text.parse().ok().map(Source::Duration);
        duration().or_else(|| text.parse().ok().map(Source::Count))
    }

    fn of(value: &Value) -> Option<Source> {
        match value {
            Value::String(text) => Source::range(text),
            Value::Array(choice) if !choice.is_empty() => Some(Source::Choice(choice.clone())),
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Source::Duration(range) => json!({ DRAW: range.to_string() }),
            Source::Count(range) => json!({ DRAW: range.to_string() }),
            Source::Choice(values) => json!({ DRAW: values }),
        }
    }

    /// Its values at the ends, or all of a choice: what has to be checked.
    fn extremes(&self) -> Vec<Value> {
        let duration = |duration: Duration| Value::from(Dur(duration).to_string());
        match self {
            Source::Duration(range) => vec![duration(range.min), duration(range.max)],
            Source::Count(range) => vec![range.min.into(), range.max.into()],
            Source::Choice(values) => values.clone(),
        }
    }

    fn draw(&self, stream: &mut Stream) -> Value {
        match self {
            Source::Duration(range) => Dur(stream.duration(range.min, range.max)).to_string().into(),
            Source::Count(range) if range.min == 0 && range.max == u64::MAX => stream.next_u64().into(),
            Source::Count(range) => (range.min + stream.range(0..range.max - range.min + 1)).into(),
            Source::Choice(values) => values[stream.pick(values.len())].clone(),
        }
    }
}

/// Reads `params:` with all that is drawn in it. Gives the parameters as JSON, complete, and what is wrong with them.
pub(super) fn read(system: &dyn AnySystem, params: &mut Tree) -> (Value, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    long_forms(params, &mut Vec::new(), &mut found, &mut errors);
    // A range that the system's own type does not take is drawn.
    let (_, wrong) = system.read_params(&mut params.clone());
    ranges(params, &mut Vec::new(), &wrong, &mut found);
    let least = params.clone();
    let (mut value, wrong) = system.read_params(params);
    errors.extend(wrong.iter().cloned());
    for (path, source) in &found {
        let mut tree = least.clone();
        let place = tree.at_mut(path).span;
        let mut fits = wrong.iter().all(|error| error.span != place);
        for extreme in source.extremes().iter().skip(1) {
            let mut tree = least.clone();
            let node = tree.at_mut(path);
            node.node = to_node(extreme, node);
            let (_, wrong) = system.read_params(&mut tree);
            fits &= wrong.iter().all(|error| error.span != place);
            errors.extend(wrong.into_iter().filter(|error| !told(&errors, error)).collect::<Vec<_>>());
        }
        // What does not fit is not drawn: the rest of the spec is judged with what was there instead.
        if fits && let Some(value) = at_mut(&mut value, path) {
            *value = source.to_json();
        }
    }
    (value, errors)
}

/// Whether something is said of that place already: both ends of a range that fits nowhere are one mistake.
fn told(errors: &[Diagnostic], error: &Diagnostic) -> bool {
    errors.iter().any(|other| other.span == error.span)
}

fn at_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(i) => value.get_mut(i),
    })
}

/// Finds `{ draw: .. }` and puts the first value in its place.
fn long_forms(
    tree: &mut Tree,
    path: &mut Vec<Step>,
    found: &mut Vec<(Vec<Step>, Source)>,
    errors: &mut Vec<Diagnostic>,
) {
    if let Node::Map(entries) = &tree.node
        && let [entry] = entries.as_slice()
        && entry.name() == DRAW
    {
        let Some(source) = Source::of(&to_json(&entry.value)) else {
            let shown: String = path.iter().map(|step| format!(".{step}")).collect();
            let help = "write a range, as `{ draw: 1..5 }`, or a list of values, as `{ draw: [a, b] }`";
            let path = format!("params{shown}.draw");
            let message = format!("nothing to draw from: {}", entry.value.describe());
            errors.push(Diagnostic::new(Code::BadValue, path, entry.value.span, message, help));
            tree.node = Node::Removed;
            return;
        };
        tree.node = to_node(&source.extremes()[0], tree);
        found.push((path.clone(), source));
        return;
    }
    each_child(tree, path, &mut |child, path| long_forms(child, path, found, errors));
}

/// Finds ranges at which an error stands, and puts their least value there.
fn ranges(tree: &mut Tree, path: &mut Vec<Step>, wrong: &[Diagnostic], found: &mut Vec<(Vec<Step>, Source)>) {
    if let Node::Text(text) = &tree.node
        && let Some(source) = Source::range(text)
        && wrong.iter().any(|error| error.span == tree.span)
    {
        tree.node = to_node(&source.extremes()[0], tree);
        found.push((path.clone(), source));
        return;
    }
    each_child(tree, path, &mut |child, path| ranges(child, path, wrong, found));
}

fn each_child(tree: &mut Tree, path: &mut Vec<Step>, f: &mut dyn FnMut(&mut Tree, &mut Vec<Step>)) {
    let mut visit = |step, child: &mut Tree| {
        path.push(step);
        f(child, path);
        path.pop();
    };
    match &mut tree.node {
        Node::Map(entries) => {
            for entry in entries {
                let step = Step::Key(entry.name().to_owned());
                visit(step, &mut entry.value);
            }
        }
        Node::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                visit(Step::Index(i), item);
            }
        }
        _ => {}
    }
}

fn to_json(tree: &Tree) -> Value {
    match &tree.node {
        Node::Null | Node::Removed => Value::Null,
        Node::Bool(b) => (*b).into(),
        Node::Int(n) => {
            i64::try_from(*n).map_or_else(|_| json!(u64::try_from(*n).unwrap_or(u64::MAX)), Value::from)
        }
        Node::Float(x) => (*x).into(),
        Node::Text(text) => text.clone().into(),
        Node::List(items) => items.iter().map(to_json).collect(),
        Node::Map(entries) => entries
            .iter()
            .map(|entry| (entry.name().to_owned(), to_json(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A value as a node at the place of another.
fn to_node(value: &Value, at: &Tree) -> Node {
    let tree = |value: &Value| Tree { span: at.span, node: to_node(value, at) };
    match value {
        Value::Null => Node::Null,
        Value::Bool(b) => Node::Bool(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Node::Int(n.into()),
            (_, Some(n)) => Node::Int(n.into()),
            _ => Node::Float(n.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Node::Text(text.clone()),
        Value::Array(items) => Node::List(items.iter().map(tree).collect()),
        Value::Object(entries) => Node::Map(
            entries
                .iter()
                .map(|(key, value)| Entry {
                    key: Tree { span: at.span, node: Node::Text(key.clone()) },
                    value: tree(value),
                })
                .collect(),
        ),
    }
}

/// The parameters with everything drawn; each from a stream of its own, named by its path. Also what was drawn, by path.
pub(crate) fn resolve(params: &Value, seed: u64) -> (Value, Vec<(String, Value)>) {
    let mut drawn = Vec::new();
    let value = walk(params, "", &mut |path, source| {
        let value = source.draw(&mut Stream::new(seed, "params", path));
        drawn.push((path.to_owned(), value.clone()));
        value
    });
    (value, drawn)
}

/// The parameters with the first value of everything that is drawn: for what does not depend on it.
pub(crate) fn typical(params: &Value) -> Value {
    walk(params, "", &mut |_, source| source.extremes()[0].clone())
}

fn walk(value: &Value, path: &str, pick: &mut dyn FnMut(&str, &Source) -> Value) -> Value {
    let below = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    match value {
        Value::Object(entries) => {
            if entries.len() == 1
                && let Some(source) = entries.get(DRAW).and_then(Source::of)
            {
                return pick(path, &source);
            }
            let walked = entries.iter().map(|(key, value)| (key.clone(), walk(value, &below(key), pick)));
            Value::Object(walked.collect())
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(i, item)| walk(item, &below(&i.to_string()), pick)).collect()
        }
        other => other.clone(),
    }
}
