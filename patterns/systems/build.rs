//! Compiles the `.proto` files for the simulated tonic, with a compiler written in Rust: no protoc need be installed. And finds out which commit
//! this is, for `squall --version`.

use std::{env, error::Error, fs, path::Path, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rustc-env=BUILT_FROM={}", built_from());
    println!("cargo:rerun-if-changed=proto");
    let out = Path::new(&env::var("OUT_DIR")?).join("sim");
    fs::create_dir_all(&out)?;
    let protos = protox::compile(["elected_writer.proto", "id_blocks.proto"], ["proto"])?;
    prost_build::Config::new()
        .out_dir(out)
        .service_generator(tonic_build::configure().service_generator())
        .compile_fds(protos)?;
    Ok(())
}

/// The commit, where there is one. Of an optimised build only: others are made again and again, between commits.
fn built_from() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if env::var("PROFILE").as_deref() != Ok("release") {
        return "sources between commits".to_owned();
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "sources without a repository".to_owned();
    };
    for place in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", place]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    // What the program is made of. Of the rest a change does not count, and is not looked for: each look makes this crate anew.
    const SOURCES: [&str; 3] = ["../../harness", "..", "../../Cargo.lock"];
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    match git(&[&["status", "--porcelain", "--untracked-files=no", "--"][..], &SOURCES].concat()) {
        Some(changes) if changes.is_empty() => format!("commit {commit}"),
        _ => format!("commit {commit}, with changes"),
    }
}
