//! Compiles the `.slint` files with the translations bundled in.

fn main() {
    let config = slint_build::CompilerConfiguration::new()
        .with_bundled_translations("lang")
        .with_debug_info(true);
    if let Err(error) = slint_build::compile_with_config("slint/app.slint", config) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
