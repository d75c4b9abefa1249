//! What is shown how.

use std::fmt;

use anstyle::AnsiColor;

use crate::{explore::SpecVerdict, screen};

/// A role that text plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As expected.
    Good,
    /// Not as expected.
    Bad,
    /// Neither.
    Doubtful,
    /// What faults do.
    Fault,
    /// Names that stand out.
    Strong,
    /// What may be skipped.
    Faint,
}

impl Style {
    pub(crate) fn of(verdict: &SpecVerdict) -> Self {
        match verdict {
            SpecVerdict::Passed => Style::Good,
            SpecVerdict::Failed(_) | SpecVerdict::Nondeterministic(_) => Style::Bad,
            SpecVerdict::Vacuous(_) | SpecVerdict::Undecided(_) => Style::Doubtful,
        }
    }

    /// The text in this style.
    pub(crate) fn paint<T: fmt::Display>(self, text: T) -> Painted<T> {
        let plain = anstyle::Style::new();
        let style = match self {
            Style::Good => AnsiColor::Green.on_default(),
            Style::Bad => AnsiColor::Red.on_default().bold(),
            Style::Doubtful | Style::Fault => AnsiColor::Yellow.on_default(),
            Style::Strong => plain.bold(),
            Style::Faint => plain.dimmed(),
        };
        Painted { style, text }
    }
}

pub(crate) struct Painted<T> {
    style: anstyle::Style,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Width and alignment are for the text, not for the escapes around it.
        f.write_str(&screen::ours(&self.style.render().to_string()))?;
        self.text.fmt(f)?;
        f.write_str(&screen::ours(&self.style.render_reset().to_string()))
    }
}
