//! What the sockets of [`crate::net`] ask of the network.

use std::{
    io::{self, IoSlice},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use real_tokio::task::coop;
use tokio::io::{Interest, ReadBuf, Ready};

use super::{
    Errno, Key, Life, Net,
    address::Family,
    errno::dead,
    tcp::{Ends, Options},
    udp::UdpOptions,
};
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

/// One operation of the budget that a task has, unless it is only tried: a task whose budget is used up gives way to others even if the
/// operation is ready.
#[inline]
fn budgeted<T>(waker: Option<&Waker>, operation: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let Some(waker) = waker else { return operation() };
    let turn = ready!(coop::poll_proceed(&mut Context::from_waker(waker)));
    let polled = operation();
    if polled.is_ready() {
        turn.made_progress();
    }
    polled
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

    pub(crate) fn udp_local(&self, key: Key) -> io::Result<SocketAddr> {
        self.with(|fabric| fabric.udp_local(key))
    }

    pub(crate) fn udp_take_error(&self, key: Key) -> io::Result<Option<Errno>> {
        self.with(|fabric| fabric.udp_take_error(key))
    }

    pub(crate) fn udp_ready(
        &self,
        key: Key,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        self.with(|fabric| fabric.udp_ready(key, interest, cx))
    }

    pub(crate) fn udp_options(&self, key: Key) -> io::Result<UdpOptions> {
        self.with(|fabric| fabric.udp_options(key).map(|(options, _)| *options))
    }

    pub(crate) fn udp_set_options(
        &self,
        key: Key,
        change: impl FnOnce(&mut UdpOptions) -> io::Result<()>,
    ) -> io::Result<()> {
        self.with(|fabric| change(fabric.udp_options(key)?.0))
    }

    /// Those that a socket for IPv6 alone has.
    pub(crate) fn udp_options_v6(&self, key: Key) -> io::Result<UdpOptions> {
        self.with(|fabric| match fabric.udp_options(key)? {
            (_, Family::V4) => Err(Errno::NotSupported.into()),
            (options, Family::V6) => Ok(*options),
        })
    }

    pub(crate) fn udp_set_options_v6(
        &self,
        key: Key,
        change: impl FnOnce(&mut UdpOptions) -> io::Result<()>,
    ) -> io::Result<()> {
        self.with(|fabric| match fabric.udp_options(key)? {
            (_, Family::V4) => Err(Errno::NoSuchOption.into()),
            (options, Family::V6) => change(options),
        })
    }

    pub(crate) fn udp_join_v4(&self, key: Key, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|fabric| fabric.udp_join(key, fabric.udp_group_v4(key, group, interface)?))
    }

    pub(crate) fn udp_join_v6(&self, key: Key, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with(|fabric| fabric.udp_join(key, fabric.udp_group_v6(key, group, interface)?))
    }

    pub(crate) fn udp_leave_v4(&self, key: Key, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.with(|fabric| fabric.udp_leave(key, fabric.udp_group_v4(key, group, interface)?))
    }

    pub(crate) fn udp_leave_v6(&self, key: Key, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.with(|fabric| fabric.udp_leave(key, fabric.udp_group_v6(key, group, interface)?))
    }

    #[inline]
    pub(crate) fn udp_send(&self, key: Key, to: Option<SocketAddr>, data: &[u8]) -> io::Result<usize> {
        self.with(|fabric| fabric.udp_send(key, to, data))
    }

    #[inline]
    pub(crate) fn udp_receive(
        &self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut [u8],
        peek: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.with(|fabric| fabric.udp_receive(key, waker, buffer, peek))
    }

    pub(crate) fn udp_close(&self, key: Key) {
        self.with(|fabric| fabric.udp_close(key));
    }

    pub(crate) fn tcp_bind(
        &self,
        life: Life,
        family: Family,
        wish: SocketAddr,
        reuse_address: bool,
    ) -> io::Result<(Key, SocketAddr)> {
        self.with(|fabric| fabric.tcp_bind(life, family, wish, reuse_address))
    }

    pub(crate) fn tcp_unbind(&self, key: Key) {
        self.with(|fabric| fabric.tcp_unbind(key));
    }

    pub(crate) fn tcp_listen(
        &self,
        life: Life,
        wish: SocketAddr,
        backlog: u32,
        options: Options,
    ) -> io::Result<(Key, SocketAddr)> {
        self.with(|fabric| fabric.tcp_listen(life, wish, backlog, options))
    }

    pub(crate) fn tcp_listen_bound(
        &self,
        socket: Key,
        backlog: u32,
        options: Options,
    ) -> io::Result<(Key, SocketAddr)> {
        self.with(|fabric| fabric.tcp_listen_bound(socket, backlog, options))
    }

    pub(crate) fn tcp_accept(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<Ends>> {
        let waker = cx.waker();
        budgeted(Some(waker), || self.with(|fabric| fabric.tcp_accept(key, &mut Context::from_waker(waker))))
    }

    pub(crate) fn tcp_listener_options<T>(
        &self,
        key: Key,
        ask: impl FnOnce(&mut Options) -> io::Result<T>,
    ) -> io::Result<T> {
        self.with(|fabric| ask(fabric.tcp_listener_options(key)?))
    }

    pub(crate) fn tcp_unlisten(&self, key: Key) {
        self.with(|fabric| fabric.tcp_unlisten(key));
    }

    pub(crate) fn tcp_connect(
        &self,
        life: Life,
        family: Family,
        to: SocketAddr,
        options: Options,
    ) -> io::Result<Ends> {
        self.with(|fabric| fabric.tcp_connect(life, family, to, options))
    }

    pub(crate) fn tcp_connect_bound(
        &self,
        life: Life,
        socket: Key,
        to: SocketAddr,
        options: Options,
    ) -> io::Result<Ends> {
        self.with(|fabric| fabric.tcp_connect_bound(life, socket, to, options))
    }

    pub(crate) fn tcp_connected(&self, key: Key, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|fabric| fabric.tcp_connected(key, cx))
    }

    #[inline]
    pub(crate) fn tcp_write(
        &self,
        key: Key,
        waker: Option<&Waker>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        budgeted(waker, || self.with(|fabric| fabric.tcp_write(key, waker, buffers)))
    }

    #[inline]
    pub(crate) fn tcp_read(
        &self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        budgeted(waker, || self.with(|fabric| fabric.tcp_read(key, waker, buffer)))
    }

    pub(crate) fn tcp_peek(
        &self,
        key: Key,
        waker: Option<&Waker>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|fabric| fabric.tcp_peek(key, waker, buffer))
    }

    pub(crate) fn tcp_ready(
        &self,
        key: Key,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        self.with(|fabric| fabric.tcp_ready(key, interest, cx))
    }

    pub(crate) fn tcp_peer(&self, key: Key) -> io::Result<SocketAddr> {
        self.with(|fabric| fabric.tcp_peer(key))
    }

    pub(crate) fn tcp_take_error(&self, key: Key) -> io::Result<Option<Errno>> {
        self.with(|fabric| fabric.tcp_take_error(key))
    }

    pub(crate) fn tcp_options(&self, key: Key) -> io::Result<Options> {
        self.with(|fabric| fabric.tcp_options(key))
    }

    pub(crate) fn tcp_set_options(
        &self,
        key: Key,
        change: impl FnOnce(&mut Options) -> io::Result<()>,
    ) -> io::Result<()> {
        self.with(|fabric| fabric.tcp_set_options(key, change))
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
