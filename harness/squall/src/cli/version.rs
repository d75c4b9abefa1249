//! `squall --version`.

use crate::{shrink, system::Registry};

/// The version of squall, what the program was built from, if that is known, its fingerprint and its systems.
pub(super) fn version(registry: &Registry) -> String {
    let source = registry.source().map_or(String::new(), |source| format!("built from {source}\n"));
    let kind = if cfg!(debug_assertions) { "with debug assertions" } else { "without debug assertions" };
    let systems: Vec<&str> = registry.iter().map(|system| system.name()).collect();
    let systems = if systems.is_empty() { "none".to_owned() } else { systems.join(", ") };
    format!(
        "squall {}\n{source}build {}, {kind}\nsystems: {systems}",
        env!("CARGO_PKG_VERSION"),
        shrink::build()
    )
}
