//! The `squall` program with the systems of this crate.

fn main() -> std::process::ExitCode {
    squall::cli::main(squall_systems::registry().built_from(env!("BUILT_FROM")))
}
