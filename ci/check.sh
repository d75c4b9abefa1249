#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, the production build, the specs, the tests.
# Runs the same on a laptop and in CI; needs nothing but the Rust toolchain. From anywhere: ci/check.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# A RUSTFLAGS variable, even an empty one, would replace the flags of .cargo/config.toml and with them the simulation.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets -- -D warnings

step "production build of squall-rt and squall-patterns: real sockets, real files"
production() {
    local command=$1
    shift
    RUSTFLAGS="" RUSTDOCFLAGS="" cargo "$command" -p squall-rt -p squall-rt-tests -p squall-patterns --target-dir target/production "$@"
}
production clippy --all-targets -- -D warnings
production test

step "documentation"
RUSTDOCFLAGS="--cfg madsim --cfg tokio_unstable -D warnings" cargo doc --workspace --no-deps --lib

step "the specs, as the README runs them"
cargo run --release -- run specs

# Last, so that the log ends on the test runner's own summaries, and on their sum.
step "tests"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --workspace 2>&1 | tee "$log" || status=$?
awk '/^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1); if ($i ~ /^ignored/) s += $(i-1) } }
     END { printf "total: %d passed, %d failed, %d skipped\n", p, f, s }' "$log"
exit "$status"
