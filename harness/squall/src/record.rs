//! How a run becomes its history: what code under test reports is [captured](capture), and whatever happens is recorded, judged and told to
//! whoever [listens](Listener), who is not known here.

// Uses: check, confine, history, log.

pub(crate) mod capture;
mod listener;
mod recorder;

pub(crate) use self::{
    capture::take_logger,
    listener::{Followed, Follower, Listener, Sequel},
    recorder::{Recorded, Recorder},
};
