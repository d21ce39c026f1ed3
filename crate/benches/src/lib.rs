//! The work of the hot path, in pieces that can be repeated: what a call, a reply and a dump are made of.

use mi_httpd_core::json::pretty::PrettyPrinter;
use mi_httpd_core::json::reader::validate;
use mi_httpd_core::json::text::{put, write_string};
use mi_httpd_core::layout::Reply;
use mi_httpd_core::reply::frame::{finish, head};
use mi_httpd_core::reply::html;
use mi_httpd_core::reply::statistics::StatisticNames;
use mi_httpd_core::request::scanner::Scanner;
use mi_httpd_core::table::dump::{DumpedTable, Shape};
use mi_httpd_core::table::record::Style;
use mi_httpd_core::table::records::Table;
use std::hint::black_box;

const NONCE: &str = "Zm9vYmFyYmF6cXV4Zm9vYg";
const NOW: u64 = 1_800_000_000;
const RECORDS: usize = 300;

/// A piece of work, made ready, to be done any number of times.
pub struct Workload {
    /// Does it once.
    pub run: Box<dyn FnMut()>,
    /// How often it is done to be counted. Often for tables: their hashes are keyed at random, so making one ready takes
    /// more or fewer instructions, which must not matter.
    pub repeats: usize,
}

/// The names of all workloads.
pub const NAMES: [&str; 11] = [
    "scan-call",
    "scan-params",
    "scan-and-reply",
    "validate-10k",
    "statistics-300",
    "table-set",
    "table-get",
    "table-dump",
    "indent-10k",
    "escape-json",
    "escape-html",
];

/// The workload of that name; `None` if there is none.
pub fn workload(name: &str) -> Option<Workload> {
    let (repeats, run): (usize, Box<dyn FnMut()>) = match name {
        "scan-call" => (200, scan(br#"{"jsonrpc":"2.0","method":"version","id":1}"#)),
        "scan-params" => (
            200,
            scan(br#"{"jsonrpc":"2.0","method":"ul_show_contact","params":["location","alice@example.com"],"id":"a-17"}"#),
        ),
        "scan-and-reply" => (200, scan_and_reply()),
        "validate-10k" => {
            let text = document();
            (20, Box::new(move || { let _ = black_box(validate(&text)); }))
        }
        "statistics-300" => (20, statistics()),
        "table-set" => (2000, table_set()),
        "table-get" => (4000, table_get()),
        "table-dump" => (20, table_dump()),
        "indent-10k" => (10, indent()),
        "escape-json" => {
            let (text, mut out) = (hostile(), Vec::with_capacity(1 << 16));
            let run = move || {
                out.clear();
                write_string(&mut out, black_box(&text));
            };
            (20, Box::new(run))
        }
        "escape-html" => {
            let (text, mut out) = (hostile(), vec![0; 1 << 16]);
            (20, Box::new(move || { black_box(html::escape(text.as_bytes(), &mut out)); }))
        }
        _ => return None,
    };
    Some(Workload { run, repeats })
}

fn scanner() -> Scanner {
    let names = ["version", "which", "get_statistics", "ul_dump", "ul_show_contact"];
    Scanner::new(names.map(String::from).to_vec(), &[0, 1, 2, 3, 4], usize::MAX)
}

fn scan(text: &'static [u8]) -> Box<dyn FnMut()> {
    let mut scanner = scanner();
    Box::new(move || {
        if let Ok((_, fields)) = scanner.scan(black_box(text)) {
            scanner.ids.release(fields.id_slot);
        }
    })
}

fn scan_and_reply() -> Box<dyn FnMut()> {
    let mut scanner = scanner();
    let mut window = vec![0; 4096];
    Box::new(move || {
        let call = br#"{"jsonrpc":"2.0","method":"version","id":1}"#;
        if let Ok((_, fields)) = scanner.scan(black_box(call)) {
            let end = put(
                &mut window,
                head(Reply::Result).len(),
                br#"{"Server":"mi-httpd (0.1.0 (x86_64/linux))"}"#,
            );
            black_box(finish(
                &mut scanner.ids,
                &mut window,
                Reply::Result,
                end.unwrap_or_default(),
                fields.id_slot,
            ));
        }
    })
}

fn statistics() -> Box<dyn FnMut()> {
    let mut names = StatisticNames::default();
    for number in 0..300 {
        names.add(&format!("core:statistic_number_{number}"));
    }
    let values: Vec<f64> = (0..300).map(|number| f64::from(number * 1009)).collect();
    let selection: Vec<u32> = (0..300).collect();
    let mut window = vec![0; 1 << 16];
    Box::new(move || {
        black_box(names.print(&values, black_box(&selection), &mut window, 0));
    })
}

fn key(number: usize) -> String {
    format!("subscriber{number}@example.com")
}

/// A contact as usrloc keeps it, with one hole.
fn record(number: usize) -> String {
    format!(
        r#"{{"AOR":"subscriber{number}","Contacts":[{{"Contact":"sip:subscriber{number}@192.0.2.7:5060;transport=udp","ContactID":"26800565932949{number}","Expires":"{NONCE}1.{}","Q":"0.5","Callid":"{number:016x}@192.0.2.7","Cseq":17,"User-agent":"Example Phone 4.2.1","State":"CS_NEW","Flags":0,"Cflags":"","Methods":0}}]}}"#,
        NOW + 3600
    )
}

fn table() -> Table {
    let mut table = Table::new(NONCE);
    table.add_style(Style::default());
    table.add_style(Style::default());
    for number in 0..RECORDS {
        let set = table.set(key(number).as_bytes(), record(number).as_bytes(), 1, 0.0);
        assert!(set.is_ok(), "the record can be set");
    }
    table
}

fn table_set() -> Box<dyn FnMut()> {
    let mut table = table();
    let all: Vec<(String, String)> = (0..RECORDS).map(|number| (key(number), record(number))).collect();
    let mut turn = 0;
    Box::new(move || {
        if let Some((key, record)) = all.get(turn % RECORDS) {
            let _ = black_box(table.set(key.as_bytes(), record.as_bytes(), 1, 0.0));
        }
        turn += 1;
    })
}

fn table_get() -> Box<dyn FnMut()> {
    let table = table();
    let keys: Vec<String> = (0..RECORDS).map(key).collect();
    let mut window = vec![0; 4096];
    let mut turn = 0;
    Box::new(move || {
        if let Some(key) = keys.get(turn % RECORDS) {
            black_box(table.get(key.as_bytes(), NOW, &mut window));
        }
        turn += 1;
    })
}

fn table_dump() -> Box<dyn FnMut()> {
    let mut table = DumpedTable::new(table());
    let mut window = vec![0; 65536];
    Box::new(move || {
        let slot = table.open(Shape::Records, NOW);
        while table.fill(slot, &mut window) > 0 {}
        table.release(slot);
    })
}

/// About 10 KB of JSON.
fn document() -> Vec<u8> {
    let members: Vec<String> = (0..300)
        .map(|number| format!(r#""core:statistic_number_{number}":{}"#, number * 1009))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

fn indent() -> Box<dyn FnMut()> {
    let text = document();
    let mut out = vec![0; 1 << 16];
    Box::new(move || {
        black_box(PrettyPrinter::default().push(&text, &mut out));
    })
}

/// About 10 KB of what a SIP client can put into its fields.
fn hostile() -> String {
    "Example Phone 4.2.1 (\"lab\" <b>&amp;</b>) \\ é ✓ ".repeat(200)
}
