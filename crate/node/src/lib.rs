//! The Node-API surface of [`mi_httpd_core`]: one-line forwards, no logic. Each object has a file. Memory shared with
//! JavaScript is allocated there and lent to each call, which costs 15 to 30 ns an argument and needs no unsafe code of
//! its own: only what the macros of napi write is unsafe.
pub mod body_pool;
pub mod compressions;
pub mod datagrams;
pub mod json_checker;
pub mod layout;
pub mod measurements;
pub mod methods;
pub mod metrics_text;
pub mod printers;
pub mod process;
pub mod record_keeper;
pub mod record_table;
pub mod request_scanner;
pub mod standard_output;
pub mod statistic_names;
pub mod udp;
