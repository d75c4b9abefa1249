//! X4: fencing tokens are monotone per resource.

use std::collections::BTreeMap;

use squall::{EventKind, Invariant, Record, check::Breach, history::Kind};

use crate::event::int;

/// The highest token of a resource.
struct Highest {
    token: i64,
    holder: Option<String>,
    /// The record that showed it first.
    seq: u64,
}

/// `tokens_rise`: a resource takes no token below the highest it has taken, and each is one holder's.
/// Classes: `old_token`, `shared_token`.
#[derive(Default)]
pub struct TokensRise {
    /// By node and resource.
    highest: BTreeMap<(String, String), Highest>,
    taken: u64,
}

impl Invariant for TokensRise {
    fn name(&self) -> &str {
        "tokens_rise"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Kind::Event { node, name, fields, .. } = &record.kind else { return Ok(()) };
        if name != "token.taken" {
            return Ok(());
        }
        self.taken += 1;
        let token = int(fields, "token")?;
        let text = |field| fields.get(field).map(ToString::to_string);
        let (resource, holder) = (text("resource").unwrap_or_default(), text("holder"));
        let whose =
            |holder: &Option<String>| holder.as_ref().map_or_else(String::new, |who| format!(" of {who}"));
        let place = if resource.is_empty() { node.to_string() } else { format!("{node}'s {resource}") };
        let Some(highest) = self.highest.get_mut(&(node.to_string(), resource.clone())) else {
            self.highest.insert((node.to_string(), resource), Highest { token, holder, seq: record.seq });
            return Ok(());
        };
        let breach = if token < highest.token {
            Breach::of(
                "old_token",
                format!("{place} takes no token below {}{}", highest.token, whose(&highest.holder)),
                format!("it takes token {token}{}", whose(&holder)),
            )
        } else if token == highest.token
            && holder.is_some()
            && highest.holder.is_some()
            && holder != highest.holder
        {
            Breach::of(
                "shared_token",
                format!("token {token}{} at {place} is nobody else's", whose(&highest.holder)),
                format!("it is taken in the name{}, too", whose(&holder)),
            )
        } else {
            if token > highest.token {
                *highest = Highest { token, holder, seq: record.seq };
            }
            return Ok(());
        };
        Err(breach.with_evidence([highest.seq]))
    }

    fn exercised(&self) -> u64 {
        self.taken
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[EventKind::new(
                "token.taken",
                &["resource", "token", "holder"],
                "a resource does something in the name of a token",
            )]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn taken(script: Script, node: &'static str, token: i64, holder: &str) -> Script {
        script.event(node, "token.taken", &[("token", token.into()), ("holder", holder.into())])
    }

    #[test]
    fn tokens_rise_and_are_one_holders() {
        let good = || {
            let two = taken(taken(Script::default(), "db[0]", 1, "a"), "db[0]", 1, "a");
            taken(taken(two, "db[0]", 3, "b"), "db[1]", 1, "a")
        };
        let mut law = TokensRise::default();
        assert_eq!((good().judge(&mut law), law.exercised()), (None, 4));
        let class = |script: Script| script.judge(&mut TokensRise::default());
        assert_eq!(class(taken(good(), "db[0]", 2, "a")), Some("old_token"));
        assert_eq!(class(taken(good(), "db[0]", 3, "a")), Some("shared_token"));
        let anonymous = good().event("db[0]", "token.taken", &[("token", 3.into())]);
        assert_eq!(class(anonymous), None, "it does not say whose it is");
        assert_eq!(class(good().event("db[0]", "token.taken", &[])), Some("unreadable_event"));
        assert_eq!(TokensRise::default().exercised(), 0);
    }
}
