//! The `transom` command: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    transom::cli::main()
}
