//! What the sockets of [`crate::net`] ask of the network.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Key, Life, Net, tcp::Ends, udp::dead};
use crate::world::World;

/// The network and the life of the calling process.
///
/// # Errors
/// `NotConnected` if there is none: a dead process, or the supervisor.
pub(crate) fn here() -> io::Result<(Arc<Net>, Life)> {
    let world = World::current();
    let life = world.here().ok_or_else(dead)?;
    Ok((world.net().clone(), life))
}

impl Net {
    pub(crate) fn udp_bind(&self, life: Life, wish: SocketAddr) -> io::Result<(Key, SocketAddr)> {
        self.with(|fabric| fabric.udp_bind(life, wish))
    }

    pub(crate) fn udp_connect(&self, key: Key, peer: SocketAddr) -> io::Result<()> {
        self.with(|fabric| fabric.udp_connect(key, peer))
    }

    pub(crate) fn udp_peer(&self, key: Key) -> io::Result<SocketAddr> {
        self.with(|fabric| fabric.udp_peer(key))
    }

    #[inline]
    pub(crate) fn udp_send(&self, key: Key, to: Option<SocketAddr>, data: &[u8]) -> io::Result<usize> {
        self.with(|fabric| fabric.udp_send(key, to, data))
    }

    #[inline]
    pub(crate) fn udp_receive(
        &self,
        key: Key,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        peek: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.with(|fabric| fabric.udp_receive(key, cx, buffer, peek))
    }

    pub(crate) fn udp_close(&self, key: Key) {
        self.with(|fabric| fabric.udp_close(key));
    }

    pub(crate) fn tcp_listen(&self, life: Life, wish: SocketAddr) -> io::Result<(Key, SocketAddr)> {
        self.with(|fabric| fabric.tcp_listen(life, wish))
    }

    pub(crate) fn tcp_accept(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<Ends>> {
        self.with(|fabric| fabric.tcp_accept(key, cx))
    }

    pub(crate) fn tcp_unlisten(&self, key: Key) {
        self.with(|fabric| fabric.tcp_unlisten(key));
    }

    pub(crate) fn tcp_connect(&self, life: Life, to: SocketAddr) -> io::Result<Ends> {
        self.with(|fabric| fabric.tcp_connect(life, to))
    }

    pub(crate) fn tcp_connected(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|fabric| fabric.tcp_connected(key, cx))
    }

    #[inline]
    pub(crate) fn tcp_write(
        &self,
        key: Key,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|fabric| fabric.tcp_write(key, cx, buffers))
    }

    #[inline]
    pub(crate) fn tcp_read(
        &self,
        key: Key,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|fabric| fabric.tcp_read(key, cx, buffer))
    }

    pub(crate) fn tcp_peek(
        &self,
        key: Key,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|fabric| fabric.tcp_peek(key, cx, buffer))
    }

    /// Times in nanoseconds.
    pub(crate) fn tcp_set_keepalive(
        &self,
        key: Key,
        time: u64,
        interval: u64,
        retries: u32,
    ) -> io::Result<()> {
        self.with(|fabric| fabric.tcp_set_keepalive(key, time, interval, retries))
    }

    pub(crate) fn tcp_end(&self, key: Key) -> io::Result<()> {
        self.with(|fabric| fabric.tcp_end(key))
    }

    pub(crate) fn tcp_close(&self, key: Key) {
        self.with(|fabric| fabric.tcp_close(key));
    }
}
