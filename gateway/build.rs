//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // The addresses of constants are relocated at each start, from a table of 24 octets each. The
    // packed form (DT_RELR, glibc 2.36) takes a bit or two: a command that runs for a moment has 1 MB
    // less to read and to hold.
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
