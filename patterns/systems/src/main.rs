fn main() -> std::process::ExitCode {
    squall::cli::main(squall_systems::registry())
}
