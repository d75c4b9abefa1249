//! Nothing but a place for [`benches/peers.rs`](https://doc.rust-lang.org/cargo/commands/cargo-bench.html): squall-checkers beside
//! other checkers, on the same histories, in one run.
