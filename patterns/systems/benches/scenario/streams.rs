//! Requests and replies over one TCP connection for each pair of client and server, which is given up when a reply is late.

use std::{future::Future, io, sync::Arc};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::register::{FRAME, PATIENCE, Platform, Replica, Request, Stamped};

/// The simulator's TCP.
pub trait Sockets: Platform {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    type Listener: Send + Sync;

    fn bind() -> impl Future<Output = io::Result<Self::Listener>> + Send;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(server: usize) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A server, and the connection to it if there is one.
pub struct Link<S> {
    server: usize,
    stream: Option<S>,
}

impl<S> Link<S> {
    pub fn new(server: usize) -> Self {
        Link { server, stream: None }
    }
}

/// See [`Platform::ask`].
pub async fn ask<P: Sockets>(link: &mut Link<P::Stream>, request: Request) -> Option<Stamped> {
    let exchange = async {
        let mut stream = match link.stream.take() {
            Some(stream) => stream,
            None => P::connect(link.server).await?,
        };
        stream.write_all(&request.encode()).await?;
        stream.flush().await?;
        let mut reply = [0; FRAME];
        stream.read_exact(&mut reply).await?;
        link.stream = Some(stream);
        io::Result::Ok(Stamped::decode(&reply))
    };
    P::timeout(PATIENCE, exchange).await?.ok()
}

/// See [`Platform::answer`].
pub async fn answer<P: Sockets>(replica: Arc<Replica<P>>) -> io::Result<()> {
    let listener = P::bind().await?;
    loop {
        let stream = P::accept(&listener).await?;
        let replica = replica.clone();
        P::spawn(async move {
            // The end of a connection is its client's business.
            let _ = answer_one(&replica, stream).await;
        });
    }
}

async fn answer_one<P: Sockets>(replica: &Replica<P>, mut stream: P::Stream) -> io::Result<()> {
    let mut frame = [0; FRAME];
    loop {
        stream.read_exact(&mut frame).await?;
        // A server that does not answer yet ends the connection.
        let Some(stamped) = replica.answer(Request::decode(frame)) else { return Ok(()) };
        let mut reply = [0; FRAME];
        stamped.encode(&mut reply);
        stream.write_all(&reply).await?;
        stream.flush().await?;
    }
}
