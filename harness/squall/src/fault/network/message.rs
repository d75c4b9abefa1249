//! Message: what becomes of single packets, by link, kind and number.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::net::{LinkEffect, MessageOutcome as Outcome};

use super::super::{Hold, Kind, Range, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Code, Place,
        model::{CountRange, DurationRange, Link, Spanned},
    },
    trace::MessageKind,
};

/// Lose, double or delay single packets. Without a schedule it is there from the start of chaos; packets that were sent before it
/// strikes are past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "Two Generals: it is the one lost acknowledgement that a protocol is proved against, and the one \
    that a test with 1% of loss meets once in a hundred runs."))]
pub struct Message {
    /// Which links. Each counts its own packets.
    pub link: Spanned<Link>,
    /// What kind of packet.
    pub kind: MessageKind,
    /// Which of this kind on the link since the start of the run, from 1, as `squall replay --messages` shows them: `12` is the
    /// twelfth, `12..14` that and the next two. What TCP sends again counts again.
    pub numbers: Spanned<CountRange>,
    /// What becomes of them.
    pub outcome: MessageOutcome,
    /// How much later, for `delayed` and `duplicated`; drawn once a strike. `delayed` needs it. Default: for `duplicated` at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Spanned<DurationRange>>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageOutcome {
    /// It is lost. TCP sends it again, under the next number.
    Lost,
    /// It arrives twice. TCP discards the second.
    Duplicated,
    /// It arrives late, and those behind it overtake it. TCP may have sent it again by then.
    Delayed,
}

impl Kind for Message {
    const TOUCHES: &str = "packets of its kind and numbers that are sent there while it lasts";
    const MAY_STAND: bool = true;

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.link(&self.link, &at.key("link"), Use::End);
        context.not_on_netsim("`message`", at);
        if self.numbers.min == 0 {
            let help = "the first packet is 1: write `1`, or `1..2` for the first two";
            context.does_nothing(&at.key("numbers"), "there is no such packet", help);
        }
        match (&self.by, self.outcome) {
            (Some(_), MessageOutcome::Lost) => {
                let help = "`by` goes with `delayed` and `duplicated`: leave it out";
                let message = "`by` says nothing of a packet that is lost";
                context.report(at.key("by").key_error(Code::Conflict, message, help));
            }
            (None, MessageOutcome::Delayed) if !at.key("by").is_damaged() => {
                let help = "say by how much, as `by: 100ms..300ms`";
                context.report(at.error(Code::MissingKey, "a packet that is `delayed` needs `by`", help));
            }
            (Some(by), MessageOutcome::Delayed) if by.max.is_zero() => {
                let help = "write how long, as `by: 100ms..300ms`";
                context.does_nothing(&at.key("by"), "a delay of nothing", help);
            }
            _ => {}
        }
    }

    fn ranges(&mut self, each: &mut dyn FnMut(Range<'_>)) {
        if let Some(by) = &mut self.by {
            each(Range::Duration(&mut by.value));
        }
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let by = self.by.as_ref().map(|by| by.min).unwrap_or_default();
        let (outcome, what) = match self.outcome {
            MessageOutcome::Lost => (Outcome::Lost, "lost".to_owned()),
            MessageOutcome::Duplicated if by.is_zero() => (Outcome::Duplicated(by), "duplicated".to_owned()),
            MessageOutcome::Duplicated => (Outcome::Duplicated(by), format!("duplicated, {by:?} later")),
            MessageOutcome::Delayed => (Outcome::Delayed(by), format!("delayed by {by:?}")),
        };
        let CountRange { min: first, max: last } = self.numbers.value;
        let effect = LinkEffect::Message { kind: self.kind.packet(), first, last, outcome };
        strike.on_links(&self.link, effect, &format!("{} #{} {what}", self.kind, self.numbers.value))
    }
}
