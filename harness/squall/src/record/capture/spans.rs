//! The spans that a service is in, for its log lines. Kept only where log lines are wanted.

use std::{collections::BTreeMap, fmt::Write};

use tracing::span::Id;

use super::Reading;

/// Numbers below stand for nodes.
pub(super) const FIRST: u64 = 1 << 32;

struct Span {
    name: &'static str,
    fields: Reading,
    parent: Option<u64>,
    references: u32,
}

/// The spans of the run on this thread.
#[derive(Default)]
pub(super) struct Spans {
    // No `HashMap`: making one shifts the order of those that code under test makes on this thread.
    open: BTreeMap<u64, Span>,
    entered: Vec<u64>,
    next: u64,
}

impl Spans {
    /// A new one. Without a parent of its own, what is entered is its parent, unless it is a root.
    pub fn add(&mut self, name: &'static str, fields: Reading, parent: Option<&Id>, is_root: bool) -> Id {
        let entered = self.entered.last().copied().filter(|_| !is_root);
        let parent = parent.map(Id::into_u64).or(entered).filter(|parent| *parent >= FIRST);
        let number = FIRST + self.next;
        self.next += 1;
        if let Some(parent) = parent.and_then(|parent| self.open.get_mut(&parent)) {
            parent.references += 1;
        }
        self.open.insert(number, Span { name, fields, parent, references: 1 });
        Id::from_u64(number)
    }

    /// Gives it more fields.
    pub fn record(&mut self, id: &Id, values: &tracing::span::Record<'_>) {
        if let Some(span) = self.open.get_mut(&id.into_u64()) {
            values.record(&mut span.fields);
        }
    }

    pub fn enter(&mut self, id: &Id) {
        self.entered.push(id.into_u64());
    }

    pub fn exit(&mut self, id: &Id) {
        if let Some(at) = self.entered.iter().rposition(|entered| *entered == id.into_u64()) {
            self.entered.remove(at);
        }
    }

    /// Leaves all that are entered, and says which. They are entered again in this order.
    pub fn leave(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.entered)
    }

    pub fn enter_again(&mut self, left: Vec<u64>) {
        self.entered.extend(left);
    }

    pub fn refer(&mut self, id: &Id) {
        if let Some(span) = self.open.get_mut(&id.into_u64()) {
            span.references += 1;
        }
    }

    pub fn close(&mut self, id: &Id) {
        let mut next = Some(id.into_u64());
        while let Some(number) = next.take()
            && let Some(span) = self.open.get_mut(&number)
        {
            span.references -= 1;
            if span.references == 0 {
                next = self.open.remove(&number).and_then(|span| span.parent);
            }
        }
    }

    /// What is entered, or this span, as `request{id=3}:step{..}`.
    pub fn told(&self, parent: Option<&Id>) -> String {
        let mut path = Vec::new();
        let mut next = parent.map(Id::into_u64).or(self.entered.last().copied());
        while let Some(span) = next.and_then(|number| self.open.get(&number)) {
            path.push(span);
            next = span.parent;
        }
        let mut told = String::new();
        for span in path.iter().rev() {
            let colon = if told.is_empty() { "" } else { ":" };
            let _ = write!(told, "{colon}{}", span.name);
            let fields = span.fields.told();
            if !fields.is_empty() {
                let _ = write!(told, "{{{fields}}}");
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_nobody_s_until_it_is_entered_again() {
        let mut spans = Spans::default();
        let [request, other] =
            ["request", "other"].map(|name| spans.add(name, Reading::default(), None, true));
        spans.enter(&request);
        let left = spans.leave();
        assert_eq!(spans.told(None), "");
        spans.enter(&other);
        assert_eq!(spans.told(None), "other");
        spans.exit(&other);
        spans.enter_again(left);
        assert_eq!(spans.told(None), "request");
    }
}
