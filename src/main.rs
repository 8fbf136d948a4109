//! From the arguments to the exit status, and nothing else: everything the program does is in the library.

// musl's own allocator serialises everything behind one lock and gives memory back to the system eagerly: a
// 256 KiB allocation costs 139 µs there and 3 µs here.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    p2pc::cli::main(std::env::args_os().collect())
}
