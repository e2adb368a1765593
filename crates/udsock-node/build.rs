//! Link settings of a Node addon, and `-z nodelete`: the runtime's thread outlives JavaScript environments,
//! so the library must stay mapped when the last of them unloads it.

fn main() {
    napi_build::setup();
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg=-Wl,-z,nodelete");
    }
}
