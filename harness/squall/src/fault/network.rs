//! Network faults. Each puts effects on directed links and takes exactly those off again, breaks connections, or decides what
//! becomes of calls and of single packets.

mod bandwidth;
mod corrupt;
mod delay;
mod duplicate;
mod half_open;
mod hold;
mod loss;
mod message;
mod partition;
mod reorder;
mod replay;
mod reset;
mod rpc;
mod tamper;

pub use self::{
    bandwidth::NarrowLink,
    corrupt::Corrupt,
    delay::Delay,
    duplicate::Duplicate,
    half_open::HalfOpen,
    hold::HoldPackets,
    loss::Loss,
    message::{Message, MessageOutcome},
    partition::{Partition, PartitionMode},
    reorder::Reorder,
    replay::Replay,
    reset::Reset,
    rpc::{Rpc, RpcCode, RpcOutcome},
    tamper::Tamper,
};
