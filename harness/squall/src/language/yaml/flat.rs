//! A tree as a list of its nodes, each before what is in it: so it travels between processes as JSON, which may not nest deep, and
//! floats travel to the last bit, also those that JSON does not have.

use serde::{Deserialize, Serialize};

use super::{Entry, Node, Tree};
use crate::language::spanned::Span;

/// See the [module](self).
#[derive(Serialize, Deserialize)]
pub(crate) struct Flat(Vec<(Span, One)>);

/// A node without what is in it.
#[derive(Serialize, Deserialize)]
enum One {
    Null,
    Bool(bool),
    Int(i128),
    /// Its bits.
    Float(u64),
    Text(String),
    /// So many items follow.
    List(usize),
    /// So many keys follow, each with its value.
    Map(usize),
    Removed,
}

impl From<Tree> for Flat {
    fn from(tree: Tree) -> Self {
        let mut all = Vec::new();
        flatten(tree, &mut all);
        Flat(all)
    }
}

fn flatten(Tree { span, node }: Tree, all: &mut Vec<(Span, One)>) {
    let one = match node {
        Node::Null => One::Null,
        Node::Bool(b) => One::Bool(b),
        Node::Int(n) => One::Int(n),
        Node::Float(x) => One::Float(x.to_bits()),
        Node::Text(text) => One::Text(text),
        Node::Removed => One::Removed,
        Node::List(items) => {
            all.push((span, One::List(items.len())));
            items.into_iter().for_each(|item| flatten(item, all));
            return;
        }
        Node::Map(entries) => {
            all.push((span, One::Map(entries.len())));
            for Entry { key, value } in entries {
                flatten(key, all);
                flatten(value, all);
            }
            return;
        }
    };
    all.push((span, one));
}

impl TryFrom<Flat> for Tree {
    type Error = &'static str;

    fn try_from(flat: Flat) -> Result<Tree, Self::Error> {
        let mut all = flat.0.into_iter();
        let tree = next(&mut all)?;
        if all.next().is_some() { Err("a tree, and more") } else { Ok(tree) }
    }
}

fn next(all: &mut impl Iterator<Item = (Span, One)>) -> Result<Tree, &'static str> {
    let (span, one) = all.next().ok_or("a part of a tree")?;
    let node = match one {
        One::Null => Node::Null,
        One::Bool(b) => Node::Bool(b),
        One::Int(n) => Node::Int(n),
        One::Float(bits) => Node::Float(f64::from_bits(bits)),
        One::Text(text) => Node::Text(text),
        One::Removed => Node::Removed,
        One::List(count) => Node::List((0..count).map(|_| next(all)).collect::<Result<_, _>>()?),
        One::Map(count) => {
            let entry = |_| Ok(Entry { key: next(all)?, value: next(all)? });
            Node::Map((0..count).map(entry).collect::<Result<_, &'static str>>()?)
        }
    };
    Ok(Tree { span, node })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_back_as_it_was_however_deep() {
        let deep = format!("{}x{}", "[".repeat(38), "]".repeat(38));
        let text =
            format!("{{ a: {deep}, b: [1, -2, 18446744073709551615, 0.1, .inf, ~, true], c: {{ d: '' }} }}");
        let tree = super::super::parse(&text).0.expect("YAML");
        let json = serde_json::to_string(&tree).expect("plain data");
        let back: Tree = serde_json::from_str(&json).expect("what was written");
        assert_eq!(format!("{back:?}"), format!("{tree:?}"));
        for bad in ["[]", r#"[[{"file":0,"start":0,"end":1},{"List":2}]]"#] {
            assert!(serde_json::from_str::<Tree>(bad).is_err(), "{bad}");
        }
    }
}
