//! Every spec of this crate, as a test.

fn main() -> std::process::ExitCode {
    squall::testing::main(squall_peers::registry(), concat!(env!("CARGO_MANIFEST_DIR"), "/specs"))
}
