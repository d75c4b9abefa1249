//! The way from the top of a spec to one of its entries: `faults[2].crash.node`.

use std::fmt;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(key) => f.write_str(key),
            Step::Index(i) => write!(f, "{i}"),
        }
    }
}

/// All steps, from the top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    pub(crate) fn key(&self, key: &str) -> Path {
        let mut path = self.clone();
        path.push(Step::Key(key.to_owned()));
        path
    }

    /// The last entry by name, with its position if it is an item of a list: `faults[2]`. None at the top.
    pub(crate) fn end(&self) -> Option<Path> {
        let key = self.0.iter().rposition(|step| matches!(step, Step::Key(_)))?;
        Some(Path(self.0[key..].to_vec()))
    }

    pub(crate) fn index(&self, index: usize) -> Path {
        let mut path = self.clone();
        path.push(Step::Index(index));
        path
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Deeper than any spec: only to say that it is too deep.
        const SHOWN: usize = 16;
        for (i, step) in self.0.iter().take(SHOWN).enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let plain =
                        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
                    f.write_str(if i == 0 { "" } else { "." })?;
                    if plain { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        f.write_str(if self.0.len() > SHOWN { "…" } else { "" })
    }
}
