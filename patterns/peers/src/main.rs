//! The `squall` program with the systems of this crate.

fn main() -> std::process::ExitCode {
    squall::cli::main(squall_peers::registry())
}
