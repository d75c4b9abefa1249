//! The systems that a binary knows, by name.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use super::{
    AnySystem, System,
    any_system::erased,
    registration::{self, Problem},
};

/// The systems that a binary knows.
#[derive(Clone, Default)]
pub struct Registry {
    systems: BTreeMap<&'static str, Registered>,
    /// What names of before are now.
    renamed: BTreeMap<&'static str, &'static str>,
    built_from: Option<&'static str>,
}

#[derive(Clone)]
struct Registered {
    system: Arc<dyn AnySystem>,
    /// What is wrong with its declarations, once somebody has asked.
    problems: Arc<OnceLock<Vec<Problem>>>,
    /// What is wrong with its operations, once somebody has asked.
    operation_problems: Arc<OnceLock<Vec<Problem>>>,
}

impl Registry {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a system. None of its code is called: that is for workers. See [`problems`](Self::problems).
    ///
    /// # Panics
    /// When there is one of that name already.
    pub fn with<S: System>(mut self) -> Self {
        let new = Registered {
            system: Arc::new(erased::<S>()),
            problems: Arc::default(),
            operation_problems: Arc::default(),
        };
        let old = self.systems.insert(S::NAME, new);
        assert!(old.is_none(), "two systems are named {}", S::NAME);
        self
    }

    /// The same names with other systems, each made of the one that was there.
    pub(crate) fn mapped(&self, f: impl Fn(&Arc<dyn AnySystem>) -> Arc<dyn AnySystem>) -> Registry {
        let mapped =
            |registered: &Registered| Registered { system: f(&registered.system), ..registered.clone() };
        let systems = self.systems.iter().map(|(name, known)| (*name, mapped(known))).collect();
        Registry { systems, ..self.clone() }
    }

    /// Remembers that a system, or a directory of its specs, was called `old` once: whoever still writes that is told the new name.
    pub fn renamed(mut self, old: &'static str, new: &'static str) -> Self {
        self.renamed.insert(old, new);
        self
    }

    /// Remembers what the program was built from, for `--version`: a commit of the systems' sources, as a build script finds it.
    pub fn built_from(mut self, what: &'static str) -> Self {
        self.built_from = Some(what);
        self
    }

    /// What the program was built from, if it says.
    pub(crate) fn source(&self) -> Option<&'static str> {
        self.built_from
    }

    /// The name of today for one of before.
    pub fn now_called(&self, old: &str) -> Option<&'static str> {
        self.renamed.get(old).copied()
    }

    /// The system of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn AnySystem>> {
        self.systems.get(name).map(|registered| &registered.system)
    }

    /// What is wrong with the declarations of the system of that name: names that are taken twice, flaws that nothing would catch.
    /// The system is asked once; specs of a system with problems are refused with them.
    pub fn problems(&self, name: &str) -> &[Problem] {
        let problems = |registered: &Registered| registration::problems(registered.system.as_ref());
        self.systems.get(name).map_or(&[], |known| known.problems.get_or_init(|| problems(known)))
    }

    /// What is wrong with the operations of the system of that name, as its strategies draw them: names that no plan would have,
    /// values that do not read back. Asked once, and refused, as [`problems`](Self::problems) are.
    pub fn operation_problems(&self, name: &str) -> &[Problem] {
        let problems = |registered: &Registered| registration::operation_problems(registered.system.as_ref());
        self.systems.get(name).map_or(&[], |known| known.operation_problems.get_or_init(|| problems(known)))
    }

    /// All systems, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnySystem>> {
        self.systems.values().map(|registered| &registered.system)
    }
}
