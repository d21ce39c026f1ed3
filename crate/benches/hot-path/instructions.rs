//! Does one workload some number of times, for callgrind to count: `instructions` names them, `instructions NAME TIMES`
//! does one. TIMES is in units of the workload's own number of repeats.

use mi_httpd_benches::{NAMES, workload};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = &args[..] else {
        for name in NAMES {
            let repeats = workload(name).map_or(0, |workload| workload.repeats);
            println!("{name} {repeats}");
        }
        return ExitCode::SUCCESS;
    };
    let (Some(mut workload), Ok(times)) = (workload(name), times.parse::<usize>()) else {
        eprintln!(
            "instructions: no workload {name}, or {times} is no number; there are {}",
            NAMES.join(", ")
        );
        return ExitCode::from(2);
    };
    for _ in 0..workload.repeats * times {
        (workload.run)();
    }
    ExitCode::SUCCESS
}
