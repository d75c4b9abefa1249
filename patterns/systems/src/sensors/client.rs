//! A client's session: it reads from collectors and sends commands to sensors, and knows what it does not know.

use std::{collections::BTreeMap, time::Duration};

use squall::{Node, Outcome};
use squall_rt::{
    rng,
    rpc::{CallError, Client},
    time::{Instant, sleep},
};

use super::{
    Op, Params,
    flaw::FlawKind,
    wire::{Adjust, AdjustRequest, Adjusted, CALLS, Page, Purpose, Read, ReadRequest, Reading, Sealed},
};

/// The wait before the second attempt; it doubles with each further one. A random half of it is taken off.
const BACKOFF: Duration = Duration::from_millis(50);
/// What `no_timeout` waits for a reply.
const FOREVER: Duration = Duration::from_secs(3600);

/// What a client keeps between operations.
pub struct Session {
    node: Node,
    params: Params,
    clients: BTreeMap<String, Client>,
    /// By sensor, how many readings it has seen.
    seen: BTreeMap<u32, u64>,
    /// How many commands it has given.
    intents: u32,
    /// How many requests it has named.
    requests: u32,
}

impl Session {
    pub(super) fn open(node: Node, params: Params) -> Self {
        let (clients, seen) = (BTreeMap::new(), BTreeMap::new());
        Session { node, params, clients, seen, intents: 0, requests: 0 }
    }

    pub(super) async fn perform(&mut self, op: Op) -> Outcome {
        match op {
            Op::Latest { sensor, collector } => self.read(sensor, collector, 1).await,
            Op::History { sensor, collector, count } => self.read(sensor, collector, count).await,
            Op::Adjust { sensor, by } => self.adjust(sensor, by).await,
        }
    }

    /// The host at a position of a group, modulo how many there are now, and the client for it.
    fn client(&mut self, group: &str, position: u32) -> Option<(u32, Client)> {
        let hosts = self.node.hosts(group);
        let host = &hosts[(position as usize).checked_rem(hosts.len())?];
        let index = host.rsplit('-').next()?.parse().ok()?;
        let client =
            self.clients.entry(host.clone()).or_insert_with(|| Client::new(format!("{host}:{CALLS}")));
        Some((index, client.clone()))
    }

    fn patience(&self) -> Duration {
        if self.params.is(FlawKind::NoTimeout) { FOREVER } else { self.params.call_timeout.0 }
    }

    /// A name that no other client and no other start of this one gives.
    fn name(&self, number: u32) -> u64 {
        u64::from(self.node.index()) << 48 | u64::from(self.node.incarnation()) << 32 | u64::from(number)
    }

    async fn read(&mut self, sensor: u32, collector: u32, count: u32) -> Outcome {
        let Some((sensor, _)) = self.client("sensors", sensor) else {
            return Outcome::failed("there are no sensors");
        };
        let seen = match self.params.flaw {
            // Flawed: whoever is asked next may have less.
            Some(FlawKind::ForgetsSeen) => 0,
            _ => self.seen.get(&sensor).copied().unwrap_or(0),
        };
        let mut reason = "there are no collectors".to_owned();
        // Each collector once: where one is behind or out of reach, another may not be.
        for attempt in 0..self.node.hosts("collectors").len() as u32 {
            let Some((collector, client)) = self.client("collectors", collector.wrapping_add(attempt)) else {
                break;
            };
            let request = rng::u64();
            let asked = ReadRequest { request, sensor, count, seen };
            let call = Read(Sealed::new(Purpose::Read, &asked));
            let page = match client.call(&call, self.patience()).await {
                Ok(sealed) => sealed.open::<Page>(Purpose::Reply(request)),
                Err(e) => {
                    reason = e.to_string();
                    continue;
                }
            };
            let Some(Page { readings, .. }) = page.filter(|page| page.sensor == sensor) else {
                reason = "the seal of the reply is broken".to_owned();
                continue;
            };
            let next = readings.iter().map(|reading| reading.seq.saturating_add(1)).max().unwrap_or(0);
            self.seen.insert(sensor, next.max(seen));
            let told = |Reading { seq, value, .. }: &Reading| format!("{seq}:{value:016x}");
            return Outcome::ok()
                .with("read", format!("sensor-{sensor}"))
                .with("version", next)
                .with("of", sensor)
                .with("collector", collector)
                .with("readings", readings.iter().map(told).collect::<Vec<_>>().join(" "));
        }
        // A read has no effect, so there is nothing unknown about one that did not return.
        Outcome::failed(reason)
    }

    async fn adjust(&mut self, sensor: u32, by: i64) -> Outcome {
        let Some((sensor, client)) = self.client("sensors", sensor) else {
            return Outcome::failed("there are no sensors");
        };
        let intent = self.name(self.intents);
        self.intents += 1;
        let outcome = self.command(&client, sensor, by, intent).await;
        if self.params.is(FlawKind::ReusesRequestId) {
            // Flawed: whoever drops the future of this operation keeps it from getting here.
            self.requests += 1;
        }
        outcome.with("of", sensor).with("intent", intent).with("by", by)
    }

    async fn command(&mut self, client: &Client, sensor: u32, by: i64, intent: u64) -> Outcome {
        let mut request = self.name(self.requests);
        if !self.params.is(FlawKind::ReusesRequestId) {
            self.requests += 1;
        }
        let give_up = Instant::now() + self.params.op_timeout.0;
        let mut backoff = BACKOFF;
        // Whether an attempt may have taken effect, or may still.
        let mut in_doubt = false;
        loop {
            let asked = AdjustRequest { request, intent, sensor, by };
            let reason =
                match client.call(&Adjust(Sealed::new(Purpose::Adjust, &asked)), self.patience()).await {
                    Ok(sealed) => match sealed.open::<Adjusted>(Purpose::Reply(request)) {
                        Some(Adjusted { offset }) => return Outcome::ok().with("offset", offset),
                        None if self.params.is(FlawKind::UnsignedCommands) => return Outcome::ok(),
                        None => {
                            in_doubt = true;
                            "the seal of the reply is broken".to_owned()
                        }
                    },
                    Err(e) if e.is_unknown() && self.params.is(FlawKind::TimeoutIsFailure) => {
                        return Outcome::failed(e);
                    }
                    Err(e) => {
                        // A refusal bears no seal: it need not be the sensor's.
                        in_doubt |= !matches!(e, CallError::NotSent { .. });
                        e.to_string()
                    }
                };
            if Instant::now() + backoff >= give_up {
                return if in_doubt { Outcome::unknown(reason) } else { Outcome::failed(reason) };
            }
            sleep(rng::duration(backoff / 2..backoff)).await;
            backoff *= 2;
            if self.params.is(FlawKind::NewIdEachTry) {
                request = self.name(self.requests);
                self.requests += 1;
            }
        }
    }
}
