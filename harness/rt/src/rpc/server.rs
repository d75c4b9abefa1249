//! The answering side.

use std::{
    collections::BTreeMap, convert::Infallible, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
};

use self::treatment::Treatment;
use super::{
    Code, Method, Status,
    frame::{self, FromClient, FromServer, Inbox},
    watched,
};
use crate::{
    accept::accept,
    net::{TcpListener, TcpStream},
    task,
    time::{self, Instant},
};

mod treatment;

/// How many requests of one connection are worked on at a time. More wait in the network's buffers.
const MAX_CONCURRENT: usize = 256;

/// What a handler knows about the call besides the request.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub peer: SocketAddr,
    /// When the caller stops waiting. The handler's future is dropped then.
    pub deadline: Instant,
}

type Outcome = Result<Vec<u8>, Status>;
type Handler = Box<dyn Fn(Bytes, Call) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;
type Methods = BTreeMap<&'static str, Handler>;

/// Methods and their handlers, to be served on a listener. See the [module](super) for an example.
///
/// Each request runs in a task of its own, at most 256 per connection at a time. The handler's future is dropped when
/// the caller cancels, when the deadline passes and when the connection ends. A handler that panics answers
/// [`Code::Internal`] in production; in the simulation the panic ends the run, as any other does.
#[derive(Default)]
pub struct Server {
    methods: Methods,
}

impl Server {
    /// A server without methods.
    pub fn new() -> Self {
        Server::default()
    }

    /// Adds the handler of method `M`.
    ///
    /// # Panics
    /// When a method of that name is already there.
    pub fn on<M, H, F>(mut self, handler: H) -> Self
    where
        M: Method,
        H: Fn(M, Call) -> F + Send + Sync + 'static,
        F: Future<Output = Result<M::Reply, Status>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let erased: Handler = Box::new(move |body, call| {
            let handler = handler.clone();
            Box::pin(async move {
                let request = frame::decode_body::<M>(&body).map_err(|e| Status::new(Code::Invalid, e))?;
                drop(body);
                let reply = handler(request, call).await?;
                frame::encode_body(&reply).map_err(|e| Status::new(Code::Internal, e))
            })
        });
        assert!(self.methods.insert(M::NAME, erased).is_none(), "method {:?} has two handlers", M::NAME);
        self
    }

    /// Accepts connections and answers requests until the listener fails. When the future is dropped, so are all
    /// connections and the handlers at work for them.
    ///
    /// # Errors
    /// What `accept` fails with, except failures of a single connection and a passing lack of file descriptors.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let methods = Arc::new(self.methods);
        // Every connection watches this; dropping it ends them.
        let (_serving, served) = watch::channel(());
        loop {
            let (stream, peer) = accept(&listener).await?;
            let (methods, mut served) = (methods.clone(), served.clone());
            task::spawn(async move {
                tokio::select! {
                    _ = served.changed() => {}
                    () = serve_connection(methods, stream, peer) => {}
                }
            });
        }
    }
}

/// An encoded reply, and the place among the connection's requests that is free again once it is written.
type Reply = (Bytes, OwnedSemaphorePermit);

async fn serve_connection(methods: Arc<Methods>, stream: TcpStream, peer: SocketAddr) {
    let (reader, writer) = stream.into_split();
    let (replies, outbox) = mpsc::channel(MAX_CONCURRENT);
    let end = tokio::select! {
        end = read_requests(methods, reader, peer, replies) => end,
        end = write_replies(writer, outbox) => end,
    };
    if let Err(error) = end {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn write_replies(
    mut to: impl AsyncWrite + Unpin,
    mut replies: mpsc::Receiver<Reply>,
) -> io::Result<()> {
    while let Some((frame, _place)) = replies.recv().await {
        to.write_all(&frame).await?;
    }
    Ok(())
}

async fn read_requests(
    methods: Arc<Methods>,
    mut from: impl AsyncRead + Unpin,
    peer: SocketAddr,
    replies: mpsc::Sender<Reply>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MAX_CONCURRENT));
    // Dropping a sender tells the task to drop its handler. So does dropping them all, when the connection ends.
    let mut running: BTreeMap<u64, oneshot::Sender<Infallible>> = BTreeMap::new();
    let mut inbox = Inbox::default();
    while inbox.fill(&mut from).await? > 0 {
        while let Some(frame) = inbox.next()? {
            let (header, body) = frame::decode::<FromClient>(&frame)?;
            match header {
                FromClient::Cancel { id } => drop(running.remove(&id)),
                // Too late before it began.
                FromClient::Request { within_us: 0, .. } => {}
                FromClient::Request { id, method, within_us } => {
                    let request = Request { methods: &methods, method, body, peer, within_us };
                    let Some(treatment) = Treatment::of(peer, method, within_us) else { continue };
                    if let Some(later) = treatment.again {
                        task::spawn(request.begin(later, None));
                    }
                    let handled_as = request.handled_as(treatment.answer.as_ref());
                    let outcome = request.begin(treatment.later, treatment.answer);
                    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
                    if running.len() >= 2 * MAX_CONCURRENT {
                        running.retain(|_, task| !task.is_closed());
                    }
                    let (cancel, cancelled) = oneshot::channel();
                    running.insert(id, cancel);
                    let replies = replies.clone();
                    task::spawn(async move {
                        let outcome = tokio::select! {
                            // The handler first: most are done at once, and then no timer is made.
                            biased;
                            outcome = outcome => outcome,
                            _ = cancelled, if !treatment.detached => return,
                        };
                        let leaves = || handled_as.is_none_or(|method| watched::reply_leaves(peer, method));
                        if let (Some(outcome), true) = (outcome, treatment.replies)
                            && leaves()
                        {
                            // No receiver: the connection has ended, and with it whoever waits for this.
                            let _ = replies.send((encode_reply(id, outcome), place)).await;
                        }
                    });
                }
            }
        }
    }
    Ok(())
}

/// A request off the wire.
struct Request<'a> {
    methods: &'a Methods,
    method: &'a str,
    body: Bytes,
    peer: SocketAddr,
    within_us: u64,
}

impl Request<'_> {
    /// The method whose handler is to run, if one is.
    fn handled_as(&self, answer: Option<&Status>) -> Option<&'static str> {
        let known = self.methods.get_key_value(self.method).filter(|_| answer.is_none());
        known.map(|(name, _)| *name)
    }

    /// Has it handled, from so much later on, or answered with this error. The future gives nothing if the caller's time ran out
    /// first.
    fn begin(
        &self,
        later: Duration,
        answer: Option<Status>,
    ) -> impl Future<Output = Option<Outcome>> + Send + use<> {
        let deadline = deadline_in(self.within_us) + later;
        let (peer, handled_as) = (self.peer, self.handled_as(answer.as_ref()));
        let call = Call { peer: self.peer, deadline };
        let unknown = || Status::new(Code::Invalid, format!("no method {:?} here", self.method));
        let outcome = match (answer, self.methods.get(self.method)) {
            (None, Some(handler)) => handler(self.body.clone(), call),
            (answer, _) => {
                let status = answer.unwrap_or_else(unknown);
                Box::pin(async move { Err(status) })
            }
        };
        async move {
            if !later.is_zero() {
                time::sleep(later).await;
            }
            if handled_as.is_some_and(|method| !watched::call_arrived(peer, method)) {
                return None;
            }
            tokio::select! {
                biased;
                outcome = contain_panic(outcome) => Some(outcome),
                () = time::sleep_until(deadline) => None,
            }
        }
    }
}

fn deadline_in(within_us: u64) -> Instant {
    // A day is as good as never, and adding it overflows nothing.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    Instant::now() + Duration::from_micros(within_us).min(LONGEST)
}

fn encode_reply(id: u64, outcome: Outcome) -> Bytes {
    let (outcome, body) = match outcome {
        Ok(body) => (Ok(()), body),
        Err(status) => (Err(status), Vec::new()),
    };
    frame::encode(&FromServer { id, outcome }, &body).unwrap_or_else(|e| {
        let outcome = Err(Status::new(Code::Internal, format!("the reply does not fit: {e}")));
        frame::encode(&FromServer { id, outcome }, &[]).expect("this one does")
    })
}

/// Makes an error of a panic. Not in the simulation, where a panic is a finding.
#[cfg(not(madsim))]
async fn contain_panic(handler: impl Future<Output = Outcome>) -> Outcome {
    use futures_util::FutureExt;
    // Nothing that the handler owned is seen again; what it shares with others guards itself (locks are poisoned).
    std::panic::AssertUnwindSafe(handler)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Status::new(Code::Internal, "the handler panicked")))
}

#[cfg(madsim)]
async fn contain_panic(handler: impl Future<Output = Outcome>) -> Outcome {
    handler.await
}
