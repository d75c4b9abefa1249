//! Targets and links: which nodes a fault strikes, and what lies between them.
//!
//! ```text
//! target = group | group "[" index "]" | "rest" | "all"
//!        | ("all" | "one" | "some" | "minority" | "majority") "(" target ")" | ("role" | "zone") "(" name ")"
//! link   = target ("->" | "<->") target
//! ```

use std::fmt;

use super::{BadLeaf, Number, TextLeaf, text_leaf};
use crate::language::{
    diagnostic::did_you_mean,
    model::{Link, Target},
};

const FORMS: &str = "targets are `payments`, `payments[1]`, `one(payments)`, `some(..)`, `minority(..)`, `majority(..)`, \
                     `all(..)`, `role(leader)`, `zone(east)`, `clients`, `rest`, `all`";
const CHOOSERS: [&str; 7] = ["all", "one", "some", "minority", "majority", "role", "zone"];
/// How deep choosers may nest: deeper says nothing more.
const DEEPEST: usize = 4;

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

fn read_target(text: &str, depth: usize) -> Result<Target, BadLeaf> {
    let text = text.trim();
    let bad = |help: String| BadLeaf::new(format!("bad target `{text}`"), help);
    if depth > DEEPEST {
        return Err(bad(format!("choices nest at most {DEEPEST} deep")));
    }
    if text.contains("->") {
        return Err(bad("that is a link, and this is about nodes: name one side".into()));
    }
    if let Some((chooser, inner)) = text.split_once('(') {
        let Some(inner) = inner.trim_end().strip_suffix(')') else {
            return Err(bad("the bracket is not closed: `one(payments)`".into()));
        };
        let chooser = chooser.trim();
        let named: Option<fn(String) -> Target> = match chooser {
            "role" => Some(Target::Role),
            "zone" => Some(Target::Zone),
            _ => None,
        };
        if let Some(named) = named {
            let name = inner.trim();
            return if is_name(name) {
                Ok(named(name.to_owned()))
            } else {
                Err(bad(format!(
                    "write the {chooser}'s name in lower case, as `role(leader)` or `zone(east)`"
                )))
            };
        }
        if !CHOOSERS.contains(&chooser) {
            return Err(match did_you_mean(chooser, CHOOSERS) {
                Some(meant) => bad(format!("did you mean `{meant}({inner})`?")),
                None => bad(FORMS.into()),
            });
        }
        let inner = read_target(inner, depth + 1)?;
        let boxed = |kind: fn(Box<Target>) -> Target, inner| Ok(kind(Box::new(inner)));
        return match chooser {
            "one" => boxed(Target::One, inner),
            "some" => boxed(Target::Some, inner),
            "minority" => boxed(Target::Minority, inner),
            "majority" => boxed(Target::Majority, inner),
            _ => Ok(inner),
        };
    }
    if let Some((group, index)) = text.split_once('[') {
        let index = index.strip_suffix(']').and_then(|index| index.trim().parse().ok());
        return match index {
            Some(index) if is_name(group) => Ok(Target::Member(group.to_owned(), index)),
            _ => Err(bad("one node of a group is written `payments[0]`; the first is 0".into())),
        };
    }
    match text {
        "" => Err(BadLeaf::new("an empty target", FORMS)),
        "rest" => Ok(Target::Rest),
        "all" => Ok(Target::Everyone),
        _ if CHOOSERS.contains(&text) => Err(bad(format!("say of what: `{text}(payments)`"))),
        _ if is_name(text) => Ok(Target::Group(text.to_owned())),
        _ => Err(bad(FORMS.into())),
    }
}

impl TextLeaf for Target {
    const WHAT: &'static str = "a target, as `payments`, `payments[1]` or `role(leader)`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        read_target(text, 0)
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Err(BadLeaf::new(format!("bad target `{number}`"), FORMS))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Group(group) => f.write_str(group),
            Target::Member(group, index) => write!(f, "{group}[{index}]"),
            Target::One(of) => write!(f, "one({of})"),
            Target::Some(of) => write!(f, "some({of})"),
            Target::Minority(of) => write!(f, "minority({of})"),
            Target::Majority(of) => write!(f, "majority({of})"),
            Target::Role(role) => write!(f, "role({role})"),
            Target::Zone(zone) => write!(f, "zone({zone})"),
            Target::Rest => f.write_str("rest"),
            Target::Everyone => f.write_str("all"),
        }
    }
}

text_leaf!(Target, schema: {
    "type": "string",
    "description": "A set of nodes, resolved when the fault strikes: a group (`payments`), one of its nodes (`payments[1]`), a \
        choice (`one(..)`, `some(..)`, `minority(..)`, `majority(..)`, `all(..)`), whoever holds a role (`role(leader)`), a zone \
        of the network (`zone(east)`), the `clients`, in a split the `rest`, or `all` nodes.",
    "pattern": r"^\s*([a-z][a-z0-9_-]*(\[\s*[0-9]+\s*\])?|(all|one|some|minority|majority|role|zone)\s*\(.+\))\s*$",
    "examples": ["payments", "payments[1]", "one(orders)", "role(leader)"],
});

impl TextLeaf for Link {
    const WHAT: &'static str = "a link, as `orders -> payments`";
    fn read(text: &str) -> Result<Self, BadLeaf> {
        let both = text.contains("<->");
        let Some((from, to)) = text.split_once(if both { "<->" } else { "->" }) else {
            let help = match text.split_once("<-") {
                Some((to, from)) => format!("turn it round: `{} -> {}`", from.trim(), to.trim()),
                None => {
                    "a link is written `orders -> payments`, or `orders <-> payments` for both directions"
                        .to_owned()
                }
            };
            return Err(BadLeaf::new(format!("bad link `{}`", text.trim()), help));
        };
        Ok(Link { from: read_target(from, 0)?, to: read_target(to, 0)?, both })
    }
    fn read_number(number: Number) -> Result<Self, BadLeaf> {
        Self::read(&number.to_string())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.from, if self.both { "<->" } else { "->" }, self.to)
    }
}

text_leaf!(Link, schema: {
    "type": "string",
    "description": "The links from some nodes to others: `a -> b`, or `a <-> b` for both directions. Each side is a target.",
    "pattern": r"^[^<>]+<?->[^<>]+$",
    "examples": ["orders -> payments", "clients <-> gateway"],
});
