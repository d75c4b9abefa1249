//! What the types cannot say: whether the spec makes sense for its system.

use super::{Diagnostic, Spec, Tree, path::Step};
use crate::Registry;

/// Completes the parameters, and adds what is wrong to `errors`.
pub(super) fn validate(spec: &mut Spec, tree: &mut Tree, registry: &Registry, errors: &mut Vec<Diagnostic>) {
    if let Some(system) = registry.get(&spec.system) {
        if let Some(params) = tree.child_mut(&Step::Key("params".into())).filter(|p| !p.is_removed()) {
            let (value, wrong) = system.read_params(params);
            spec.params.value = value;
            errors.extend(wrong);
        } else {
            spec.params.value =
                system.complete_params(&serde_json::Value::Null).expect("defaults are in order");
        }
    }
}
