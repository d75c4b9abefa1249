//! What travels: datagrams between sensors and collectors, and the methods that nodes serve. Everything is sealed, so that what
//! was changed on the way is not taken for what was sent.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use squall_rt::rpc::Method;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::log::Entry;

/// Where sensors and collectors send their datagrams.
pub const DATAGRAMS: u16 = 7000;
/// Where every node serves calls.
pub const CALLS: u16 = 7100;

/// What all nodes and clients know and nobody else does.
const KEY: u64 = 0x5e11_ab1e_0dd5_ea15;

/// A reading, as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Which sensor took it, from 0.
    pub sensor: u32,
    /// Its number among this sensor's, from 0, without gaps.
    pub seq: u64,
    /// When, by the sensor's wall clock, in milliseconds since 1970.
    pub taken: u64,
    /// What was measured.
    pub value: u64,
}

impl Entry for Reading {
    fn numbers(&self) -> [u64; 4] {
        [self.sensor.into(), self.seq, self.taken, self.value]
    }

    fn from_numbers([sensor, seq, taken, value]: [u64; 4]) -> Self {
        Reading { sensor: sensor.try_into().unwrap_or(u32::MAX), seq, taken, value }
    }
}

/// A sensor's question to a collector that has everything, as far as the sensor knows. It is answered as a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whose readings.
    pub sensor: u32,
}

/// A collector's answer to a sensor: what it holds durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Whose readings.
    pub sensor: u32,
    /// Which collector, from 0.
    pub collector: u32,
    /// Which start of it: within one what it has grows, so of two answers the higher is the later.
    pub start: u32,
    /// It has all below this number, and wants this one.
    pub next: u64,
}

/// What a message is about, which is under its seal: one kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Reading,
    Ask,
    Ack,
    Read,
    Adjust,
    Lease,
    /// The reply to the request with this number, so that it is never taken for the reply to another.
    Reply(u64),
}

impl Purpose {
    fn bytes(self) -> [u8; 9] {
        let (kind, of) = match self {
            Purpose::Reading => (0, 0),
            Purpose::Ask => (1, 0),
            Purpose::Ack => (2, 0),
            Purpose::Read => (3, 0),
            Purpose::Adjust => (4, 0),
            Purpose::Lease => (5, 0),
            Purpose::Reply(request) => (6, request),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&u64::to_le_bytes(of));
        bytes
    }
}

/// A message under a seal: a keyed hash of its purpose and its bytes. XXH3 stands for a message authentication code here: nothing
/// in the simulation computes collisions. In production it would be HMAC or Poly1305.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    body: Vec<u8>,
    seal: u64,
}

impl Sealed {
    /// Seals a message.
    pub fn new<T: Serialize>(purpose: Purpose, message: &T) -> Self {
        let body = postcard::to_stdvec(message).expect("messages are plain data");
        let seal = seal(purpose, &body);
        Sealed { body, seal }
    }

    /// The message, if it is what was sealed for this purpose.
    pub fn open<T: DeserializeOwned>(&self, purpose: Purpose) -> Option<T> {
        (self.seal == seal(purpose, &self.body)).then(|| self.open_unchecked()).flatten()
    }

    /// The message, whoever wrote it.
    pub fn open_unchecked<T: DeserializeOwned>(&self) -> Option<T> {
        postcard::from_bytes(&self.body).ok()
    }

    /// The bytes of a datagram.
    pub fn to_datagram(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("messages are plain data")
    }

    /// What a datagram holds, if it holds anything.
    pub fn from_datagram(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

fn seal(purpose: Purpose, body: &[u8]) -> u64 {
    xxh3_64_with_seed(&[&purpose.bytes(), body].concat(), KEY)
}

/// Reads a sensor's newest readings from a collector. Sealed [`ReadRequest`]; the reply is a sealed [`Page`].
#[derive(Serialize, Deserialize)]
pub struct Read(pub Sealed);

impl Method for Read {
    const NAME: &'static str = "read";
    type Reply = Sealed;
}

/// See [`Read`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Names this request.
    pub request: u64,
    /// Whose readings.
    pub sensor: u32,
    /// How many at most, the newest.
    pub count: u32,
    /// What the client has seen: a collector that has less refuses.
    pub seen: u64,
}

/// See [`Read`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// Whose readings.
    pub sensor: u32,
    /// Oldest first. Empty if there are none.
    pub readings: Vec<Reading>,
}

/// Adjusts a sensor's offset, once however often it comes. Sealed [`AdjustRequest`]; the reply is a sealed [`Adjusted`].
#[derive(Serialize, Deserialize)]
pub struct Adjust(pub Sealed);

impl Method for Adjust {
    const NAME: &'static str = "adjust";
    type Reply = Sealed;
}

/// See [`Adjust`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdjustRequest {
    /// Names the request: the same whenever it is sent again.
    pub request: u64,
    /// Names what the client wants by it. For those who look on: no node decides by it.
    pub intent: u64,
    /// Which sensor is meant.
    pub sensor: u32,
    /// By how much.
    pub by: i64,
}

/// See [`Adjust`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Adjusted {
    /// The offset after it.
    pub offset: i64,
}

/// Asks the keeper for the right to be primary, or to go on being it. Sealed [`LeaseRequest`]; the reply is a sealed [`Granted`].
#[derive(Serialize, Deserialize)]
pub struct Lease(pub Sealed);

impl Method for Lease {
    const NAME: &'static str = "lease";
    type Reply = Sealed;
}

/// See [`Lease`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// Names this request.
    pub request: u64,
    /// Which collector asks.
    pub collector: u32,
    /// Which start of it: a collector that was started anew knows nothing of the lease it had.
    pub incarnation: u32,
}

/// See [`Lease`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Granted {
    /// The number of this reign: a new holder has a higher one.
    pub epoch: u64,
    /// For how long, from when it was asked for.
    pub lasts: Duration,
    /// Until when by the keeper's wall clock, in milliseconds since 1970. For people: clocks do not agree.
    pub until: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_its_message_and_its_purpose_alone() {
        let reading = Reading { sensor: 1, seq: 2, taken: 3, value: 4 };
        let sealed = Sealed::new(Purpose::Reading, &reading);
        assert_eq!(sealed.open(Purpose::Reading), Some(reading));
        assert_eq!(sealed.open::<Reading>(Purpose::Ack), None);
        let datagram = sealed.to_datagram();
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let opened =
                Sealed::from_datagram(&changed).and_then(|sealed| sealed.open::<Reading>(Purpose::Reading));
            assert_eq!(opened, None, "bit {bit}");
        }
    }

    #[test]
    fn a_reply_belongs_to_one_request() {
        let sealed = Sealed::new(Purpose::Reply(7), &Adjusted { offset: 1 });
        assert!(sealed.open::<Adjusted>(Purpose::Reply(7)).is_some());
        assert!(sealed.open::<Adjusted>(Purpose::Reply(8)).is_none());
    }
}
