//! The program: hands the command line to the library.
use std::process::ExitCode;

/// Events are made on one thread and freed on another, which the system's allocator answers with a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tripline::cli::main()
}
