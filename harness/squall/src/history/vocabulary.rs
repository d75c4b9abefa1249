//! What nodes report, as a system declares it and an invariant reads it.

/// A kind of event that nodes report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// `target.message` of the tracing event.
    pub name: &'static str,
    /// The names of its fields.
    pub fields: &'static [&'static str],
    /// When it is reported, in half a line.
    pub about: &'static str,
}

impl EventKind {
    /// With this name, these fields, and when it is reported, in half a line.
    pub const fn new(name: &'static str, fields: &'static [&'static str], about: &'static str) -> Self {
        EventKind { name, fields, about }
    }
}

/// So many as there are in all of these parts.
#[doc(hidden)]
pub const fn count<T>(parts: &[&[T]]) -> usize {
    let (mut all, mut part) = (0, 0);
    while part < parts.len() {
        all += parts[part].len();
        part += 1;
    }
    all
}

/// All of these parts, as many as there are by [`count`]. `any` is one of them, or like them.
#[doc(hidden)]
pub const fn joined<T: Copy, const N: usize>(parts: &[&[T]], any: T) -> [T; N] {
    let mut all = [any; N];
    let (mut n, mut part) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            all[n] = parts[part][i];
            (n, i) = (n + 1, i + 1);
        }
        part += 1;
    }
    all
}

/// Vocabularies one after another, as what [`System::events`](crate::System::events) gives: `events![circuit_breaker::EVENTS, OWN]`.
#[macro_export]
macro_rules! events {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&[$crate::EventKind]] = &[$(&$part),+];
        const ALL: [$crate::EventKind; $crate::history::count(PARTS)] =
            $crate::history::joined(PARTS, $crate::EventKind::new("", &[], ""));
        &ALL
    }};
}
