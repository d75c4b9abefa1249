//! The holder's side of the lease: what a collector that may be primary knows of its right to be.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use squall::Node;
use squall_rt::{
    clock, rng,
    rpc::{CallError, Client},
    time::{Instant, sleep},
};

use super::{
    Params,
    flaw::FlawKind,
    wire::{self, CALLS, Granted, LeaseRequest, Purpose, Sealed},
};

#[derive(Clone, Copy)]
struct Held {
    epoch: u64,
    until: Instant,
    /// What the flawed variants go by.
    wall_until: SystemTime,
}

/// The lease of one collector.
pub struct Lease {
    node: Node,
    params: Params,
    keeper: Client,
    held: Mutex<Option<Held>>,
}

impl Lease {
    /// Not held yet.
    pub fn new(node: Node, params: Params) -> Self {
        let keeper = node.hosts("keeper").into_iter().next().expect("there is a keeper");
        Lease { node, params, keeper: Client::new(format!("{keeper}:{CALLS}")), held: Mutex::new(None) }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of its reign, if this collector is primary at this moment. By the next await it may no longer be.
    pub fn epoch(&self) -> Option<u64> {
        let held = (*self.held())?;
        let wall = self.params.is(FlawKind::WallClockLease) || self.params.is(FlawKind::LeaseUntilWallTime);
        let valid = if wall { clock::now() < held.wall_until } else { Instant::now() < held.until };
        valid.then_some(held.epoch)
    }

    /// Asks for the lease, and for more of it, for ever.
    pub async fn keep(&self) {
        let every = self.params.lease.0 / 2;
        let mut reigns = None;
        loop {
            self.ask().await;
            let epoch = self.epoch();
            if epoch != reigns {
                if let Some(epoch) = reigns {
                    tracing::info!(target: "role", role = "primary", epoch, "lost");
                }
                if let Some(epoch) = epoch {
                    tracing::info!(target: "role", role = "primary", epoch, "acquired");
                }
                reigns = epoch;
            }
            sleep(rng::duration(every / 2..every)).await;
        }
    }

    async fn ask(&self) {
        let asked = LeaseRequest {
            request: rng::u64(),
            collector: self.node.index(),
            incarnation: self.node.incarnation(),
        };
        let (asked_at, wall_asked_at) = (Instant::now(), clock::now());
        let call = wire::Lease(Sealed::new(Purpose::Lease, &asked));
        let lasts = self.params.lease.0;
        let granted = match self.keeper.call(&call, lasts).await {
            Ok(sealed) => sealed.open::<Granted>(Purpose::Reply(asked.request)),
            Err(CallError::Status(_)) => {
                // The keeper knows better, and if someone else said so there is no harm in it.
                *self.held() = None;
                None
            }
            // The lease goes on until it ends.
            Err(_) => None,
        };
        let Some(Granted { epoch, lasts, until }) = granted else { return };
        let from = if self.params.is(FlawKind::LeaseFromReceipt) { Instant::now() } else { asked_at };
        let wall_until = if self.params.is(FlawKind::LeaseUntilWallTime) {
            UNIX_EPOCH + Duration::from_millis(until)
        } else {
            wall_asked_at + lasts
        };
        *self.held() = Some(Held { epoch, until: from + lasts, wall_until });
    }
}
