//! `matrix:`: one file, several specs. Each combination of the values is a *case*, with its own verdict.
//!
//! A key is the way to an entry: `params.style`, `workload.clients`, `faults.cut-off.for` (a fault by its id). A case is named by its
//! values, as `style=orchestrated,clients=5`; where the last parts of two keys are equal, by the whole keys.

use crate::language::{
    Code, Diagnostic, Span, Tree,
    diagnostic::listed,
    yaml::{Entry, Node},
};

/// The most cases of one file.
const MOST_CASES: usize = 256;
/// Entries that a matrix cannot vary: what it is made of.
const FIXED: [&str; 3] = ["spec", "include", "matrix"];

/// One line of the matrix.
struct Axis {
    key: Tree,
    steps: Vec<String>,
    values: Vec<Tree>,
    /// How the axis is called in the names of cases.
    short: String,
}

/// Takes `matrix:` out of a tree, and gives the tree of each case with its name. Without a matrix that is one, without a name.
pub(super) fn cases(mut tree: Tree, errors: &mut Vec<Diagnostic>) -> Vec<(Option<String>, Tree)> {
    let Node::Map(entries) = &mut tree.node else { return vec![(None, tree)] };
    let Some(at) = entries.iter().position(|entry| entry.name() == "matrix") else {
        return vec![(None, tree)];
    };
    let matrix = entries.remove(at);
    let mut axes = axes(&matrix, errors);
    name(&mut axes);
    let count = axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.values.len()));
    if count.is_none_or(|count| count > MOST_CASES) {
        let message = format!("the matrix has more than {MOST_CASES} cases");
        let help = "vary fewer entries together: each combination is run for all seeds";
        errors.push(error(matrix.key.span, "matrix", message, help));
        return vec![(None, tree)];
    }
    let mut cases = vec![(Vec::new(), tree)];
    for axis in &axes {
        let mut more = Vec::new();
        for (names, tree) in cases {
            for value in &axis.values {
                let mut tree = tree.clone();
                if let Err(why) = set(&mut tree, &axis.steps, value, axis.key.span) {
                    let path = format!("matrix.{}", axis.steps.join("."));
                    let help =
                        "keys lead to an entry, as `params.style`, `workload.clients` or `faults.ID.for`";
                    let error = error(axis.key.span, &path, why, help);
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
                let mut names = names.clone();
                names.push(format!("{}={}", axis.short, shown(value)));
                more.push((names, tree));
            }
        }
        cases = more;
    }
    cases.into_iter().map(|(names, tree)| ((!names.is_empty()).then(|| names.join(",")), tree)).collect()
}

fn error(span: Span, path: &str, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Matrix, path, span, message, help)
}

fn axes(matrix: &Entry, errors: &mut Vec<Diagnostic>) -> Vec<Axis> {
    let Node::Map(entries) = &matrix.value.node else {
        let message = format!("expected a mapping, found {}", matrix.value.describe());
        let help = "write the values of each entry, as `matrix: { workload.clients: [1, 5] }`";
        errors.push(Diagnostic::new(Code::WrongType, "matrix", matrix.value.span, message, help));
        return Vec::new();
    };
    let mut axes = Vec::new();
    for Entry { key, value } in entries {
        let Node::Text(name) = &key.node else {
            unreachable!("keys are text: checked when the tree was built")
        };
        let path = format!("matrix.{name}");
        let steps: Vec<String> = name.split('.').map(|step| step.trim().to_owned()).collect();
        if steps.iter().any(String::is_empty) || FIXED.contains(&steps[0].as_str()) {
            let help = format!(
                "write the way to an entry, as `params.style`; all but {} can be varied",
                listed(FIXED)
            );
            errors.push(error(key.span, &path, format!("`{name}` is nothing to vary"), help));
            continue;
        }
        match &value.node {
            Node::List(values) if !values.is_empty() => {
                // Of more than there may be there is another error.
                for (i, value) in values.iter().enumerate().take(MOST_CASES) {
                    if let Some(twin) = values[..i].iter().find(|twin| shown(twin) == shown(value)) {
                        let message =
                            format!("`{}` is here twice: two cases would have one name", shown(value));
                        let error = error(value.span, &path, message, "leave one of them out");
                        errors.push(error.related(twin.span, "first here"));
                    }
                }
                axes.push(Axis { key: key.clone(), steps, values: values.clone(), short: String::new() });
            }
            _ => {
                let help = format!("write its values, as `{name}: [a, b]`");
                errors.push(error(value.span, &path, format!("`{name}` has no list of values"), help));
            }
        }
    }
    axes
}

/// The last part of each key where those differ, else the whole keys.
fn name(axes: &mut [Axis]) {
    let last = |axis: &Axis| axis.steps.last().cloned().unwrap_or_default();
    let names: Vec<String> = axes.iter().map(last).collect();
    for axis in axes {
        let short = last(axis);
        let alone = names.iter().filter(|name| **name == short).count() == 1;
        axis.short = if alone { short } else { axis.steps.join(".") };
    }
}

/// A value as a name.
fn shown(value: &Tree) -> String {
    match &value.node {
        Node::Null | Node::Removed => "null".into(),
        Node::Bool(b) => b.to_string(),
        Node::Int(n) => n.to_string(),
        Node::Float(x) => x.to_string(),
        Node::Text(text) => text.clone(),
        Node::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join("+")),
        Node::Map(entries) => {
            let entries = entries.iter().map(|entry| format!("{}:{}", entry.name(), shown(&entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join("+"))
        }
    }
}

/// Puts a value where the steps lead, making mappings that are not there.
fn set(tree: &mut Tree, steps: &[String], value: &Tree, key: Span) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *tree = value.clone();
        return Ok(());
    };
    match &mut tree.node {
        Node::Map(entries) => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.name() == step) {
                return set(&mut entry.value, rest, value, key);
            }
            let mut new = Tree { span: key, node: Node::Map(Vec::new()) };
            set(&mut new, rest, value, key)?;
            let key = Tree { span: key, node: Node::Text(step.clone()) };
            entries.push(Entry { key, value: new });
            Ok(())
        }
        Node::List(items) => {
            let has_id = |item: &&mut Tree| match &item.node {
                Node::Map(entries) => entries
                    .iter()
                    .any(|entry| entry.name() == "id" && entry.value.node == Node::Text(step.clone())),
                _ => false,
            };
            match items.iter_mut().find(has_id) {
                Some(item) => set(item, rest, value, key),
                None => Err(format!("there is nothing with the id `{step}` in the list")),
            }
        }
        _ => Err(format!("`{step}` cannot be an entry of {}", tree.describe())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::yaml::parse;

    fn of(text: &str) -> (Vec<(Option<String>, Tree)>, Vec<Diagnostic>) {
        let mut errors = Vec::new();
        let cases = cases(parse(text).0.expect("YAML"), &mut errors);
        (cases, errors)
    }

    #[test]
    fn every_combination_is_a_case_with_a_name() {
        let (cases, errors) = of("
matrix: { params.style: [a, b], workload.clients: [1, 5], faults.cut.for: [1s] }
params: { style: x, other: 1 }
faults: [{ id: other }, { id: cut, for: 9s }]
");
        assert!(errors.is_empty(), "{errors:?}");
        let names: Vec<_> = cases.iter().map(|(name, _)| name.clone().expect("a name")).collect();
        let all = ["style=a,clients=1", "style=a,clients=5", "style=b,clients=1", "style=b,clients=5"];
        assert_eq!(names, all.map(|name| format!("{name},for=1s")));
        let last = parse(
            "
params: { style: b, other: 1 }
faults: [{ id: other }, { id: cut, for: 1s }]
workload: { clients: 5 }
",
        );
        assert_eq!(cases[3].1, last.0.expect("YAML"));
    }

    #[test]
    fn keys_with_equal_ends_name_cases_in_full() {
        let (cases, _) = of("matrix: { topology.a: [1], network.a: [2] }");
        assert_eq!(cases[0].0.as_deref(), Some("topology.a=1,network.a=2"));
    }

    #[test]
    fn what_cannot_be_varied_is_an_error() {
        for text in [
            "matrix: { spec: [1, 2] }",
            "matrix: { params.x: 5 }",
            "matrix: { params.x: [] }",
            "matrix: [1]",
            "{ matrix: { faults.nobody.at: [1s] }, faults: [{ id: a }] }",
            "{ matrix: { about.x: [1] }, about: text }",
            "matrix: { a..b: [1] }",
            "matrix: { a.b: [1, 2, 1] }",
            "matrix: { a.b: [1, '1'] }",
        ] {
            assert_eq!(of(text).1.len(), 1, "{text}: {:?}", of(text).1);
        }
        let many = (0..20).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!("matrix: {{ params.a: [{many}], params.b: [{many}] }}");
        assert_eq!(of(&text).1.len(), 1);
    }
}
