//! The wire format: how requests, replies and cancels become bytes and are found again in a stream of them.
//!
//! A frame is a length (u32, big-endian, counting what follows it), a header in postcard, and the body: whatever bytes
//! are left. The body is not part of the header so that it is neither copied nor looked at on the way.

use std::{fmt, io};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Status;

/// The longest frame, in bytes without its length field. Longer requests are not sent, longer replies become
/// [`Code::Internal`](super::Code::Internal), and a peer that announces a longer frame is disconnected.
pub const MAX_FRAME: usize = 16 << 20;

const LENGTH: usize = 4;
/// How much one read gets at most; up to twice as much is allocated before any of it has arrived.
const READ_AHEAD: usize = 8 << 10;

/// What a client says.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
pub(super) enum FromClient<'a> {
    /// Run a method; the body is its request.
    Request {
        /// Names the call on this connection.
        id: u64,
        #[serde(borrow)]
        method: &'a str,
        /// Time left for the call, in microseconds.
        within_us: u64,
    },
    /// No one waits for this call any more.
    Cancel { id: u64 },
}

/// What a server says: the outcome of a call; if it is `Ok`, the body is the reply.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
pub(super) struct FromServer {
    pub id: u64,
    pub outcome: Result<(), Status>,
}

/// A frame longer than [`MAX_FRAME`]: its length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong(pub usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes; the limit is {MAX_FRAME}", self.0)
    }
}

/// Whether a frame of this header and a body of this many bytes is short enough.
pub(super) fn fits(header: &impl Serialize, body: usize) -> Result<(), TooLong> {
    let header = postcard::serialize_with_flavor::<_, _, usize>(header, Size::default());
    let length = header.expect("headers are plain data, which postcard can write") + body;
    if length > MAX_FRAME { Err(TooLong(length)) } else { Ok(()) }
}

/// Writes a frame.
pub(super) fn encode(header: &impl Serialize, body: &[u8]) -> Result<Bytes, TooLong> {
    let mut frame = Vec::with_capacity(LENGTH + 64 + body.len());
    frame.extend_from_slice(&[0; LENGTH]);
    let mut frame =
        postcard::to_extend(header, frame).expect("headers are plain data, which postcard can write");
    frame.extend_from_slice(body);
    let length = frame.len() - LENGTH;
    if length > MAX_FRAME {
        return Err(TooLong(length));
    }
    frame[..LENGTH].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame.into())
}

/// Writes a body.
pub(super) fn encode_body(body: &impl Serialize) -> Result<Vec<u8>, String> {
    postcard::to_extend(body, Vec::new()).map_err(|e| format!("the body cannot be written: {e}"))
}

/// Reads a body.
pub(super) fn decode_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes too many in the body", rest.len())),
        Err(e) => Err(format!("the body cannot be read: {e}")),
    }
}

/// Bytes that arrived, as frames.
#[derive(Default)]
pub(super) struct Inbox(BytesMut);

impl Inbox {
    /// Waits for more bytes and says how many came; 0 is the end of the stream. May be dropped and called again.
    pub async fn fill(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        // Not by what the peer announces: memory is given for bytes that came, not for bytes that were promised. Twice what
        // one read gets, so that not every small frame costs a new buffer.
        if self.0.capacity() - self.0.len() < READ_AHEAD {
            self.0.reserve(2 * READ_AHEAD);
        }
        from.read_buf(&mut (&mut self.0).limit(READ_AHEAD)).await
    }

    /// The next frame, if all of it is there.
    pub fn next(&mut self) -> io::Result<Option<Bytes>> {
        let Some(length) = self.0.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong(length).to_string()));
        }
        if self.0.len() < LENGTH + length {
            return Ok(None);
        }
        self.0.advance(LENGTH);
        Ok(Some(self.0.split_to(length).freeze()))
    }
}

/// Takes a frame apart into header and body.
pub(super) fn decode<'a, T: Deserialize<'a>>(frame: &'a Bytes) -> io::Result<(T, Bytes)> {
    let (header, body) = postcard::take_from_bytes(frame).map_err(|e| {
        io::Error::new(io::ErrorKind::InvalidData, format!("a frame whose header cannot be read: {e}"))
    })?;
    Ok((header, frame.slice_ref(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Code;

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let request = FromClient::Request { id: 7, method: "charge", within_us: 1_500 };
        let reply = FromServer { id: 7, outcome: Err(Status::new(Code::Conflict, "twice")) };
        let mut stream = encode(&request, b"body").unwrap().to_vec();
        stream.extend_from_slice(&encode(&reply, b"").unwrap());
        for cut in 0..=stream.len() {
            let mut inbox = Inbox::default();
            let mut frames = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                inbox.0.extend_from_slice(part);
                while let Some(frame) = inbox.next().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames.len(), 2);
            let (header, body) = decode::<FromClient>(&frames[0]).unwrap();
            assert_eq!(
                (header, &body[..]),
                (FromClient::Request { id: 7, method: "charge", within_us: 1_500 }, &b"body"[..])
            );
            let (header, body) = decode::<FromServer>(&frames[1]).unwrap();
            assert_eq!((header, &body[..]), (FromServer { id: 7, outcome: reply.outcome.clone() }, &b""[..]));
        }
    }

    #[test]
    fn the_longest_frame_passes_and_a_longer_one_does_not() {
        let header = FromServer { id: 1, outcome: Ok(()) };
        let room = MAX_FRAME - (encode(&header, b"").unwrap().len() - LENGTH);
        let longest = encode(&header, &vec![1; room]).unwrap();
        let mut inbox = Inbox::default();
        inbox.0.extend_from_slice(&longest);
        assert_eq!(inbox.next().unwrap().unwrap().len(), MAX_FRAME);
        assert_eq!(encode(&header, &vec![1; room + 1]), Err(TooLong(MAX_FRAME + 1)));
        inbox.0.extend_from_slice(&(MAX_FRAME as u32 + 1).to_be_bytes());
        assert_eq!(inbox.next().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_body_with_bytes_left_over_is_refused() {
        let mut body = encode_body(&5u64).unwrap();
        assert_eq!(decode_body::<u64>(&body), Ok(5));
        body.push(0);
        assert!(decode_body::<u64>(&body).unwrap_err().contains("1 bytes too many"));
    }
}
