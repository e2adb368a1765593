//! Link settings of a Node addon, and `-z nodelete`: the runtime's thread outlives JavaScript environments,
//! so the library must stay mapped when the last of them unloads it. macOS keeps a library with thread-local
//! variables by itself.

fn main() {
    napi_build::setup();
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(system.as_str(), "linux" | "android" | "freebsd") {
        println!("cargo:rustc-link-arg=-Wl,-z,nodelete");
    }
}
