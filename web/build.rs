//! A new file under `templates/` or `static/` has to be embedded, so it has to start a build.

fn main() {
    println!("cargo::rerun-if-changed=../templates");
    println!("cargo::rerun-if-changed=../static");
}
