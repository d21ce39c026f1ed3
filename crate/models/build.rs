fn main() {
    // For this crate alone: what it depends on stays as it is.
    println!("cargo:rustc-cfg=loom");
}
