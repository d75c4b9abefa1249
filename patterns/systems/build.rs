//! Compiles the `.proto` files for the simulated tonic, with a compiler written in Rust: no protoc need be installed.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
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
