//! The etcd: madsim's simulation of one, as a process.

use std::net::Ipv4Addr;

use etcd_client::SimServer;
use squall::{BoxError, Node};

/// etcd's own port.
pub(super) const PORT: u16 = 2379;

/// # Panics
/// When it is started again: it would have forgotten everything, and give old revisions away as new tokens.
pub(super) async fn run(node: Node) -> Result<(), BoxError> {
    assert!(
        node.incarnation() == 1,
        "the simulated etcd keeps nothing on disk, so its crash is a data loss that no etcd has: pause it or cut it off instead"
    );
    SimServer::builder().serve((Ipv4Addr::UNSPECIFIED, PORT).into()).await?;
    Ok(())
}
