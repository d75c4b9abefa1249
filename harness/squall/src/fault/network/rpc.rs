//! Rpc: what becomes of single calls, by method and number.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::{
    rpc::Code,
    world::{
        NodeId,
        rpc::{CallFate, CallFault},
    },
};

use super::super::{Hold, Kind, Range, Strike};
use crate::{
    context::{Context, Use},
    language::{
        self, Place,
        diagnostic::name_help,
        model::{CountRange, DurationRange, Spanned, Target},
    },
};

/// Break single calls of `squall_rt::rpc` while all bytes arrive. Without a schedule it is there from the start of chaos.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A payment that timed out and was charged: the request was executed and the reply lost, so the \
    customer paid twice."))]
pub struct Rpc {
    /// The servers.
    pub to: Spanned<Target>,
    /// The callers. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Spanned<Target>>,
    /// The method. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Spanned<String>>,
    /// Which of these calls since the strike, from 1, in the order servers see them: `2` is the second, `1..2` the first two. Default:
    /// all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Spanned<CountRange>>,
    /// What becomes of them.
    pub outcome: RpcOutcome,
    /// How much later, for `late` and `duplicated`; drawn once a strike. Default: for `late` just after the caller's deadline, for
    /// `duplicated` at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Spanned<DurationRange>>,
    /// The error, for `error`. Default: unavailable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Spanned<RpcCode>>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RpcOutcome {
    /// The request never arrives: not executed, no reply.
    NeverArrives,
    /// It is executed, and the reply is lost.
    ExecutedReplyLost,
    /// It arrives late and is executed then, whether or not the caller still waits.
    Late,
    /// It is executed twice; the caller gets the first reply.
    Duplicated,
    /// It is not executed, and answered with an error.
    Error,
}

/// An error that a server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RpcCode {
    /// The request makes no sense.
    Invalid,
    /// What it asks for is not there.
    NotFound,
    /// It contradicts what was done before.
    Conflict,
    /// It was declined.
    Refused,
    /// Not now; another time it may work.
    Unavailable,
    /// The server is at fault.
    Internal,
}

impl RpcCode {
    /// As in a spec.
    fn name(self) -> &'static str {
        match self {
            RpcCode::Invalid => "invalid",
            RpcCode::NotFound => "not_found",
            RpcCode::Conflict => "conflict",
            RpcCode::Refused => "refused",
            RpcCode::Unavailable => "unavailable",
            RpcCode::Internal => "internal",
        }
    }

    fn code(self) -> Code {
        match self {
            RpcCode::Invalid => Code::Invalid,
            RpcCode::NotFound => Code::NotFound,
            RpcCode::Conflict => Code::Conflict,
            RpcCode::Refused => Code::Refused,
            RpcCode::Unavailable => Code::Unavailable,
            RpcCode::Internal => Code::Internal,
        }
    }
}

impl Rpc {
    /// What can be healed apart, and the nodes it concerns: each server, or each caller of it. Calls that are counted are counted
    /// over all servers, so such a fault heals as a whole, whatever the core is.
    fn parts(&self, fault: CallFault) -> Vec<(BTreeSet<NodeId>, CallFault)> {
        if self.calls.is_some() {
            return vec![(BTreeSet::new(), fault)];
        }
        let callers = |to: NodeId| match &fault.from {
            Some(from) => {
                from.iter().map(|from| (BTreeSet::from([to, *from]), Some([*from].into()))).collect()
            }
            None => vec![(BTreeSet::from([to]), None)],
        };
        let each = fault.to.iter().flat_map(|to| {
            let of = |(nodes, from)| (nodes, CallFault { to: [*to].into(), from, ..fault.clone() });
            callers(*to).into_iter().map(of)
        });
        each.collect()
    }
}

impl Kind for Rpc {
    const TOUCHES: &str = "calls of its method and numbers that are made there while it lasts";
    const MAY_STAND: bool = true;

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.to, &at.key("to"), Use::Struck);
        if let Some(from) = &self.from {
            context.target(from, &at.key("from"), Use::End);
        }
        context.not_on_netsim("`rpc`", at);
        if let (Some(method), Some((system, methods))) = (&self.method, context.methods())
            && !methods.contains(&method.as_str())
        {
            let message = format!("no node of `{system}` serves the method `{method}`");
            let help = name_help(method, "its methods", methods);
            context.report(at.key("method").error(language::Code::UnknownMethod, message, help));
        }
        if self.calls.as_ref().is_some_and(|calls| calls.min == 0) {
            let help = "the first call is 1: write `1`, or `1..2` for the first two";
            context.does_nothing(&at.key("calls"), "there is no such call", help);
        }
        let misplaced = [
            ("by", self.by.is_some(), matches!(self.outcome, RpcOutcome::Late | RpcOutcome::Duplicated)),
            ("code", self.code.is_some(), self.outcome == RpcOutcome::Error),
        ];
        for (key, written, fits) in misplaced {
            if written && !fits {
                let help = "`by` goes with `late` and `duplicated`, `code` with `error`: leave it out";
                let message = format!("`{key}` says nothing of this outcome");
                context.report(at.key(key).key_error(language::Code::Conflict, message, help));
            }
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        if let Some(by) = &mut self.by {
            each(Range::Duration(&mut by.value));
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let to = strike.nodes(&self.to);
        let from = self.from.as_ref().map(|from| strike.nodes_but(from, &to));
        let by = self.by.as_ref().map(|by| by.min);
        let code = self.code.as_ref().map_or(RpcCode::Unavailable, |code| code.value).code();
        let (fate, what) = match self.outcome {
            RpcOutcome::NeverArrives => (CallFate::NeverArrives, "never arrive".to_owned()),
            RpcOutcome::ExecutedReplyLost => {
                (CallFate::ReplyLost, "are executed and their replies lost".to_owned())
            }
            RpcOutcome::Late => {
                let told = by.map_or(String::new(), |by| format!(" by {by:?}"));
                (CallFate::Late(by), format!("arrive late{told}"))
            }
            RpcOutcome::Duplicated => {
                let told = by.map_or(String::new(), |by| format!(", {by:?} apart"));
                (CallFate::Duplicated(by.unwrap_or_default()), format!("are executed twice{told}"))
            }
            RpcOutcome::Error => {
                let told =
                    self.code.as_ref().map_or(String::new(), |code| format!(": {}", code.value.name()));
                (CallFate::Answered(code), format!("are answered with an error{told}"))
            }
        };
        let calls = self.calls.as_ref().map_or(1..=u64::MAX, |calls| calls.min..=calls.max);
        let which = self.calls.as_ref().map_or(String::new(), |calls| format!(" {}", calls.value));
        let method = self.method.as_ref().map_or(String::new(), |method| format!(" of {method}"));
        let whose =
            from.as_ref().map_or(String::new(), |from| format!(" from {}", strike.cluster.names(from)));
        let what = format!("rpc: calls{which}{method}{whose} to {} {what}", strike.cluster.names(&to));
        if to.is_empty() {
            return strike.nothing(format!("{what}: no such node now"));
        }
        strike.announce(what.clone());
        let method = self.method.as_ref().map(|method| method.value.clone());
        let fault = CallFault { to, from, method, calls, probability: 1.0, fate };
        let mut hold = Hold::new(what);
        for (nodes, fault) in self.parts(fault) {
            let id = strike.cluster.world().calls().impose(fault, strike.stream("calls"));
            hold.part(nodes, move |cluster| cluster.world().calls().lift(id));
        }
        Some(hold)
    }
}
