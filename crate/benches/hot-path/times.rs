//! How long the workloads take: `cargo bench`, or `npm run bench -- native`.

use divan::Bencher;
use mi_httpd_benches::{NAMES, workload};

fn main() {
    divan::main();
}

#[divan::bench(args = NAMES)]
fn hot_path(bencher: Bencher<'_, '_>, name: &str) {
    if let Some(mut workload) = workload(name) {
        bencher.bench_local(move || (workload.run)());
    }
}
