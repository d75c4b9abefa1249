//! A spec that is one run, written out: whether its operations are the system's.

use super::{Spec, shown};
use crate::{
    context::Context,
    language::{Code, Place},
    system::AnySystem,
};

impl Context<'_> {
    pub(super) fn plan(&mut self, spec: &Spec, top: &Place<'_>, system: Option<&dyn AnySystem>) {
        let (Some(plan), Some(system)) = (&spec.plan, system) else { return };
        let at = top.key("plan").key("operations");
        for (operation, at) in plan.operations.iter().zip(at.items()) {
            if operation.client >= *spec.workload.clients {
                let message = format!("there is no client {}", operation.client);
                let help =
                    format!("`workload.clients` is {}, and the first client is 0", *spec.workload.clients);
                self.report(at.key("client").error(Code::MatchesNothing, message, help));
            }
            if let Err(error) = system.check_operation(&operation.op) {
                let message = format!("this is no operation of `{}`: {error}", system.name());
                let known: Vec<_> = system.operations(&spec.params).iter().map(|(name, _)| *name).collect();
                let help = format!("its operations are {}", self.keys(&known));
                self.report(at.key("op").error(Code::UnknownOperation, message, help));
            }
            if let Some(times) = self.times
                && operation.at.0 >= times.end
            {
                let message = format!("the run ends at {}, before this operation", shown(times.end));
                self.report(at.key("at").error(
                    Code::OutsideRun,
                    message,
                    "lengthen `phases`, or leave it out",
                ));
            }
        }
    }
}
