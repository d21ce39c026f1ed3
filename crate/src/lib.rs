//! The hot path of mi-httpd. This file and `node.rs` are the Node-API surface; the others know nothing of Node.

#[forbid(unsafe_code)]
pub mod arena;
#[forbid(unsafe_code)]
pub mod body;
#[forbid(unsafe_code)]
pub mod dump;
#[forbid(unsafe_code)]
pub mod entries;
#[forbid(unsafe_code)]
pub mod fault;
#[forbid(unsafe_code)]
pub mod html;
#[forbid(unsafe_code)]
pub mod ids;
#[forbid(unsafe_code)]
pub mod json;
#[forbid(unsafe_code)]
pub mod output;
#[forbid(unsafe_code)]
pub mod plain;
#[forbid(unsafe_code)]
pub mod pretty;
#[forbid(unsafe_code)]
pub mod record;
#[forbid(unsafe_code)]
pub mod reply;
#[forbid(unsafe_code)]
pub mod request;
#[forbid(unsafe_code)]
pub mod scanner;
#[forbid(unsafe_code)]
pub mod service;
#[forbid(unsafe_code)]
pub mod slots;
#[forbid(unsafe_code)]
pub mod statistics;
#[forbid(unsafe_code)]
pub mod table;
#[forbid(unsafe_code)]
pub mod text;

#[cfg(feature = "node")]
pub mod node;
