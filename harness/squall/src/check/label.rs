//! What a line of `check:` is called.

use super::pattern::Pattern;
use crate::language::{
    model::{Check, Consistent, EventuallyThat, Mapped, Spanned},
    promises,
};

/// How a line of `check:` is shown to a person; also the name of the invariant it makes.
pub(crate) fn label(check: &Check) -> String {
    match check {
        Check::Named(name) | Check::Mapped(Mapped { name, .. }) => name.clone(),
        Check::Never(pattern) => format!("never {}", Pattern::new(pattern)),
        Check::Eventually(eventually) => match &eventually.that {
            EventuallyThat::Condition(Spanned { value: name, .. })
            | EventuallyThat::Mapped(Mapped { name, .. }) => format!("eventually {name}"),
            EventuallyThat::Event(pattern) => format!("eventually {}", Pattern::new(pattern)),
        },
        Check::Sometimes(patterns) => {
            let names: Vec<_> = patterns.iter().map(|pattern| Pattern::new(pattern).to_string()).collect();
            format!("sometimes {}", names.join(", "))
        }
        Check::Count(count) => {
            let pattern = Pattern::of(&count.event.value, count.fields.iter().map(|(k, v)| (&k.value, v)));
            match &count.per {
                Some(per) => format!("count {pattern} per {}", per.value),
                None => format!("count {pattern}"),
            }
        }
        Check::Specific(one) => {
            one.of.name.as_ref().map_or_else(|| promises::name_of(one.property), |name| name.value.clone())
        }
        Check::Consistent(Consistent { promise, of }) => match (&of.name, &of.model) {
            (Some(name), _) => name.value.clone(),
            (None, Some(model)) => format!("{promise} {}", model.value),
            (None, None) => promise.clone(),
        },
        Check::Order(order) => {
            format!("order {} before {}", Pattern::new(&order.first), Pattern::new(&order.then))
        }
    }
}
