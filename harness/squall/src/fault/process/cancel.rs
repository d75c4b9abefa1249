//! Cancel: a caller gives up in the middle of an operation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{Spanned, Target},
    },
};

/// Have clients give up on the operation they are in: its future is dropped wherever it stands, as `select!` and `timeout` do
/// every day, and the client goes on with the next one. What became of the operation is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A page that is closed while it loads: half of a request handler ran, the lock it held was \
    released, the second write never came."))]
pub struct Cancel {
    /// Which clients: `clients`, `clients[0]`, `one(clients)`.
    pub client: Spanned<Target>,
}

fn is_clients(target: &Target) -> bool {
    match target {
        Target::Group(group) | Target::Member(group, _) => group == crate::system::CLIENTS,
        Target::One(of) | Target::Some(of) | Target::Minority(of) | Target::Majority(of) => is_clients(of),
        _ => false,
    }
}

impl Kind for Cancel {
    const TOUCHES: &str = "operations that are open when it strikes";
    const INSTANT: bool = true;

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        let at = at.key("client");
        if context.target(&self.client, &at, Use::Struck) && !is_clients(&self.client) {
            let message = format!("`{}` is no client", *self.client);
            let help = "operations are the clients': write `clients`, `clients[0]` or `one(clients)`";
            context.report(at.error(Code::MatchesNothing, message, help));
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.client);
        strike.announce(format!("cancel what {} is doing", strike.cluster.names(&nodes)));
        let clients = nodes.iter().filter_map(|node| strike.cluster.client_of(*node));
        let cancelled = clients.filter(|client| strike.cluster.clients().cancel(*client)).count();
        Some(Hold::done(cancelled as u64))
    }
}
