//! What clients do: ask one writer after the other until one is elected.

use squall::{Node, Outcome};
use squall_rt::time::{self, Duration};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::{
    Op, PORT, Params,
    proto::{ReadRequest, Register, WriteRequest, writer_client::WriterClient},
};

/// How often everyone is asked.
const ROUNDS: usize = 3;
/// How long to wait between rounds, for an election to be over.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(200);

/// A client's connections.
pub struct Session {
    writers: Vec<WriterClient<Channel>>,
}

impl Session {
    pub(super) fn new(client: &Node, params: &Params) -> Self {
        let connect = |host: String| {
            let endpoint = Endpoint::from_shared(format!("http://{host}:{PORT}"));
            let endpoint = endpoint.expect("a host name makes a URI").timeout(params.patience.0);
            WriterClient::new(endpoint.connect_lazy())
        };
        Session { writers: client.hosts("writers").into_iter().map(connect).collect() }
    }

    pub(super) async fn perform(&mut self, op: Op) -> Outcome {
        let (Op::Write { via, .. } | Op::Read { via }) = op;
        let count = self.writers.len();
        let mut last = String::new();
        for turn in 0..ROUNDS * count {
            if turn > 0 && turn % count == 0 {
                time::sleep(BETWEEN_ROUNDS).await;
            }
            let writer = &mut self.writers[(via as usize + turn) % count];
            let answer = match op {
                Op::Write { value, .. } => writer.write(WriteRequest { value }).await,
                Op::Read { .. } => writer.read(ReadRequest {}).await,
            };
            match (answer, &op) {
                (Ok(register), _) => {
                    let Register { version, value } = register.into_inner();
                    return Outcome::ok().with("version", version).with("value", value);
                }
                // The writer that is asked does nothing, or the store it asked.
                (Err(status), _) if status.code() == Code::FailedPrecondition => last = tell(&status),
                (Err(status), Op::Read { .. }) => last = tell(&status),
                (Err(status), Op::Write { .. }) => return Outcome::unknown(tell(&status)),
            }
        }
        Outcome::failed(last)
    }
}

fn tell(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
