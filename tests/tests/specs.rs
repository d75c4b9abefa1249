//! Every spec of the repository, as a test.

fn main() -> std::process::ExitCode {
    squall::testing::main(squall_systems::registry(), concat!(env!("CARGO_MANIFEST_DIR"), "/../specs"))
}
